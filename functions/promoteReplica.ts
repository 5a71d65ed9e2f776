import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { promote } from '../rotation/promotion/promote.ts'
import { functionHandler } from './shared/handler.ts'
import { ownHosts } from './shared/ownHosts.ts'
import { storePipelines } from './shared/ownStorePipelines.ts'
import { parsePromoteReplicaEvent } from './shared/promotionEvent.ts'
import { REQUEST_TIMEOUTS } from './shared/requestTimeouts.ts'

const hosts = ownHosts()
const client = new SecretsManagerClient({ requestHandler: REQUEST_TIMEOUTS })
const rotationFunction = process.env.KEYTURN_ROTATION_FUNCTION ?? ''

/**
 * Promotes a replica to a secret of its own, whose current version becomes the one that findVersion found to log in to this
 * Region's database. The function looks up the database's host itself, so that nobody who starts an execution can choose the host.
 */
export const handler = functionHandler(
  'promoteReplica',
  parsePromoteReplicaEvent,
  ({ item: { arn, from }, version }) => ({ id: arn, from, version }),
  async ({ item, version, current }) => {
    const { store, readConnection, defaults } = await storePipelines.of('secrets-manager')
    const promoting = {
      store,
      readConnection,
      defaults,
      client,
      hosts,
      rotationFunction,
      now: () => new Date(),
    }
    await promote(promoting, { ...item, version, current })
    return { done: true }
  },
)
