import {
  ListSecretsCommand,
  paginateListSecrets,
  type SecretListEntry,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { ask, type Failure, isTemporary } from '../../rotation/ask.ts'
import { InvalidCredential } from '../../rotation/errors.ts'
import { SecretsManager } from '../../rotation/stores/secretsManager.ts'
import { settled } from '../pool.ts'

/** Secrets that are asked for at once. */
const AT_ONCE = 20

/** Every secret of a Region, as it is listed there, also the replicas. @throws NotPermitted, Throttled, StoreFailed */
export async function listed(client: SecretsManagerClient): Promise<SecretListEntry[]> {
  const pages = paginateListSecrets({ client, pageSize: 100 }, {})
  const found = await ask('Secrets Manager', () => Array.fromAsync(pages))
  return found.flatMap(({ SecretList = [] }) => SecretList)
}

/** Whether Secrets Manager in a Region answers at all, be it by a refusal. An error on its own side is no answer. */
export async function answers(client: SecretsManagerClient): Promise<boolean> {
  try {
    await client.send(new ListSecretsCommand({ MaxResults: 1 }))
    return true
  } catch (error) {
    const failure = error as Failure
    return '$fault' in failure && (!isTemporary(failure) || /Throttl|TooMany/.test(failure.name))
  }
}

/**
 * Those of a Region's secrets that are to have a replica in another one, as their status lists it.
 * @throws NotPermitted, Throttled, StoreFailed
 */
export async function withReplicaIn(
  region: string,
  secrets: SecretListEntry[],
  client: SecretsManagerClient,
): Promise<SecretListEntry[]> {
  const store = new SecretsManager(client)
  const looked = await settled(secrets, AT_ONCE, async ({ ARN = '' }) => {
    const { replicas = [] } = await store.describe(ARN)
    return replicas.some(replica => replica.region === region)
  })
  return secrets.filter((_, index) => {
    const outcome = looked[index]
    // One that is gone since has none.
    if (outcome?.status === 'rejected' && !(outcome.reason instanceof InvalidCredential)) throw outcome.reason
    return outcome?.status === 'fulfilled' && outcome.value
  })
}
