import { Inventory, type ScheduledCredential } from '../../fleet/inventory.ts'
import { findPendingToken, findPendingTokens, pendingPathOf } from '../../fleet/parameters.ts'
import { isEditCurrent } from '../../fleet/records/editRecord.ts'
import type { RecordTable } from '../../fleet/records/recordTable.ts'
import { latestSuccess, type RotationRecord } from '../../fleet/records/rotationRecord.ts'
import { scheduleIntervalMs } from '../../fleet/scheduleInterval.ts'
import { findLastExecutions, serverIdOf } from '../../fleet/serverLocks.ts'
import { isHomeElsewhere, parameterArn } from '../../rotation/arn.ts'
import { type Replica, replicasIn } from '../../rotation/replicas.ts'
import { homeIn, isManaged, ownTags } from '../../rotation/tags.ts'
import { findLastAttempt } from '../beginRotation.ts'
import type { Context } from '../context.ts'
import type { FoundCredential } from '../credential.ts'
import { mapInBatches } from '../mapInBatches.ts'
import { RECENT_RECORD_COUNT, recordTableOf } from '../recordTable.ts'
import { outputOf, type Stack } from '../stack.ts'
import { type Standing, type StandingFacts, standingOf } from './standing.ts'

/** A credential with the facts about it and its state. */
export type KnownCredential = { facts: StandingFacts; standing: Standing; arn: string }

/** Milliseconds between two runs of the stack's own schedule. An older stack has no output DueSchedule: then the default. */
export const runIntervalIn = (stack: Stack): number => scheduleIntervalMs(stack.outputs.DueSchedule ?? '')

/** Gathers the facts about one credential, and judges its state by them. */
export async function findStanding(
  context: Context,
  stack: Stack,
  found: FoundCredential,
): Promise<KnownCredential> {
  if (found.store === 'parameter-store') {
    const { name: id, tags, parameter } = found
    const since = parameter.LastModifiedDate ?? new Date(0)
    const pending = await findPendingToken(await context.clients.parameters(), id)
    const credential = { store: found.store, id, tags, currentSince: since, ...(pending && { pending }) }
    const policies = parameter.Policies?.length ? 'the policies of the parameter' : undefined
    return gatherStanding(
      await makeGatherContext(context, stack),
      credential,
      ownScheduleText(credential) ?? policies,
    )
  }
  const { secret } = found
  // DescribeSecret and ListSecrets call the same field differently; the inventory expects an entry of ListSecrets.
  const { VersionIdsToStages: SecretVersionsToStages, ...entry } = secret
  const credential = await (await inventoryOf(context, stack)).toScheduledCredential({
    ...entry,
    ...(SecretVersionsToStages && { SecretVersionsToStages }),
  })
  const { RotationEnabled, RotationLambdaARN, RotationRules, OwningService } = secret
  const service = OwningService && `${OwningService}, which manages it`
  const other = RotationLambdaARN !== outputOf(stack, 'RotateSecretFunctionArn') && RotationLambdaARN
  const by = other ? `Secrets Manager by another function, ${other}` : 'Secrets Manager'
  const rule = RotationRules?.ScheduleExpression ?? `every ${RotationRules?.AutomaticallyAfterDays} days`
  return gatherStanding(
    await makeGatherContext(context, stack),
    credential,
    service ?? (RotationEnabled ? `${by}, ${rule}` : ownScheduleText(credential)),
    replicasIn(secret.ReplicationStatus, found.tags),
  )
}

/**
 * Gathers the facts about every credential that this stack rotates or may rotate, and their states.
 * @param onProgress called with the number of finished credentials and the number of all
 */
export async function findStandings(
  context: Context,
  stack: Stack,
  onProgress: (count: number, all: number) => void,
): Promise<KnownCredential[]> {
  const inventory = await inventoryOf(context, stack)
  const [gatherContext, credentials, pending] = await Promise.all([
    makeGatherContext(context, stack),
    inventory.listRotatable(),
    context.clients.parameters().then(ssm => findPendingTokens(ssm)),
  ])
  const gatherOne = (credential: ScheduledCredential) => {
    const token =
      credential.store === 'parameter-store' ? pending.get(pendingPathOf(credential.id)) : undefined
    const withPending = token ? { ...credential, pending: token } : credential
    return gatherStanding(
      gatherContext,
      withPending,
      credential.nextByService ? 'Secrets Manager' : ownScheduleText(credential),
    )
  }
  return mapInBatches(credentials, gatherOne, onProgress)
}

