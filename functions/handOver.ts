import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { fence, handOver } from '../rotation/promotion/handOver.ts'
import { functionHandler } from './shared/handler.ts'
import { secretsIn } from './shared/peers.ts'
import { handOverEvent } from './shared/promotionEvent.ts'
import { requestHandler } from './shared/requestHandler.ts'

const here = new SecretsManagerClient({ requestHandler })

/** Sees that nothing rotates the secret of the other Region any more: before a planned promotion, or after one. */
export const handler = functionHandler(
  'handOver',
  handOverEvent,
  ({ item: { arn, from }, after }) => ({ id: arn, from, after }),
  async ({ item, after }) => {
    const regions = { here, there: secretsIn(item.from) }
    await (after ? fence(regions, item) : handOver(regions, item))
  },
)
