import {
  DescribeSecretCommand,
  GetResourcePolicyCommand,
  ListSecretsCommand,
  paginateListSecretVersionIds,
  type SecretListEntry,
} from '@aws-sdk/client-secrets-manager'
import { isReplica } from '../../../rotation/arn.ts'
import { tagsIn } from '../../../rotation/tags.ts'
import { latestSuccess } from '../../records/rotationRecord.ts'
import { currentVersionIn, pendingVersionIn } from '../../versionLabels.ts'
import { readAllPages } from '../../wholeList.ts'
import { isCustomerKey } from '../customerKey.ts'
import type { Fact, ReplicaFacts, SecretFacts } from '../facts.ts'
import { factOf, ReadFailed } from './awsReader.ts'
import { rateLimitedClients } from './clients.ts'
import { askOnce, type Collector } from './collector.ts'
import { readPages } from './pages.ts'

/** Stands for a fact that was not asked for yet. */
export const NOT_ASKED = { unread: 'it was not asked for' }

/**
 * Lists the secrets of a Region into `secrets`, by ARN. The list has neither resource policies nor the state of replicas, and may
 * not have the changes of the last five minutes:
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html
 */
export async function listSecrets(
  collector: Collector,
  region: string,
  secrets: Map<string, SecretFacts>,
): Promise<Fact<'all'>> {
  const client = await rateLimitedClients(collector, region).secrets()
  const page = async (NextToken: string | undefined) => {
    const answer = await client.send(new ListSecretsCommand({ MaxResults: 100, NextToken }))
    return { items: (answer.SecretList ?? []).map(entry => secretIn(entry, region)), next: answer.NextToken }
  }
  const kind = { service: 'secretsmanager', operation: 'ListSecrets', region } as const
  return readPages(collector, kind, page, secret => secrets.set(secret.arn, secret))
}

function secretIn(entry: SecretListEntry, region: string): SecretFacts {
  const { ARN: arn = '', Name: name = '', KmsKeyId, OwningService, PrimaryRegion, CreatedDate } = entry
  const { LastRotatedDate, LastChangedDate, LastAccessedDate, SecretVersionsToStages = {} } = entry
  const { RotationEnabled, RotationLambdaARN, RotationRules, NextRotationDate } = entry
  const replica = isReplica({ ARN: arn, PrimaryRegion })
  const at = LastRotatedDate ?? LastChangedDate
  return {
    store: 'secrets-manager',
    region,
    arn,
    name,
    tags: { is: tagsIn(entry.Tags) },
    ...(at && { current: { at: at.toISOString(), by: LastRotatedDate ? 'last-rotated' : 'last-changed' } }),
    ...(isCustomerKey(KmsKeyId) && { keyId: KmsKeyId }),
    policy: NOT_ASKED,
    history: NOT_ASKED,
    readers: [],
    ...(CreatedDate && { created: CreatedDate.toISOString() }),
    ...(replica && PrimaryRegion && { primaryRegion: PrimaryRegion }),
    ...(OwningService && { owningService: OwningService }),
    rotation: {
      enabled: RotationEnabled === true,
      ...(RotationLambdaARN && { functionArn: RotationLambdaARN }),
      ...(RotationRules?.ScheduleExpression && { schedule: RotationRules.ScheduleExpression }),
      ...(RotationRules?.AutomaticallyAfterDays && { everyDays: RotationRules.AutomaticallyAfterDays }),
      ...(LastRotatedDate && { last: LastRotatedDate.toISOString() }),
      ...(NextRotationDate && { next: NextRotationDate.toISOString() }),
    },
    ...(LastAccessedDate && { lastAccessed: dayOf(LastAccessedDate) }),
    labels: SecretVersionsToStages,
    pendingSince: pendingVersionIn(SecretVersionsToStages) ? NOT_ASKED : { is: undefined },
    replicas: replica ? { is: [] } : NOT_ASKED,
  }
}

const dayOf = (date: Date) => date.toISOString().slice(0, 10)

/** The calls that are still to be made about a secret once it is listed: none for a replica. */
export function callsNeededFor(
  secret: SecretFacts,
): ('DescribeSecret' | 'GetResourcePolicy' | 'ListSecretVersionIds')[] {
  if (secret.primaryRegion) return []
  return [
    'DescribeSecret',
    'GetResourcePolicy',
    ...(needsVersions(secret) ? (['ListSecretVersionIds'] as const) : []),
  ]
}

/** A change of a secret so soon after the end of a rotation is taken for a part of that rotation. */
const RECORDING_DELAY_MS = 60_000

/**
 * Whether the dates of a secret's versions are needed: for the age of a pending version, and for the age of a current value that no
 * known rotation made.
 */
function needsVersions({ history, rotation, pendingSince, current }: SecretFacts): boolean {
  // It is NOT_ASKED if a version is pending.
  if ('unread' in pendingSince) return true
  if (rotation.last !== undefined) return false
  const success = 'is' in history ? latestSuccess(history.is.rotations) : undefined
  if (!success) return true
  // The change since that rotation may be a new value.
  return Date.parse(current?.at ?? '') > Date.parse(success.ended ?? success.began) + RECORDING_DELAY_MS
}

