import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { fence, handOver } from '../rotation/promotion/handOver.ts'
import { functionHandler } from './shared/handler.ts'
import { secretsManagerIn } from './shared/peers.ts'
import { parseHandOverEvent } from './shared/promotionEvent.ts'
import { REQUEST_TIMEOUTS } from './shared/requestTimeouts.ts'

const secretsManager = new SecretsManagerClient({ requestHandler: REQUEST_TIMEOUTS })

/** Stops the rotation of a secret in the Region that is given up: before a planned promotion, or after any promotion. */
export const handler = functionHandler(
  'handOver',
  parseHandOverEvent,
  ({ item: { arn, from }, after }) => ({ id: arn, from, after }),
  async ({ item, after }) => {
    const regions = { here: secretsManager, there: secretsManagerIn(item.from) }
    await (after ? fence(regions, item) : handOver(regions, item))
  },
)
