import { AwsError } from '../awsError.ts'
import type { Secret } from './accountState.ts'
import { type Action, type CallContext, pageOf, sortForListing, tagList, toEpochSeconds } from './request.ts'

/** Secrets Manager, without the calls that read or write a value. */
export const secretsManager: Record<string, Action> = {
  ListSecrets: ({ NextToken, MaxResults, Filters }, context) => {
    if (Filters) throw new AwsError('InvalidParameterException', 'Filters are not played here.')
    const { page, next } = pageOf(sortForListing(secretsIn(context).values(), context), {
      start: NextToken,
      wanted: MaxResults,
      most: 100,
    })
    const SecretList = page.map(secret => ({
      ...detailsOf(secret),
      SecretVersionsToStages: stagesOf(secret),
    }))
    return { SecretList, NextToken: next }
  },

  DescribeSecret: ({ SecretId }, context) => {
    const secret = find(SecretId, context)
    const { replicas = [] } = secret
    return {
      ...detailsOf(secret),
      VersionIdsToStages: stagesOf(secret),
      ReplicationStatus: replicas.length
        ? replicas.map(({ region, status = 'InSync', message, keyId, accessed }) => ({
            Region: region,
            Status: status,
            KmsKeyId: keyId,
            LastAccessedDate: toEpochDay(accessed),
            StatusMessage: message ?? (status === 'InSync' ? 'Replication succeeded' : undefined),
          }))
        : undefined,
    }
  },

  GetResourcePolicy: ({ SecretId }, context) => {
    const { arn, name, policy } = find(SecretId, context)
    const ResourcePolicy = typeof policy === 'object' ? JSON.stringify(policy) : policy
    return { ARN: arn, Name: name, ResourcePolicy }
  },

  ListSecretVersionIds: ({ SecretId, NextToken, MaxResults }, context) => {
    const { arn, name, versions } = find(SecretId, context)
    const labelled = versions.filter(({ labels }) => labels.length)
    const { page, next } = pageOf(labelled, { start: NextToken, wanted: MaxResults, most: 100 })
    const Versions = page.map(({ id, labels, created }) => ({
      VersionId: id,
      VersionStages: labels,
      CreatedDate: toEpochSeconds(created),
    }))
    return { ARN: arn, Name: name, Versions, NextToken: next }
  },
}

const secretsIn = ({ accountState, region }: CallContext): Map<string, Secret> =>
  accountState.regions.get(region)?.secrets ?? new Map()

/** Finds a secret by name or ARN. @throws AwsError ResourceNotFoundException */
function find(id: unknown, context: CallContext): Secret {
  const secrets = secretsIn(context)
  const found = secrets.get(`${id}`) ?? [...secrets.values()].find(({ name }) => name === id)
  if (!found)
    throw new AwsError('ResourceNotFoundException', "Secrets Manager can't find the specified secret.")
  return found
}

/** What ListSecrets and DescribeSecret both answer. */
function detailsOf(secret: Secret): object {
  const { rotation, primaryRegion, replicas, region } = secret
  return {
    ARN: secret.arn,
    Name: secret.name,
    KmsKeyId: secret.keyId,
    OwningService: secret.owningService,
    CreatedDate: toEpochSeconds(secret.created),
    LastChangedDate: toEpochSeconds(secret.changed),
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

/** The start of the day. Secrets Manager dates a read by its day: see LastAccessedDate in
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_SecretVersionsListEntry.html */
const toEpochDay = (date: string | undefined) =>
  toEpochSeconds(date && `${new Date(date).toISOString().slice(0, 10)}T00:00:00Z`)

/** The labels of each version that has one. */
const stagesOf = ({ versions }: Secret) =>
  Object.fromEntries(versions.flatMap(({ id, labels }) => (labels.length ? [[id, labels]] : [])))
