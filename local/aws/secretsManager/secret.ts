import type * as aws from '@aws-sdk/client-secrets-manager'
import { invalidParameterError } from './errors.ts'

export type Version = { created: number; value: string | undefined }

/** What a replica has of its primary. */
export type ReplicatedContent = {
  description: string | undefined
  policy: string | undefined
  tags: Map<string, string>
  versions: Map<string, Version>
  /** From label to version: so a label sits on one version, whatever happens. */
  labels: Map<string, string>
}

/** What a primary knows of its secret in another Region, and what is on its way there. */
export type Replica = {
  region: string
  keyId: string | undefined
  overwrite: boolean
  status: aws.StatusType
  message: string | undefined
  /** When it was last InProgress anew, in milliseconds. */
  inProgressSinceMs: number
  changesUnderWay: { at: number; content: ReplicatedContent }[]
  /** When labels last moved. */
  labelsMovedAtMs?: number
  wedged: boolean
}

export type Rotation = { enabled: boolean; function: string | undefined; rules: object | undefined }

export type Secret = ReplicatedContent & {
  arn: string
  name: string
  region: string
  created: number
  deleted?: number
  keyId?: string | undefined
  /** The day on which its value was last read. */
  lastReadDay?: number
  rotation?: Rotation
  /** Of a primary: what is known of each of its replicas, by Region. */
  replicas: Map<string, Replica>
  /** Of a replica: its primary's Region. */
  primaryRegion?: string | undefined
}

/** What the actions read, by the service's own names. */
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

/** Gives a secret a version, and the version its labels. The first value of all is current besides. */
export function addVersion(secret: Secret, token: string, version: Version, labels: string[]): void {
  const first = version.value && secret.versions.size === 0
  secret.versions.set(token, version)
  for (const label of first ? [...labels, 'AWSCURRENT'] : labels) attachLabel(secret, label, token)
}

/** Moving AWSCURRENT moves AWSPREVIOUS to the version that it left. */
export function attachLabel({ labels }: Secret, label: string, to: string): void {
  const left = labels.get(label)
  labels.set(label, to)
  if (label === 'AWSCURRENT' && left && left !== to) labels.set('AWSPREVIOUS', left)
}

export function labelsOf({ labels }: ReplicatedContent, version: string): string[] {
  return [...labels].flatMap(([label, holder]) => (holder === version ? label : []))
}

/** Each version that has a label, with its labels. */
export function stagesOf(secret: Secret): Record<string, string[]> {
  const stages = [...secret.versions.keys()].map(id => [id, labelsOf(secret, id)] as const)
  return Object.fromEntries(stages.filter(([, labels]) => labels.length))
}

export function tagsOf({ tags }: Secret): { Key: string; Value: string }[] {
  return [...tags].map(([Key, Value]) => ({ Key, Value }))
}

export function serializedValueIn({ SecretString, SecretBinary }: Request): string | undefined {
  return SecretString || SecretBinary ? JSON.stringify({ SecretString, SecretBinary }) : undefined
}

/** The request's own token, or a new one. @throws Refused if it is too short or too long */
export function tokenIn({ ClientRequestToken: token = crypto.randomUUID() }: Request): string {
  if (token.length < 32 || token.length > 64)
    throw invalidParameterError('ClientRequestToken must be 32-64 characters.')
  return token
}

export function arnAndNameOf({ arn, name }: Secret): { ARN: string; Name: string } {
  return { ARN: arn, Name: name }
}
