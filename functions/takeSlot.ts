import { ServerLocks } from '../fleet/serverLocks.ts'
import { RotationInProgress } from '../rotation/errors.ts'
import { parseEnvironment } from './shared/environment.ts'
import { parseTakeSlotEvent } from './shared/event.ts'
import { functionHandler } from './shared/handler.ts'
import { REQUEST_TIMEOUTS } from './shared/requestTimeouts.ts'

const servers = new ServerLocks(parseEnvironment(process.env).serverStateMachineArn, {
  requestHandler: REQUEST_TIMEOUTS,
})

/**
 * Takes one of so many places as there may be servers at once, over all runs.
 * @throws RotationInProgress if none is free: ask again
 */
export const handler = functionHandler(
  'takeSlot',
  parseTakeSlotEvent,
  ({ execution }) => ({ server: execution }),
  async ({ execution, hosts }): Promise<void> => {
    if (!(await servers.takeSlot(execution, hosts)))
      throw new RotationInProgress('maxConcurrentRotations: rotations on other servers fill it')
  },
)
