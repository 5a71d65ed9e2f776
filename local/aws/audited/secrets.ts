import { AwsError } from '../awsError.ts'
import type { Secret } from './accountState.ts'
import { type Action, type CallContext, pageOf, sortForListing, tagList, toEpochSeconds } from './request.ts'

/** Secrets Manager, of which nothing can read or write a value. */
export const secretsManager: Record<string, Action> = {
  ListSecrets: ({ NextToken, MaxResults, Filters }, where) => {
    if (Filters) throw new AwsError('InvalidParameterException', 'Filters are not played here.')
    const { page, next } = pageOf(sortForListing(secretsIn(where).values(), where), {
      start: NextToken,
      most: MaxResults,
      least: 100,
    })
    const SecretList = page.map(secret => ({
      ...detailsOf(secret),
      SecretVersionsToStages: stagesOf(secret),
    }))
    return { SecretList, NextToken: next }
  },

  DescribeSecret: ({ SecretId }, where) => {
    const secret = find(SecretId, where)
    const { replicas = [] } = secret
    return {
      ...detailsOf(secret),
      VersionIdsToStages: stagesOf(secret),
      ReplicationStatus: replicas.length
        ? replicas.map(({ region, status = 'InSync', message, keyId, accessed }) => ({
            ...{ Region: region, Status: status, KmsKeyId: keyId, LastAccessedDate: toEpochDay(accessed) },
            StatusMessage: message ?? (status === 'InSync' ? 'Replication succeeded' : undefined),
          }))
        : undefined,
    }
  },

  GetResourcePolicy: ({ SecretId }, where) => {
    const { arn, name, policy } = find(SecretId, where)
    const ResourcePolicy = typeof policy === 'object' ? JSON.stringify(policy) : policy
    return { ARN: arn, Name: name, ResourcePolicy }
  },

  ListSecretVersionIds: ({ SecretId, NextToken, MaxResults }, where) => {
    const { arn, name, versions } = find(SecretId, where)
    const labelled = versions.filter(({ labels }) => labels.length)
    const { page, next } = pageOf(labelled, { start: NextToken, most: MaxResults, least: 100 })
    const Versions = page.map(({ id, labels, created }) => ({
      ...{ VersionId: id, VersionStages: labels, CreatedDate: toEpochSeconds(created) },
    }))
    return { ARN: arn, Name: name, Versions, NextToken: next }
  },
}

const secretsIn = ({ accountState, region }: CallContext): Map<string, Secret> =>
  accountState.regions.get(region)?.secrets ?? new Map()

function find(id: unknown, where: CallContext): Secret {
  const secrets = secretsIn(where)
  const found = secrets.get(`${id}`) ?? [...secrets.values()].find(({ name }) => name === id)
  if (!found)
    throw new AwsError('ResourceNotFoundException', "Secrets Manager can't find the specified secret.")
  return found
}

function detailsOf(secret: Secret): object {
  const { rotation, primaryRegion, replicas, region } = secret
  return {
    ...{ ARN: secret.arn, Name: secret.name, KmsKeyId: secret.keyId, OwningService: secret.owningService },
    ...{ CreatedDate: toEpochSeconds(secret.created), LastChangedDate: toEpochSeconds(secret.changed) },
    LastAccessedDate: toEpochDay(secret.accessed),
    PrimaryRegion: primaryRegion ?? (replicas?.length ? region : undefined),
    ...(rotation && {
      RotationEnabled: rotation.enabled,
      RotationLambdaARN: rotation.functionArn ?? undefined,
      RotationRules: { ScheduleExpression: rotation.schedule, AutomaticallyAfterDays: rotation.everyDays },
      LastRotatedDate: toEpochSeconds(rotation.last),
      NextRotationDate: toEpochSeconds(rotation.next),
    }),
    Tags: tagList(secret.tags),
  }
}

/** The service tells the day, not the time. */
const toEpochDay = (date: string | undefined) =>
  toEpochSeconds(date && `${new Date(date).toISOString().slice(0, 10)}T00:00:00Z`)

const stagesOf = ({ versions }: Secret) =>
  Object.fromEntries(versions.flatMap(({ id, labels }) => (labels.length ? [[id, labels]] : [])))
