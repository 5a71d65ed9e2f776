import { randomInt, randomUUID } from 'node:crypto'
import { Refused } from '../refused.ts'
import type { Here } from './here.ts'
import { invalid, markedForDeletion, onReplica } from './refused.ts'
import { add, named, type Request, type Secret, stagesOf, tagsOf, tokenIn, valueIn } from './secret.ts'

/** The calls about a secret as a whole. */
export const secrets = {
  CreateSecret: (request: Request, here: Here) => {
    const { account, region, replication } = here
    const { Name: name = '', ClientRequestToken: token = randomUUID(), Tags = [] } = request
    const existing = account.in(region).get(name)
    if (existing?.deleted) throw markedForDeletion()
    if (existing) throw new Refused('ResourceExistsException', `The secret ${name} already exists.`)
    const suffix = Array.from({ length: 6 }, () => randomInt(36).toString(36)).join('')
    const secret: Secret = {
      arn: `arn:aws:secretsmanager:${region}:123456789012:secret:${name}-${suffix}`,
      ...{ name, region, created: account.moment(), description: request.Description, policy: undefined },
      keyId: request.KmsKeyId,
      tags: new Map(Tags.map(({ Key = '', Value = '' }) => [Key, Value])),
      versions: new Map(),
      labels: new Map(),
      replicas: new Map(),
    }
    const value = valueIn(request)
    if (value) add(secret, token, { created: account.moment(), value }, [])
    here.replicate(secret, request)
    account.in(region).set(name, secret)
    const ReplicationStatus = secret.replicas.size ? replication.statusOf(secret) : undefined
    return { ...named(secret), ...(value && { VersionId: token }), ReplicationStatus }
  },

  DescribeSecret: ({ SecretId }: Request, { account, region, replication }: Here) => {
    const secret = account.find(region, SecretId)
    return {
      ...detailsOf(secret),
      VersionIdsToStages: stagesOf(secret),
      ReplicationStatus: secret.replicas.size ? replication.statusOf(secret) : undefined,
    }
  },

  ListSecrets: (request: Request, { account, region }: Here) => {
    const { Filters = [], MaxResults = 100, NextToken = '0', IncludePlannedDeletion } = request
    const all = [...account.in(region).values()].filter(
      secret =>
        (IncludePlannedDeletion || !secret.deleted) &&
        Filters.every(({ Key = 'all', Values = [] }) => passes(secret, Key, Values)),
    )
    const [start, end] = [Number(NextToken), Number(NextToken) + MaxResults]
    return {
      SecretList: all
        .slice(start, end)
        .map(secret => ({ ...detailsOf(secret), SecretVersionsToStages: stagesOf(secret) })),
      NextToken: end < all.length ? `${end}` : undefined,
    }
  },

  UpdateSecret: (request: Request, { account, region, replication }: Here) => {
    const secret = account.findLive(region, request.SecretId)
    const { Description, KmsKeyId } = request
    const value = valueIn(request)
    if (secret.primaryRegion) {
      if (!KmsKeyId || value || Description !== undefined) throw onReplica()
      replication.changeKey(secret, KmsKeyId)
      return named(secret)
    }
    const token = tokenIn(request)
    if (Description !== undefined) secret.description = Description
    if (KmsKeyId) secret.keyId = KmsKeyId
    if (value) add(secret, token, { created: account.moment(), value }, ['AWSCURRENT'])
    replication.changed(secret, value ? 'labels moved' : 'labels stay')
    return { ...named(secret), ...(value && { VersionId: token }) }
  },

  TagResource: ({ SecretId, Tags = [] }: Request, { account, region, replication }: Here) => {
    const secret = account.findPrimary(region, SecretId)
    for (const { Key = '', Value = '' } of Tags) secret.tags.set(Key, Value)
    replication.changed(secret, 'labels stay')
    return {}
  },

  UntagResource: ({ SecretId, TagKeys = [] }: Request, { account, region, replication }: Here) => {
    const secret = account.findPrimary(region, SecretId)
    for (const key of TagKeys) secret.tags.delete(key)
    replication.changed(secret, 'labels stay')
    return {}
  },

  GetResourcePolicy: ({ SecretId }: Request, { account, region }: Here) => {
    const secret = account.findLive(region, SecretId)
    return { ...named(secret), ResourcePolicy: secret.policy }
  },

  PutResourcePolicy: (request: Request, { account, region, replication }: Here) => {
    const secret = account.findPrimary(region, request.SecretId)
    secret.policy = request.ResourcePolicy
    replication.changed(secret, 'labels stay')
    return named(secret)
  },

  DeleteResourcePolicy: ({ SecretId }: Request, { account, region, replication }: Here) => {
    const secret = account.findPrimary(region, SecretId)
    secret.policy = undefined
    replication.changed(secret, 'labels stay')
    return named(secret)
  },

  DeleteSecret: (request: Request, { account, region }: Here) => {
    const { SecretId, ForceDeleteWithoutRecovery, RecoveryWindowInDays = 30 } = request
    const secret = account.findPrimary(region, SecretId)
    const regions = [...secret.replicas.keys()].join(', ')
    if (regions)
      throw invalid(`You can't delete secret ${secret.arn} that still has replica regions [${regions}].`)
    if (ForceDeleteWithoutRecovery) account.in(region).delete(secret.name)
    secret.deleted = account.moment() + RecoveryWindowInDays * 86_400
    return { ...named(secret), DeletionDate: secret.deleted }
  },

  RestoreSecret: ({ SecretId }: Request, { account, region }: Here) => {
    const secret = account.find(region, SecretId)
    delete secret.deleted
    return named(secret)
  },
}

/** What DescribeSecret and ListSecrets both tell. */
function detailsOf(secret: Secret): object {
  const { rotation } = secret
  return {
    ...named(secret),
    ...{ Description: secret.description, KmsKeyId: secret.keyId, PrimaryRegion: secret.primaryRegion },
    ...{ CreatedDate: secret.created, DeletedDate: secret.deleted, LastAccessedDate: secret.read },
    ...(rotation && {
      RotationEnabled: rotation.enabled,
      RotationLambdaARN: rotation.function,
      RotationRules: rotation.rules,
    }),
    Tags: tagsOf(secret),
  }
}

/** By how a text begins, in the letters given; one that begins with `!` excludes. */
function passes(secret: Secret, key: string, values: string[]): boolean {
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
  if (!found) throw invalid(`There is no filter ${key}.`)
  return values.some(value =>
    value.startsWith('!')
      ? !found.some(text => text.startsWith(value.slice(1)))
      : found.some(text => text.startsWith(value)),
  )
}