/**
 * Reads what the list does not tell of a primary into its facts.
 * @returns false if the secret was deleted since it was listed
 */
export async function readSecretDetails(collector: Collector, secret: SecretFacts): Promise<boolean> {
  const calls = callsNeededFor(secret)
  try {
    if (calls.includes('DescribeSecret'))
      secret.replicas = await factOf(orThrowGone(replicasOf(collector, secret)))
    if (calls.includes('GetResourcePolicy'))
      secret.policy = await factOf(orThrowGone(policyOf(collector, secret)))
    if (calls.includes('ListSecretVersionIds')) await readVersionDates(collector, secret)
  } catch (error) {
    if (error instanceof SecretGone) return false
    throw error
  } finally {
    collector.reportProgress('answer', calls.length)
  }
  return true
}

/** The secret was deleted since it was listed. */
class SecretGone extends Error {}

/** The answer itself. @throws SecretGone if AWS answers that the secret does not exist */
async function orThrowGone<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw error instanceof ReadFailed && error.isAbsent ? new SecretGone() : error
  }
}

/** The kind of a call about a secret. */
const callKindOf = (operation: string, { region }: SecretFacts) =>
  ({ service: 'secretsmanager', operation, region }) as const

function replicasOf(collector: Collector, secret: SecretFacts): Promise<ReplicaFacts[]> {
  const { arn, region } = secret
  return askOnce(collector, callKindOf('DescribeSecret', secret), arn, async () => {
    const client = await rateLimitedClients(collector, region).secrets()
    const { ReplicationStatus = [] } = await client.send(new DescribeSecretCommand({ SecretId: arn }))
    return ReplicationStatus.map(({ Region, Status, StatusMessage, LastAccessedDate, KmsKeyId }) => ({
      region: Region ?? '',
      status: Status ?? 'unknown',
      ...(StatusMessage && { message: StatusMessage }),
      ...(LastAccessedDate && { lastAccessed: dayOf(LastAccessedDate) }),
      ...(isCustomerKey(KmsKeyId) && { keyId: KmsKeyId }),
    })).sort((a, b) => (a.region < b.region ? -1 : 1))
  })
}

async function policyOf(collector: Collector, secret: SecretFacts): Promise<string | undefined> {
  const { arn, region } = secret
  const policy = await askOnce(collector, callKindOf('GetResourcePolicy', secret), arn, async () => {
    const client = await rateLimitedClients(collector, region).secrets()
    const { ResourcePolicy } = await client.send(new GetResourcePolicyCommand({ SecretId: arn }))
    return ResourcePolicy ?? null
  })
  return policy ?? undefined
}

/** Asks when the current version and the pending one were made, and writes both dates into the facts of the secret. */
async function readVersionDates(collector: Collector, secret: SecretFacts): Promise<void> {
  const [current, pending] = [currentVersionIn(secret.labels), pendingVersionIn(secret.labels)]
  const dates = await factOf(orThrowGone(readDatesByVersion(collector, secret)))
  if ('unread' in dates) {
    if (pending) secret.pendingSince = dates
    return
  }
  const at = current && dates.is[current]
  if (at && secret.rotation.last === undefined) secret.current = { at, by: 'version' }
  const since = pending && dates.is[pending]
  // Without a date, the pending version has changed since the secret was listed.
  if (pending)
    secret.pendingSince = since
      ? { is: since }
      : { unread: 'Secrets Manager ListSecretVersionIds: it does not tell of what is pending' }
}

/** When each version that has a staging label was made, by version id. */
function readDatesByVersion(collector: Collector, secret: SecretFacts): Promise<Record<string, string>> {
  const { arn, region, labels } = secret
  return askOnce(collector, callKindOf('ListSecretVersionIds', secret), arn, async () => {
    const client = await rateLimitedClients(collector, region).secrets()
    const dates: Record<string, string> = {}
    const pages = readAllPages(paginateListSecretVersionIds({ client, pageSize: 100 }, { SecretId: arn }))
    for await (const { Versions = [] } of pages)
      for (const { VersionId = '', CreatedDate } of Versions)
        if (CreatedDate && labels[VersionId]) dates[VersionId] = CreatedDate.toISOString()
    return dates
  })
}

/** Copies to a replica those facts that are read of its primary alone. They are unread if the primary was not looked at. */
export function copyFactsOfPrimary(replica: SecretFacts, primary: SecretFacts | undefined): void {
  const unread = { unread: 'its primary was not looked at' }
  replica.policy = primary?.policy ?? unread
  const pending = pendingVersionIn(replica.labels)
  if (!pending) return
  replica.pendingSince =
    primary && pendingVersionIn(primary.labels) === pending ? primary.pendingSince : unread
}
