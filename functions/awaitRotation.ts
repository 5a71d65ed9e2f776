import { ExecutionFailed, Executions } from '../fleet/executions.ts'
import { waitForStep } from '../fleet/waitForStep.ts'
import { isServiceErrorMessage } from '../rotation/callAws.ts'
import { parseEnvironment } from './shared/environment.ts'
import { parseAwaitRotationEvent } from './shared/event.ts'
import { functionHandler } from './shared/handler.ts'
import { REQUEST_TIMEOUTS } from './shared/requestTimeouts.ts'

const environment = parseEnvironment(process.env)
const executions = new Executions(environment.executionArnPrefix, { requestHandler: REQUEST_TIMEOUTS })

/** The wait ends so many milliseconds before the function's time does. The state machine then calls the function again. */
const RESERVE_MS = 45_000
/** Characters of a failure's message that are kept: an execution of rotate-server may hold 500 failures in its state. */
const MAX_REASON_LENGTH = 200

/**
 * Waits until a rotation has succeeded or failed, but not for its grace time. If the rotation failed because its database
 * server does not answer, this function records the server as down, so that this run begins no other rotation on that server.
 * @returns the credential and the outcome. Of a failed rotation also the error, and `critical` if its rollback failed.
 * @throws RotationInProgress the rotation still runs: the state machine retries
 */
export const handler = functionHandler(
  'awaitRotation',
  parseAwaitRotationEvent,
  event => event,
  async ({ store, id, token, group, server }, context) => {
    try {
      await waitForStep(executions, { token, number: 1 }, 'finishSecret', context, RESERVE_MS)
      return { store, id, outcome: 'rotated' }
    } catch (error) {
      if (!(error instanceof ExecutionFailed)) throw error
      // An AWS service may be Unreachable as well, such as RDS: that says nothing about the server.
      const isDown = error.name === 'Unreachable' && !isServiceErrorMessage(error.message)
      if (server && group && isDown) await noteServerDown(server, group)
      const critical = (await executions.progressOf({ token, number: 1 }))?.enteredStates.has(
        'RollbackFailed',
      )
      const reason = error.message.slice(0, MAX_REASON_LENGTH)
      return { store, id, outcome: 'failed', error: error.name, reason, ...(critical && { critical }) }
    }
  },
)

async function noteServerDown(server: string, group: string): Promise<void> {
  const { ServerLocks } = await import('../fleet/serverLocks.ts')
  await new ServerLocks(environment.serverStateMachineArn, {
    requestHandler: REQUEST_TIMEOUTS,
  }).recordServerDown(server, group)
}
