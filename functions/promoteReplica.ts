import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { promote } from '../rotation/promotion/promote.ts'
import { functionHandler } from './shared/handler.ts'
import { ownHosts } from './shared/ownHosts.ts'
import { storePipelines } from './shared/ownStorePipelines.ts'
import { moveEvent } from './shared/promotionEvent.ts'
import { requestHandler } from './shared/requestHandler.ts'

const hosts = ownHosts()
const client = new SecretsManagerClient({ requestHandler })
const rotationFunction = process.env.KEYTURN_ROTATION_FUNCTION ?? ''

/**
 * Makes a replica a secret of its own, with the version that logs in here as the current one. Its host is found here anew: the
 * state of an execution may not name one.
 */
export const handler = functionHandler(
  'promoteReplica',
  moveEvent,
  ({ item: { arn, from }, version }) => ({ id: arn, from, version }),
  async ({ item, version, current }) => {
    const { store, connection, defaults } = await storePipelines.of('secrets-manager')
    const promoting = { store, connection, defaults, client, hosts, rotationFunction, now: () => new Date() }
    await promote(promoting, { ...item, version, current })
    return { done: true }
  },
)
