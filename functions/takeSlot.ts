import { Servers } from '../fleet/servers.ts'
import { RotationInProgress } from '../rotation/errors.ts'
import { parseEnvironment } from './shared/environment.ts'
import { slotEvent } from './shared/event.ts'
import { functionHandler } from './shared/handler.ts'
import { requestHandler } from './shared/requestHandler.ts'

const servers = new Servers(parseEnvironment(process.env).servers, { requestHandler })

/**
 * Takes one of so many places as there may be servers at once, over all runs.
 * @throws RotationInProgress if none is free: ask again
 */
export const handler = functionHandler(
  'takeSlot',
  slotEvent,
  ({ execution }) => ({ server: execution }),
  async ({ execution, hosts }): Promise<void> => {
    if (!(await servers.takeSlot(execution, hosts)))
      throw new RotationInProgress('maxConcurrentRotations: rotations on other servers fill it')
  },
)
