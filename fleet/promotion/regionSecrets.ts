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

/** How many secrets are described at the same time. */
const CONCURRENT_SECRET_COUNT = 20

/** Every secret of a Region, also the replicas, as ListSecrets gives them. @throws NotPermitted, Throttled, StoreFailed */
export async function listAllSecrets(client: SecretsManagerClient): Promise<SecretListEntry[]> {
  const pages = paginateListSecrets({ client, pageSize: 100 }, {})
  const found = await callAws('Secrets Manager', () => Array.fromAsync(pages))
  return found.flatMap(({ SecretList = [] }) => SecretList)
}

/** Whether Secrets Manager in a Region answers. A refusal is an answer too; a failure of the service is none. */
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
 * Those of the secrets that have, or are to have, a replica in another Region, as DescribeSecret lists it.
 * @param region the other Region
 * @param client of the secrets' own Region
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
    // A secret that was deleted since it was listed has no replica.
    if (outcome?.status === 'rejected' && !(outcome.reason instanceof InvalidCredential)) throw outcome.reason
    return outcome?.status === 'fulfilled' && outcome.value
  })
}
