import { ExecutionFailed, Executions } from '../fleet/executions.ts'
import { passed } from '../fleet/waitForStep.ts'
import { isOfService } from '../rotation/ask.ts'
import { parseEnvironment } from './shared/environment.ts'
import { awaitedEvent } from './shared/event.ts'
import { functionHandler } from './shared/handler.ts'
import { requestHandler } from './shared/requestHandler.ts'

const environment = parseEnvironment(process.env)
const executions = new Executions(environment.executions, { requestHandler })

/** Milliseconds of the function's time that it does not wait. The state machine asks again, so it need not wait long. */
const RESERVE = 45_000
/** Characters of a failure's message that are kept. There may be a thousand in one run. */
const KEPT = 200

/**
 * Waits until a rotation has succeeded or failed; its grace time is not waited for. Where it failed as its server did not
 * answer, that is noted, so that no other one begins there.
 * @throws RotationInProgress if it still runs: ask again
 */
export const handler = functionHandler(
  'awaitRotation',
  awaitedEvent,
  event => event,
  async ({ store, id, token, group, server }, context) => {
    try {
      await passed(executions, { token, number: 1 }, 'finishSecret', context, RESERVE)
      return { store, id, outcome: 'rotated' }
    } catch (error) {
      if (!(error instanceof ExecutionFailed)) throw error
      const isDown = error.name === 'Unreachable' && !isOfService(error.message)
      if (server && group && isDown) await noteDown(server, group)
      const critical = (await executions.progress({ token, number: 1 }))?.entered.has('RollbackFailed')
      const reason = error.message.slice(0, KEPT)
      return { store, id, outcome: 'failed', error: error.name, reason, ...(critical && { critical }) }
    }
  },
)

async function noteDown(server: string, group: string): Promise<void> {
  const { Servers } = await import('../fleet/servers.ts')
  await new Servers(environment.servers, { requestHandler }).noteDown(server, group)
}
