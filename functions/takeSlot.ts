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
 * Takes a slot for an execution of rotate-server. There are `hosts` slots, shared by all runs: as many as database servers on
 * which rotations may go on at once. The execution keeps its slot until it ends.
 * @throws RotationInProgress every slot is taken: the state machine retries
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
