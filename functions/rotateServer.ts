import { setTimeout } from 'node:timers/promises'
import { ExecutionFailed } from '../fleet/executions.ts'
import { inputOf, Servers } from '../fleet/servers.ts'
import { RotationInProgress } from '../rotation/errors.ts'
import { parseEnvironment } from './shared/environment.ts'
import { serverEvent } from './shared/event.ts'
import { functionHandler } from './shared/handler.ts'
import { requestHandler } from './shared/requestHandler.ts'

const servers = new Servers(parseEnvironment(process.env).servers, { requestHandler })

/** Milliseconds between two looks: the first pause, and the longest that it grows to. */
const PAUSE = { first: 200, longest: 5_000 }
/** Milliseconds of the function's time that it does not wait, as the state machine asks again. */
const RESERVE = 45_000

/** What became of the rotations on one database server, without names: a run's state has to hold it for every server. */
type Outcome = { host: string; rotated: number; failed: number; skipped: number; parked: number }

/**
 * Takes a database server for a run, and waits until all that was due there has ended. Where another run is at work on it,
 * nothing is done: what is due there waits for a later run.
 * @throws RotationInProgress if it goes on: ask again. ExecutionFailed if it did not come to its end
 */
export const handler = functionHandler(
  'rotateServer',
  serverEvent,
  ({ run, group: { host } }) => ({ run, host }),
  async (event, { getRemainingTimeInMillis }): Promise<Outcome> => {
    const { host, server, rotations } = event.group
    const name = await servers.take(server.id, server.last, name => JSON.stringify(inputOf(event, name)))
    if (!name) return { host, rotated: 0, failed: 0, skipped: rotations.length, parked: 0 }
    for (let pause = PAUSE.first; ; pause = Math.min(pause * 1.5, PAUSE.longest)) {
      const { status, output, error = '' } = (await servers.find(name)) ?? { status: 'RUNNING' }
      if (status === 'SUCCEEDED') {
        const { rotated, failed, skipped, parked = 0 } = JSON.parse(output ?? '{}')
        return { host, rotated, failed, skipped, parked }
      }
      if (status !== 'RUNNING')
        throw new ExecutionFailed('ExecutionFailed', `execution ${name} is ${status} ${error}`.trim())
      if (getRemainingTimeInMillis() - pause < RESERVE)
        throw new RotationInProgress(`execution ${name} of rotate-server goes on`)
      await setTimeout(pause)
    }
  },
)
