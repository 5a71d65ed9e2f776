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
import type { Pipeline } from '../pipeline.ts'
import { openStore } from '../storedVersions.ts'
import type { Description, Store } from '../stores/store.ts'
import { givenUpIn, givenUpTag, HOME_TAG, homeIn, type Tags } from '../tags.ts'
import { type HostSources, moveToThisRegion } from './moveToThisRegion.ts'
import { scheduleIn } from './serviceSchedule.ts'

/**
 * The replica to promote: its ARN in this Region, the lost Region `from`, the token of the version that logs in, and the token
 * of the version that was current when that was found out.
 */
export type Promotion = { arn: string; from: string; version: string; current?: string | undefined }

/** The part of a rotation's pipeline that a promotion needs, and what it needs beside that. */
export type PromotionPipeline = Pick<Pipeline, 'store' | 'readConnection' | 'defaults'> & {
  client: SecretsManagerClient
  hosts: HostSources
  /** ARN of this stack's rotation function, rotateSecret. */
  rotationFunction: string
  /** The time, for the day in a tag. */
  now(): Date
}

/**
 * Promotes a replica to a secret of its own. The version that logs in becomes current, with the host of this Region. Every step
 * may be done already by an earlier try.
 *
 * The tags come after the version: they let the secret rotate here, and mark the lost Region as given up, so that the old secret
 * there does not stop rotations here. A secret with these tags keeps its versions, as it may have been rotated since: a promotion
 * that is repeated, or that runs at the same time, only sets the schedule.
 * @throws InvalidCredential if it is a replica of a secret in another Region than `from`, or `version` is not there any more;
 *   Superseded if another version became current meanwhile; HostUnmapped, Conflict, NotPermitted, Throttled
 */
export async function promote(pipeline: PromotionPipeline, promotion: Promotion): Promise<void> {
  const { arn, from } = promotion
  const { store, client } = pipeline
  const found = await store.describe(arn)
  if (await wasPromoted(pipeline, found, { arn, from })) return setSchedule(pipeline, arn, found.tags)
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
  // Replication has stopped, so the versions do not change any more. They are read again.
  await makeCurrent(pipeline, await store.describe(arn), promotion)
  await dropPending(store, arn)
  await addTags(client, arn, {
    [HOME_TAG]: regionIn(arn) ?? '',
    [givenUpTag(from)]: `${pipeline.now().toISOString().slice(0, 10)} promoted in its place`,
  })
  await setSchedule(pipeline, arn, found.tags)
}

/**
 * Whether the secret was promoted already: it is no replica, has the tags of a promotion, and its current value has the host of
 * this Region. The tags alone do not tell, as they may be left of an earlier promotion.
 */
async function wasPromoted(
  pipeline: PromotionPipeline,
  { primaryRegion, tags }: Description,
  { arn, from }: Omit<Promotion, 'version'>,
): Promise<boolean> {
  if (primaryRegion !== undefined || homeIn(tags) !== regionIn(arn) || !givenUpIn(tags)[from]) return false
  const options = parseRollbackOptions(tags, pipeline.defaults)
  const current = await (await openStore(pipeline, options)).read(arn, { stage: 'current' })
  if (!current) return false
  const moved = await moveToThisRegion(current.credential, options, from, pipeline.hosts)
  return moved.address === current.credential.address
}

/**
 * Makes the version that logs in current, with the host of this Region. If that changes the value, it writes a new version, whose
 * token is a hash of the secret's ARN, the version and the address. So another try writes the same version, and the token depends
 * on no secret value.
 * @throws Superseded if another version became current since `version` logged in; Conflict, which is retried
 */
async function makeCurrent(
  pipeline: PromotionPipeline,
  { tags, current }: Description,
  { arn, from, version, current: expected }: Promotion,
): Promise<void> {
  const options = parseRollbackOptions(tags, pipeline.defaults)
  const store = await openStore(pipeline, options)
  const stored = await store.read(arn, { token: version })
  if (!stored) throw new InvalidCredential('value', `there is no version ${version} any more`)
  const credential = await moveToThisRegion(stored.credential, options, from, pipeline.hosts)
  const SecretString = credential.serialize()
  if (version === current && SecretString === stored.credential.serialize()) return
  const ClientRequestToken = hash('sha256', `${arn} ${version} ${credential.address}`)
  if (expected !== undefined && ![expected, version, ClientRequestToken].includes(current ?? ''))
    throw new Superseded(
      `current is version ${current} by now, and was ${expected} when version ${version} logged in`,
    )
  const command = new PutSecretValueCommand({
    SecretId: arn,
    ClientRequestToken,
    SecretString,
    VersionStages: ['AWSCURRENT'],
  })
  await callAws('Secrets Manager', () => pipeline.client.send(command), {
    // Secrets Manager may need a moment to treat the secret as no replica.
    InvalidParameterException: () => {
      throw new Conflict('the promoted secret does not take a value yet')
    },
  })
}

/**
 * Takes the pending label off. Its version is of a rotation that ended with the lost Region; or it was current until this
 * promotion, and had kept the label from its own rotation. While the label is there, RotateSecret is refused.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
 */
async function dropPending(store: Store, arn: string): Promise<void> {
  const { pending } = await store.describe(arn)
  if (pending !== undefined) await store.discard(arn, pending)
}

async function addTags(client: SecretsManagerClient, arn: string, tags: Tags): Promise<void> {
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
  await callAws('Secrets Manager', () => client.send(new TagResourceCommand({ SecretId: arn, Tags })))
}

/**
 * Sets Secrets Manager's own schedule from the tag that stores it, as a replica gets none from its primary. With
 * RotateImmediately=false, RotateSecret only tests the rotation function, and a failure of that test changes nothing.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
 */
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
    // The message says how far the promotion has come. If it is repeated, it sets the schedule.
    if (error instanceof RotationError)
      error.message = `it stands on its own and logs in, but its schedule was not taken up: ${error.message}`
    throw error
  }
}
