import { randomInt, randomUUID } from 'node:crypto'
import { DAY_SECONDS } from '../../../rotation/timeUnits.ts'
import { AwsError } from '../awsError.ts'
import { invalidParameterError, markedForDeletionError, replicaIsReadOnlyError } from './errors.ts'
import type { RegionView } from './regionView.ts'
import {
  addVersion,
  arnAndNameOf,
  type Request,
  type Secret,
  serializedValueIn,
  stagesOf,
  tagsOf,
  tokenIn,
} from './secret.ts'

/** The actions on a secret as a whole. */
export const secretActions = {
  CreateSecret: (request: Request, here: RegionView) => {
    const { account, region, replication } = here
    const { Name: name = '', ClientRequestToken: token = randomUUID(), Tags = [] } = request
    const existing = account.secretsIn(region).get(name)
    if (existing?.deleted) throw markedForDeletionError()
    if (existing) throw new AwsError('ResourceExistsException', `The secret ${name} already exists.`)
    const suffix = Array.from({ length: 6 }, () => randomInt(36).toString(36)).join('')
    const secret: Secret = {
      arn: `arn:aws:secretsmanager:${region}:123456789012:secret:${name}-${suffix}`,
      name,
      region,
      created: account.nextTimestamp(),
      description: request.Description,
      policy: undefined,
      keyId: request.KmsKeyId,
      tags: new Map(Tags.map(({ Key = '', Value = '' }) => [Key, Value])),
      versions: new Map(),
      labels: new Map(),
      replicas: new Map(),
    }
    const value = serializedValueIn(request)
    if (value) addVersion(secret, token, { created: account.nextTimestamp(), value }, [])
    here.replicate(secret, request)
    account.secretsIn(region).set(name, secret)
    const ReplicationStatus = secret.replicas.size ? replication.statusOf(secret) : undefined
    return { ...arnAndNameOf(secret), ...(value && { VersionId: token }), ReplicationStatus }
  },

  DescribeSecret: ({ SecretId }: Request, { account, region, replication }: RegionView) => {
    const secret = account.find(region, SecretId)
    return {
      ...detailsOf(secret),
      VersionIdsToStages: stagesOf(secret),
      ReplicationStatus: secret.replicas.size ? replication.statusOf(secret) : undefined,
    }
  },

  ListSecrets: (request: Request, { account, region }: RegionView) => {
    const { Filters = [], MaxResults = 100, NextToken = '0', IncludePlannedDeletion } = request
    const all = [...account.secretsIn(region).values()].filter(
      secret =>
        (IncludePlannedDeletion || !secret.deleted) &&
        Filters.every(({ Key = 'all', Values = [] }) => matchesFilter(secret, Key, Values)),
    )
    const [start, end] = [Number(NextToken), Number(NextToken) + MaxResults]
    return {
      SecretList: all
        .slice(start, end)
        .map(secret => ({ ...detailsOf(secret), SecretVersionsToStages: stagesOf(secret) })),
      NextToken: end < all.length ? `${end}` : undefined,
    }
  },

  UpdateSecret: (request: Request, { account, region, replication }: RegionView) => {
    const secret = account.findLive(region, request.SecretId)
    const { Description, KmsKeyId } = request
    const value = serializedValueIn(request)
    if (secret.primaryRegion) {
      if (!KmsKeyId || value || Description !== undefined) throw replicaIsReadOnlyError()
      replication.changeKey(secret, KmsKeyId)
      return arnAndNameOf(secret)
    }
    const token = tokenIn(request)
    if (Description !== undefined) secret.description = Description
    if (KmsKeyId) secret.keyId = KmsKeyId
    if (value) addVersion(secret, token, { created: account.nextTimestamp(), value }, ['AWSCURRENT'])
    replication.sendChanges(secret, value ? 'labels moved' : 'labels stay')
    return { ...arnAndNameOf(secret), ...(value && { VersionId: token }) }
  },

  TagResource: ({ SecretId, Tags = [] }: Request, { account, region, replication }: RegionView) => {
    const secret = account.findPrimary(region, SecretId)
    for (const { Key = '', Value = '' } of Tags) secret.tags.set(Key, Value)
    replication.sendChanges(secret, 'labels stay')
    return {}
  },

  UntagResource: ({ SecretId, TagKeys = [] }: Request, { account, region, replication }: RegionView) => {
    const secret = account.findPrimary(region, SecretId)
    for (const key of TagKeys) secret.tags.delete(key)
    replication.sendChanges(secret, 'labels stay')
    return {}
  },

  GetResourcePolicy: ({ SecretId }: Request, { account, region }: RegionView) => {
    const secret = account.findLive(region, SecretId)
    return { ...arnAndNameOf(secret), ResourcePolicy: secret.policy }
  },

  PutResourcePolicy: (request: Request, { account, region, replication }: RegionView) => {
    const secret = account.findPrimary(region, request.SecretId)
    secret.policy = request.ResourcePolicy
    replication.sendChanges(secret, 'labels stay')
    return arnAndNameOf(secret)
  },

  DeleteResourcePolicy: ({ SecretId }: Request, { account, region, replication }: RegionView) => {
    const secret = account.findPrimary(region, SecretId)
    secret.policy = undefined
    replication.sendChanges(secret, 'labels stay')
    return arnAndNameOf(secret)
  },

  DeleteSecret: (request: Request, { account, region }: RegionView) => {
    const { SecretId, ForceDeleteWithoutRecovery, RecoveryWindowInDays = 30 } = request
    const secret = account.findPrimary(region, SecretId)
    const regions = [...secret.replicas.keys()].join(', ')
    if (regions)
      throw invalidParameterError(
        `You can't delete secret ${secret.arn} that still has replica regions [${regions}].`,
      )
    if (ForceDeleteWithoutRecovery) account.secretsIn(region).delete(secret.name)
    secret.deleted = account.nextTimestamp() + RecoveryWindowInDays * DAY_SECONDS
    return { ...arnAndNameOf(secret), DeletionDate: secret.deleted }
  },

  RestoreSecret: ({ SecretId }: Request, { account, region }: RegionView) => {
    const secret = account.find(region, SecretId)
    delete secret.deleted
    return arnAndNameOf(secret)
  },
}

