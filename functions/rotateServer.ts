import { ExecutionFailed } from '../fleet/executions.ts'
import { poll } from '../fleet/poll.ts'
import { ServerLocks, serverInputOf } from '../fleet/serverLocks.ts'
import { parseEnvironment } from './shared/environment.ts'
import { parseRotateServerEvent } from './shared/event.ts'
import { functionHandler } from './shared/handler.ts'
import { REQUEST_TIMEOUTS } from './shared/requestTimeouts.ts'

const servers = new ServerLocks(parseEnvironment(process.env).serverStateMachineArn, {
  requestHandler: REQUEST_TIMEOUTS,
})

/** The wait ends so many milliseconds before the function's time does. The state machine then calls the function again. */
const RESERVE_MS = 45_000

/**
 * How many rotations on one database server had which outcome. It names no credentials, because the state of a run holds one such
 * outcome for every server.
 */
type Outcome = { host: string; rotated: number; failed: number; skipped: number; parked: number }

/**
 * Starts the execution of rotate-server that rotates what is due on one database server, and waits for its end. If another run
 * already rotates on that server, nothing is done and all rotations count as skipped: a later run finds them due again.
 * @throws RotationInProgress the execution still runs: the state machine retries
 * @throws ExecutionFailed the execution did not succeed
 */
export const handler = functionHandler(
  'rotateServer',
  parseRotateServerEvent,
  ({ run, group: { host } }) => ({ run, host }),
  async (event, clock): Promise<Outcome> => {
    const { host, server, rotations } = event.group
    const name = await servers.take(server.id, server.last, name =>
      JSON.stringify(serverInputOf(event, name)),
    )
    if (!name) return { host, rotated: 0, failed: 0, skipped: rotations.length, parked: 0 }
    return poll(() => outcomeOf(name, host), `execution ${name} of rotate-server goes on`, clock, RESERVE_MS)
  },
)

/** The outcome of an execution of rotate-server, or undefined while it runs. @throws ExecutionFailed */
async function outcomeOf(name: string, host: string): Promise<Outcome | undefined> {
  // An execution that was started just now may not be found yet.
  const { status, output, error = '' } = (await servers.findExecution(name)) ?? { status: 'RUNNING' }
  if (status === 'RUNNING') return undefined
  if (status !== 'SUCCEEDED')
    throw new ExecutionFailed('ExecutionFailed', `execution ${name} is ${status} ${error}`.trim())
  const { rotated, failed, skipped, parked = 0 } = JSON.parse(output ?? '{}')
  return { host, rotated, failed, skipped, parked }
}
