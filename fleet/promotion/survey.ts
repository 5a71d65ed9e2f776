import {
  ListSecretsCommand,
  paginateListSecrets,
  type SecretListEntry,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { callAws, isTemporary, type SdkError } from '../../rotation/callAws.ts'
import { InvalidCredential } from '../../rotation/errors.ts'
import { SecretsManager } from '../../rotation/stores/secretsManager.ts'
import { settleConcurrently } from '../concurrency.ts'

/** Secrets that are asked for at once. */
const CONCURRENT_SECRET_COUNT = 20

/** Every secret of a Region, as it is listed there, also the replicas. @throws NotPermitted, Throttled, StoreFailed */
export async function listAllSecrets(client: SecretsManagerClient): Promise<SecretListEntry[]> {
  const pages = paginateListSecrets({ client, pageSize: 100 }, {})
  const found = await callAws('Secrets Manager', () => Array.fromAsync(pages))
  return found.flatMap(({ SecretList = [] }) => SecretList)
}

/** Whether Secrets Manager in a Region answers at all, be it by a refusal. An error on its own side is no answer. */
export async function doesRegionAnswer(client: SecretsManagerClient): Promise<boolean> {
  try {
    await client.send(new ListSecretsCommand({ MaxResults: 1 }))
    return true
  } catch (error) {
    const failure = error as SdkError
    return '$fault' in failure && (!isTemporary(failure) || /Throttl|TooMany/.test(failure.name))
  }
}

/**
 * Those of a Region's secrets that are to have a replica in another one, as their status lists it.
 * @throws NotPermitted, Throttled, StoreFailed
 */
export async function filterReplicatedTo(
  region: string,
  secrets: SecretListEntry[],
  client: SecretsManagerClient,
): Promise<SecretListEntry[]> {
  const store = new SecretsManager(client)
  const looked = await settleConcurrently(secrets, CONCURRENT_SECRET_COUNT, async ({ ARN = '' }) => {
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