/** What DescribeSecret and ListSecrets both answer. */
function detailsOf(secret: Secret): object {
  const { rotation } = secret
  return {
    ...arnAndNameOf(secret),
    Description: secret.description,
    KmsKeyId: secret.keyId,
    PrimaryRegion: secret.primaryRegion,
    CreatedDate: secret.created,
    DeletedDate: secret.deleted,
    LastAccessedDate: secret.lastReadDay,
    ...(rotation && {
      RotationEnabled: rotation.enabled,
      RotationLambdaARN: rotation.function,
      RotationRules: rotation.rules,
    }),
    Tags: tagsOf(secret),
  }
}

/**
 * Whether a secret matches one of the values of a filter. A text of the secret has to begin with the value; with a value that begins
 * with `!`, no text may begin with the rest of the value. Case counts for all keys here.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Filter.html
 */
function matchesFilter(secret: Secret, key: string, values: string[]): boolean {
  const [names, tagKeys, tagValues] = [[secret.name], [...secret.tags.keys()], [...secret.tags.values()]]
  const descriptions = [secret.description ?? '']
  const texts: Record<string, string[]> = {
    name: names,
    description: descriptions,
    'tag-key': tagKeys,
    'tag-value': tagValues,
    'primary-region': [secret.primaryRegion ?? ''],
    'owning-service': [''],
    all: [...names, ...descriptions, ...tagKeys, ...tagValues],
  }
  const found = texts[key]
  if (!found) throw invalidParameterError(`There is no filter ${key}.`)
  return values.some(value =>
    value.startsWith('!')
      ? !found.some(text => text.startsWith(value.slice(1)))
      : found.some(text => text.startsWith(value)),
  )
}