/** The ARNs of the secrets that this stack rotates or may rotate. */
export async function findKnownSecretArns(context: Context, stack: Stack): Promise<string[]> {
  const credentials = await (await inventoryOf(context, stack)).listRotatable()
  // Only secrets have an ARN there.
  return credentials.flatMap(({ arn }) => arn ?? [])
}

/** What gathering needs for each credential. `down` has the ids of the database servers that did not answer the last run. */
type GatherContext = { context: Context; stack: Stack; table: RecordTable; down: Set<string>; now: Date }

async function makeGatherContext(context: Context, stack: Stack): Promise<GatherContext> {
  const stepFunctions = await context.clients.stepFunctions()
  const servers = await findLastExecutions(
    stepFunctions,
    `${outputOf(stack, 'RotateStateMachineArn')}-server`,
    1,
  )
  const down = new Set([...servers].flatMap(([id, { isServerDown }]) => (isServerDown ? [id] : [])))
  return { context, stack, table: await recordTableOf(context, stack), down, now: new Date() }
}

async function gatherStanding(
  gatherContext: GatherContext,
  credential: ScheduledCredential,
  rotatedBy: string | undefined,
  replicas: Replica[] = [],
): Promise<KnownCredential> {
  const { context, stack, table, down, now } = gatherContext
  const arn = credential.arn ?? parameterArn(credential.id, outputOf(stack, 'RotateStateMachineArn'))
  const [records, attempt] = await Promise.all([
    table.listRotations(credential.store, arn, credential.id, RECENT_RECORD_COUNT),
    credential.pending ? findLastAttempt(context, stack, credential.pending) : undefined,
  ])
  const passwordSince = await findPasswordSince(table, credential, arn, records)
  // If the attempt has succeeded, the version became current after it was read as pending.
  const token = attempt?.status === 'SUCCEEDED' ? undefined : credential.pending
  const facts: StandingFacts = {
    credential,
    rotatedBy,
    records,
    ...(passwordSince && { passwordSince }),
    pending: token ? { token, running: attempt?.status === 'RUNNING' } : undefined,
    parked: isDown(records, down),
    replicas,
  }
  return { facts, arn, standing: standingOf(facts, now, runIntervalIn(stack)) }
}

/**
 * Since when the password has been valid, if the current version is an edit by set-admin, which keeps the password of the version
 * before it. The table is read only if the current version is not that of the last successful rotation.
 */
async function findPasswordSince(
  table: RecordTable,
  { store, current: version, currentSince }: ScheduledCredential,
  arn: string,
  records: RotationRecord[],
): Promise<Date | undefined> {
  const lastSuccess = latestSuccess(records)
  const rotated = Date.parse(lastSuccess?.ended ?? '')
  if (version ? lastSuccess?.token === version : currentSince.getTime() <= rotated) return undefined
  const edit = await table.latestEdit(store, arn)
  const current = version ? { version } : { at: currentSince.toISOString() }
  return edit && isEditCurrent(edit, current) ? new Date(edit.passwordSince) : undefined
}

/** Whether the server of the latest rotation did not answer the last run. */
const isDown = ([{ address } = {} as RotationRecord]: RotationRecord[], down: Set<string>) =>
  address !== undefined && down.has(serverIdOf(address))

/** The schedule in a credential's own tags, in words; undefined if Keyturn does not rotate it here on a schedule. */
function ownScheduleText(credential: ScheduledCredential): string | undefined {
  const { tags } = credential
  const { every, window, jitter } = ownTags(tags)
  if (!every || !isManaged(tags) || isHomeElsewhere(credential.arn, homeIn(tags))) return undefined
  return `Keyturn, every ${every}${window ? ` within ${window}` : ''}${jitter ? `, up to ${jitter} later` : ''}`
}

async function inventoryOf({ clients }: Context, stack: Stack): Promise<Inventory> {
  const [ssm, secrets, tagging] = await Promise.all([
    clients.parameters(),
    clients.secrets(),
    clients.tagging(),
  ])
  return new Inventory({ ssm, secrets, tagging }, outputOf(stack, 'RotateSecretFunctionArn'))
}
