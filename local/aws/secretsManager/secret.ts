import type * as aws from '@aws-sdk/client-secrets-manager'
import { invalidParameterError } from './errors.ts'

/** A version: when it was created, in seconds since 1970, and its value as `serializedValueIn` writes it. */
export type Version = { created: number; value: string | undefined }

/** What a secret has in common with its replicas. Versions are by their ids. */
export type ReplicatedContent = {
  description: string | undefined
  policy: string | undefined
  tags: Map<string, string>
  versions: Map<string, Version>
  /** The id of the version that has each staging label. */
  labels: Map<string, string>
}

/** A replica as its primary knows it, and the changes that are on their way to it. */
export type Replica = {
  region: string
  keyId: string | undefined
  /** Whether it may replace another secret of its name. */
  overwrite: boolean
  status: aws.StatusType
  message: string | undefined
  /** When its status last became InProgress, in milliseconds since 1970. */
  inProgressSinceMs: number
  changesUnderWay: { sentAtMs: number; content: ReplicatedContent }[]
  /** When labels last moved, in milliseconds since 1970. */
  labelsMovedAtMs?: number
  /** Whether it is stuck: see `wedgesWithinMs` in regionBehaviour.ts. */
  wedged: boolean
}

/** A secret's schedule: its rotation function by ARN, and its RotationRules. */
export type Rotation = { enabled: boolean; function: string | undefined; rules: object | undefined }

/** A secret: a primary, a replica, or one without replicas. Times are seconds since 1970. */
export type Secret = ReplicatedContent & {
  arn: string
  name: string
  region: string
  created: number
  /** When it will be deleted. */
  deleted?: number
  keyId?: string | undefined
  /** The start of the day on which its value was last read. */
  lastReadDay?: number
  rotation?: Rotation
  /** A primary's replicas, by Region. */
  replicas: Map<string, Replica>
  /** The Region of a replica's primary. */
  primaryRegion?: string | undefined
}

/** The parameters of all actions, by the service's names. */
export type Request = Partial<
  aws.CreateSecretRequest &
    aws.GetRandomPasswordRequest &
    aws.GetSecretValueRequest &
    aws.PutSecretValueRequest &
    aws.UpdateSecretRequest &
    aws.UpdateSecretVersionStageRequest &
    aws.ListSecretVersionIdsRequest &
    aws.ListSecretsRequest &
    aws.DeleteSecretRequest &
    aws.UntagResourceRequest &
    aws.PutResourcePolicyRequest &
    aws.RotateSecretRequest &
    aws.ReplicateSecretToRegionsRequest &
    aws.RemoveRegionsFromReplicationRequest
>

/** Adds a version with these labels to a secret. A secret's first version also gets AWSCURRENT, if it has a value. */
export function addVersion(secret: Secret, token: string, version: Version, labels: string[]): void {
  const first = version.value && secret.versions.size === 0
  secret.versions.set(token, version)
  for (const label of first ? [...labels, 'AWSCURRENT'] : labels) attachLabel(secret, label, token)
}

/**
 * Moves a label to a version. When AWSCURRENT moves, AWSPREVIOUS moves to the version that had it:
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
 */
export function attachLabel({ labels }: Secret, label: string, versionId: string): void {
  const before = labels.get(label)
  labels.set(label, versionId)
  if (label === 'AWSCURRENT' && before && before !== versionId) labels.set('AWSPREVIOUS', before)
}

/** The labels of a version. */
export function labelsOf({ labels }: ReplicatedContent, versionId: string): string[] {
  return [...labels].flatMap(([label, holder]) => (holder === versionId ? label : []))
}

/** The labels of each version that has one, by the version's id. */
export function stagesOf(secret: Secret): Record<string, string[]> {
  const stages = [...secret.versions.keys()].map(id => [id, labelsOf(secret, id)] as const)
  return Object.fromEntries(stages.filter(([, labels]) => labels.length))
}

/** A secret's tags as Secrets Manager answers them. */
export function tagsOf({ tags }: Secret): { Key: string; Value: string }[] {
  return [...tags].map(([Key, Value]) => ({ Key, Value }))
}

/** The value in a request, as a JSON object with SecretString or SecretBinary. @returns undefined if it has neither */
export function serializedValueIn({ SecretString, SecretBinary }: Request): string | undefined {
  return SecretString || SecretBinary ? JSON.stringify({ SecretString, SecretBinary }) : undefined
}

/** The request's own token, or a new one. @throws AwsError if the token is too short or too long */
export function tokenIn({ ClientRequestToken: token = crypto.randomUUID() }: Request): string {
  if (token.length < 32 || token.length > 64)
    throw invalidParameterError('ClientRequestToken must be 32-64 characters.')
  return token
}

/** The two members that most answers begin with. */
export function arnAndNameOf({ arn, name }: Secret): { ARN: string; Name: string } {
  return { ARN: arn, Name: name }
}
