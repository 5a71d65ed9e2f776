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

/** Secrets Manager here, and in the Region that is given up. */
export type BothRegions = { here: SecretsManagerClient; there: SecretsManagerClient }

/** Of which secret, by its ARN here; and the Region that is given up. */
export type SecretToHandOver = { arn: string; from: string }

/**
 * Before a planned promotion: no rotation begins in the other Region any more, none is under way there, and the replica here has
 * what is current there. So nothing is lost.
 * @throws RotationInProgress, ReplicasBehind: ask again; StandsAlone, before anything was changed, if what is here does not follow
 *   and has another version; InvalidCredential if there is no such secret, NotPermitted, Throttled
 */
export async function handOver({ here, there }: BothRegions, { arn, from }: SecretToHandOver): Promise<void> {
  const [id, region] = [arnInRegion(arn, from), regionIn(arn) ?? '']
  const store = new SecretsManager(there)
  const before = await store.describe(id)
  const isBegun = homeIn(before.tags) === region
  if (!isBegun) {
    const { primaryRegion, current } = await new SecretsManager(here).describe(arn)
    // What is left of a promotion that was long ago, say: as current it would take the place of what is newer.
    if (primaryRegion === undefined && current !== before.current)
      throw new StandsAlone(
        `it is a secret of its own here and has version ${current ?? 'none'}, and current in ${from} is ${before.current ?? 'none'}: if nobody here reads it, delete it and add the replica again`,
      )
    await setHomeTag(there, id, region)
  }
  // What had begun before the tag was set shows by now.
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
 * After a promotion, as far as the other Region answers: nothing rotates its secret any more, by no schedule and by no hand.
 * @throws InvalidCredential, NotPermitted, Throttled
 */
export async function fence({ there }: BothRegions, { arn, from }: SecretToHandOver): Promise<void> {
  const [id, region] = [arnInRegion(arn, from), regionIn(arn) ?? '']
  const describe = new DescribeSecretCommand({ SecretId: id })
  const secret = await callAws('Secrets Manager', () => there.send(describe))
  if (homeIn(tagsIn(secret.Tags)) !== region) await setHomeTag(there, id, region)
  const cancel = new CancelRotateSecretCommand({ SecretId: id })
  if (secret.RotationEnabled) await callAws('Secrets Manager', () => there.send(cancel))
}

async function setHomeTag(client: SecretsManagerClient, id: string, region: string): Promise<void> {
  const command = new TagResourceCommand({ SecretId: id, Tags: [{ Key: HOME_TAG, Value: region }] })
  await callAws('Secrets Manager', () => client.send(command))
}
