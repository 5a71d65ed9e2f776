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

/** Milliseconds of the function's time that it does not wait, as the state machine asks again. */
const RESERVE_MS = 45_000

/** What became of the rotations on one database server, without names: a run's state has to hold it for every server. */
type Outcome = { host: string; rotated: number; failed: number; skipped: number; parked: number }

/**
 * Takes a database server for a run, and waits until all that was due there has ended. Where another run is at work on it,
 * nothing is done: what is due there waits for a later run.
 * @throws RotationInProgress if it goes on: ask again. ExecutionFailed if it did not come to its end
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

/** Undefined while the execution runs. */
async function outcomeOf(name: string, host: string): Promise<Outcome | undefined> {
  const { status, output, error = '' } = (await servers.findExecution(name)) ?? { status: 'RUNNING' }
  if (status === 'RUNNING') return undefined
  if (status !== 'SUCCEEDED')
    throw new ExecutionFailed('ExecutionFailed', `execution ${name} is ${status} ${error}`.trim())
  const { rotated, failed, skipped, parked = 0 } = JSON.parse(output ?? '{}')
  return { host, rotated, failed, skipped, parked }
}
