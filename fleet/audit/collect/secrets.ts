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

/** What stands for a fact until it was asked for. */
export const NOT_ASKED = { unread: 'it was not asked for' }

/**
 * The secrets of a Region, as far as their list tells of them; `secrets` is filled by ARN. The list may be five minutes behind, and
 * has neither policies nor what a primary says of its replicas.
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
    ...{ store: 'secrets-manager', region, arn, name, tags: { is: tagsIn(entry.Tags) } },
    ...(at && { current: { at: at.toISOString(), by: LastRotatedDate ? 'last-rotated' : 'last-changed' } }),
    ...(isCustomerKey(KmsKeyId) && { keyId: KmsKeyId }),
    ...{ policy: NOT_ASKED, history: NOT_ASKED, readers: [] },
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

/** Which calls are still to be made about a secret: those that change with each are asked for where they matter. */
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

/** Milliseconds between the end of a rotation and when it is recorded. */
const RECORDING_DELAY_MS = 60_000

/** Only a version's own date tells the age of a value of which nobody has kept a rotation, and of what is pending. */
function needsVersions({ history, rotation, pendingSince, current }: SecretFacts): boolean {
  if ('unread' in pendingSince) return true
  if (rotation.last !== undefined) return false
  const good = 'is' in history ? latestSuccess(history.is.rotations) : undefined
  // What was changed since the rotation may be its value.
  return !good || Date.parse(current?.at ?? '') > Date.parse(good.ended ?? good.began) + RECORDING_DELAY_MS
}

/**
 * Asks for all that the list does not tell of a primary, and puts it into its facts.
 * @returns whether it is still there: one that was deleted since is none of the fleet
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

/** The secret is no more. */
class SecretGone extends Error {}

async function orThrowGone<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked
  } catch (error) {
    throw error instanceof ReadFailed && error.absent ? new SecretGone() : error
  }
}

const kindOf = (operation: string, { region }: SecretFacts) =>
  ({ service: 'secretsmanager', operation, region }) as const

function replicasOf(collector: Collector, secret: SecretFacts): Promise<ReplicaFacts[]> {
  const { arn, region } = secret
  return askOnce(collector, kindOf('DescribeSecret', secret), arn, async () => {
    const client = await rateLimitedClients(collector, region).secrets()
    const { ReplicationStatus = [] } = await client.send(new DescribeSecretCommand({ SecretId: arn }))
    return ReplicationStatus.map(({ Region, Status, StatusMessage, LastAccessedDate, KmsKeyId }) => ({
      ...{ region: Region ?? '', status: Status ?? 'unknown' },
      ...(StatusMessage && { message: StatusMessage }),
      ...(LastAccessedDate && { lastAccessed: dayOf(LastAccessedDate) }),
      ...(isCustomerKey(KmsKeyId) && { keyId: KmsKeyId }),
    })).sort((a, b) => (a.region < b.region ? -1 : 1))
  })
}

async function policyOf(collector: Collector, secret: SecretFacts): Promise<string | undefined> {
  const { arn, region } = secret
  const policy = await askOnce(collector, kindOf('GetResourcePolicy', secret), arn, async () => {
    const client = await rateLimitedClients(collector, region).secrets()
    const { ResourcePolicy } = await client.send(new GetResourcePolicyCommand({ SecretId: arn }))
    return ResourcePolicy ?? null
  })
  return policy ?? undefined
}

/** When the version that is current was made, and the one that is pending. */
async function readVersionDates(collector: Collector, secret: SecretFacts): Promise<void> {
  const [current, pending] = [currentVersionIn(secret.labels), pendingVersionIn(secret.labels)]
  const made = await factOf(orThrowGone(readDatesByVersion(collector, secret)))
  if ('unread' in made) {
    if (pending) secret.pendingSince = made
    return
  }
  const at = current && made.is[current]
  if (at && secret.rotation.last === undefined) secret.current = { at, by: 'version' }
  const since = pending && made.is[pending]
  // The list of versions has another one by now, and whether that is pending nobody knows.
  if (pending)
    secret.pendingSince = since
      ? { is: since }
      : { unread: 'Secrets Manager ListSecretVersionIds: it does not tell of what is pending' }
}

/** The dates of the versions that have a label: only these are asked for. */
function readDatesByVersion(collector: Collector, secret: SecretFacts): Promise<Record<string, string>> {
  const { arn, region, labels } = secret
  return askOnce(collector, kindOf('ListSecretVersionIds', secret), arn, async () => {
    const client = await rateLimitedClients(collector, region).secrets()
    const dates: Record<string, string> = {}
    const pages = readAllPages(paginateListSecretVersionIds({ client, pageSize: 100 }, { SecretId: arn }))
    for await (const { Versions = [] } of pages)
      for (const { VersionId = '', CreatedDate } of Versions)
        if (CreatedDate && labels[VersionId]) dates[VersionId] = CreatedDate.toISOString()
    return dates
  })
}

/** A replica follows its primary in all that only a primary is asked for. */
export function copyFactsOfPrimary(replica: SecretFacts, primary: SecretFacts | undefined): void {
  const why = { unread: 'its primary was not looked at' }
  replica.policy = primary?.policy ?? why
  const pending = pendingVersionIn(replica.labels)
  if (!pending) return
  replica.pendingSince = primary && pendingVersionIn(primary.labels) === pending ? primary.pendingSince : why
}
