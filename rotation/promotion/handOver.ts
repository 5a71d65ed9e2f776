import {
  CancelRotateSecretCommand,
  DescribeSecretCommand,
  type SecretsManagerClient,
  TagResourceCommand,
} from '@aws-sdk/client-secrets-manager'
import { arnInRegion, regionIn } from '../arn.ts'
import { callAws } from '../callAws.ts'
import { ReplicasBehind, RotationInProgress, StandsAlone } from '../errors.ts'
import { describeReplica } from '../replicas.ts'
import { SecretsManager } from '../stores/secretsManager.ts'
import { HOME_TAG, homeIn, tagsIn } from '../tags.ts'

/** The clients of Secrets Manager in this Region (`here`) and in the Region that is given up (`there`). */
export type BothRegions = { here: SecretsManagerClient; there: SecretsManagerClient }

/** A secret, by its ARN in this Region, and the Region that is given up. */
export type SecretToHandOver = { arn: string; from: string }

/**
 * Prepares the planned promotion of a replica, so that nothing is lost: sets the home of the secret in the other Region to this
 * one, so that no rotation begins there any more; then makes sure that none is under way and that the replica has the current
 * version.
 * @throws RotationInProgress, ReplicasBehind: the state machine tries again
 * @throws StandsAlone, before anything was changed, if the secret here is no replica and has another version
 * @throws InvalidCredential if one of the secrets does not exist; NotPermitted, Throttled
 */
export async function handOver({ here, there }: BothRegions, { arn, from }: SecretToHandOver): Promise<void> {
  const [id, region] = [arnInRegion(arn, from), regionIn(arn) ?? '']
  const store = new SecretsManager(there)
  const before = await store.describe(id)
  const isTagged = homeIn(before.tags) === region
  if (!isTagged) {
    const { primaryRegion, current } = await new SecretsManager(here).describe(arn)
    // The secret here may be left over from an earlier promotion. If it were promoted again, its old value would be used instead of
    // the newer one.
    if (primaryRegion === undefined && current !== before.current)
      throw new StandsAlone(
        `it is a secret of its own here and has version ${current ?? 'none'}, and current in ${from} is ${before.current ?? 'none'}: if nobody here reads it, delete it and add the replica again`,
      )
    await setHomeTag(there, id, region)
  }
  // The secret is read again after it was tagged, so a rotation that began before the tag shows as pending.
  const { pending, current, replicas = [] } = await store.describe(id)
  if (pending !== undefined)
    throw new RotationInProgress(
      `version ${pending} is pending in ${from}: its rotation has to end, or be rolled back`,
    )
  const replica = await new SecretsManager(here).describe(arn)
  if (replica.primaryRegion === undefined) return
  const listed = replicas.find(each => each.region === region)
  if (replica.current !== current || listed?.status !== 'InSync')
    throw new ReplicasBehind(
      `${listed ? describeReplica(listed) : `there is no replica in ${region}`}, and has version ${replica.current ?? 'none'}; current is ${current ?? 'none'}`,
    )
}

/**
 * Keeps the old secret in the other Region from being rotated after a promotion: sets its home to this Region, and cancels Secrets
 * Manager's own schedule.
 * @throws NotPermitted, Throttled, StoreFailed, or what else callAws throws if the other Region does not answer
 */
export async function fence({ there }: BothRegions, { arn, from }: SecretToHandOver): Promise<void> {
  const [id, region] = [arnInRegion(arn, from), regionIn(arn) ?? '']
  const describe = new DescribeSecretCommand({ SecretId: id })
  const secret = await callAws('Secrets Manager', () => there.send(describe))
  if (homeIn(tagsIn(secret.Tags)) !== region) await setHomeTag(there, id, region)
  const cancel = new CancelRotateSecretCommand({ SecretId: id })
  if (secret.RotationEnabled) await callAws('Secrets Manager', () => there.send(cancel))
}

/** Sets the tag `keyturn:home` of a secret. */
async function setHomeTag(client: SecretsManagerClient, id: string, region: string): Promise<void> {
  const command = new TagResourceCommand({ SecretId: id, Tags: [{ Key: HOME_TAG, Value: region }] })
  await callAws('Secrets Manager', () => client.send(command))
}
