import { hash } from 'node:crypto'
import {
  PutSecretValueCommand,
  RotateSecretCommand,
  type SecretsManagerClient,
  StopReplicationToReplicaCommand,
  TagResourceCommand,
} from '@aws-sdk/client-secrets-manager'
import { regionIn } from '../arn.ts'
import { callAws } from '../callAws.ts'
import { Conflict, InvalidCredential, RotationError, Superseded } from '../errors.ts'
import { parseRollbackOptions } from '../options.ts'
import { openStore, type Pipeline } from '../pipeline.ts'
import type { Description, Store } from '../stores/store.ts'
import { givenUpIn, givenUpTag, HOME_TAG, homeIn, type Tags } from '../tags.ts'
import { type HostSources, moveToThisRegion } from './moveToThisRegion.ts'
import { scheduleIn } from './serviceSchedule.ts'

/** Which replica is to stand on its own, its version that logs in, and the one that was current when that was found. */
export type Promotion = { arn: string; from: string; version: string; current?: string | undefined }

/** What is needed for it: of a pipeline no more than this. */
export type PromotionPipeline = Pick<Pipeline, 'store' | 'readConnection' | 'defaults'> & {
  client: SecretsManagerClient
  hosts: HostSources
  /** ARN of this stack's rotateSecret. */
  rotationFunction: string
  now(): Date
}

/**
 * Makes a replica a secret of its own, whose current version is the one that logs in here, with the host of this Region. Each
 * step may be done already. Its last tags let it rotate here, and keep the secret of the lost Region from stopping that. From
 * then on its versions are left to that: another promotion may have found its version before, or look on in the middle of it.
 * @throws InvalidCredential if it is no replica of that Region's; Superseded if another version became current meanwhile;
 *   HostUnmapped, Conflict, NotPermitted, Throttled
 */
export async function promote(promoting: PromotionPipeline, promotion: Promotion): Promise<void> {
  const { arn, from } = promotion
  const { store, client } = promoting
  const found = await store.describe(arn)
  if (await rotatesHere(promoting, found, { arn, from })) return setSchedule(promoting, arn, found.tags)
  if (found.primaryRegion !== undefined) {
    if (found.primaryRegion !== from)
      throw new InvalidCredential(
        'id',
        `is a replica of a secret in ${found.primaryRegion}, and not in ${from}`,
      )
    await callAws('Secrets Manager', () =>
      client.send(new StopReplicationToReplicaCommand({ SecretId: arn })),
    )
  }
  // From now on nothing arrives any more.
  await makeCurrent(promoting, await store.describe(arn), promotion)
  await dropPending(store, arn)
  await addTags(client, arn, {
    [HOME_TAG]: regionIn(arn) ?? '',
    [givenUpTag(from)]: `${promoting.now().toISOString().slice(0, 10)} promoted in its place`,
  })
  await setSchedule(promoting, arn, found.tags)
}

/** By its tags, and by the host of what is current: a replica may have the same tags of a promotion that was long ago. */
async function rotatesHere(
  promoting: PromotionPipeline,
  { primaryRegion, tags }: Description,
  { arn, from }: Omit<Promotion, 'version'>,
): Promise<boolean> {
  if (primaryRegion !== undefined || homeIn(tags) !== regionIn(arn) || !givenUpIn(tags)[from]) return false
  const options = parseRollbackOptions(tags, promoting.defaults)
  const current = await (await openStore(promoting, options)).read(arn, { stage: 'current' })
  if (!current) return false
  const there = await moveToThisRegion(current.credential, options, from, promoting.hosts)
  return there.address === current.credential.address
}

/** The token follows from where the value is for, so that another try writes the same version; never from the value itself. */
async function makeCurrent(
  promoting: PromotionPipeline,
  { tags, current }: Description,
  { arn, from, version, current: seen }: Promotion,
): Promise<void> {
  const options = parseRollbackOptions(tags, promoting.defaults)
  const store = await openStore(promoting, options)
  const stored = await store.read(arn, { token: version })
  if (!stored) throw new InvalidCredential('value', `there is no version ${version} any more`)
  const credential = await moveToThisRegion(stored.credential, options, from, promoting.hosts)
  const SecretString = credential.serialize()
  if (version === current && SecretString === stored.credential.serialize()) return
  const ClientRequestToken = hash('sha256', `${arn} ${version} ${credential.address}`)
  if (seen !== undefined && ![seen, version, ClientRequestToken].includes(current ?? ''))
    throw new Superseded(
      `current is version ${current} by now, and was ${seen} when version ${version} logged in`,
    )
  const command = new PutSecretValueCommand({
    SecretId: arn,
    ClientRequestToken,
    SecretString,
    VersionStages: ['AWSCURRENT'],
  })
  await callAws('Secrets Manager', () => promoting.client.send(command), {
    // Secrets Manager may take a moment to know that it is no replica any more.
    InvalidParameterException: () => {
      throw new Conflict('the promoted secret does not take a value yet')
    },
  })
}

/**
 * What was pending when the Region was lost, or was current and has the label since it was pending: no rotation ends it, and
 * RotateSecret is refused while it is there.
 */
async function dropPending(store: Store, arn: string): Promise<void> {
  const { pending } = await store.describe(arn)
  if (pending !== undefined) await store.discard(arn, pending)
}

async function addTags(client: SecretsManagerClient, arn: string, tags: Tags): Promise<void> {
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
  await callAws('Secrets Manager', () => client.send(new TagResourceCommand({ SecretId: arn, Tags })))
}

/** A schedule of Secrets Manager's own does not come along. That the service tests it in vain is in nobody's way. */
async function setSchedule(
  { client, rotationFunction }: PromotionPipeline,
  arn: string,
  tags: Tags,
): Promise<void> {
  const RotationRules = scheduleIn(tags)
  if (!RotationRules) return
  const command = new RotateSecretCommand({
    SecretId: arn,
    RotationLambdaARN: rotationFunction,
    RotationRules,
    RotateImmediately: false,
  })
  try {
    await callAws('Secrets Manager', () => client.send(command))
  } catch (error) {
    // Another promotion tries it again.
    if (error instanceof RotationError)
      error.message = `it stands on its own and logs in, but its schedule was not taken up: ${error.message}`
    throw error
  }
}
