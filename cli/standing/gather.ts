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
import { RECENT_RECORD_COUNT, recordTableOf } from '../records.ts'
import { outputOf, type Stack } from '../stack.ts'
import { type Standing, type StandingFacts, standingOf } from './standing.ts'

/** A credential, and how it stands. */
export type KnownCredential = { facts: StandingFacts; standing: Standing; arn: string }

/** How often runs are: older stacks do not tell. */
export const runIntervalIn = (stack: Stack): number => scheduleIntervalMs(stack.outputs.DueSchedule ?? '')

/** One credential. */
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
    return findOne(await makeLookContext(context, stack), credential, ownScheduleText(credential) ?? policies)
  }
  const { secret } = found
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
  return findOne(
    await makeLookContext(context, stack),
    credential,
    service ?? (RotationEnabled ? `${by}, ${rule}` : ownScheduleText(credential)),
    replicasIn(secret.ReplicationStatus, found.tags),
  )
}

/** All that this stack rotates, or may. `looked` is told how many have been looked at, of how many. */
export async function findStandings(
  context: Context,
  stack: Stack,
  looked: (count: number, all: number) => void,
): Promise<KnownCredential[]> {
  const inventory = await inventoryOf(context, stack)
  const [means, credentials, pending] = await Promise.all([
    makeLookContext(context, stack),
    inventory.listRotatable(),
    context.clients.parameters().then(ssm => findPendingTokens(ssm)),
  ])
  const lookAtOne = (credential: ScheduledCredential) => {
    const token =
      credential.store === 'parameter-store' ? pending.get(pendingPathOf(credential.id)) : undefined
    const whole = token ? { ...credential, pending: token } : credential
    return findOne(means, whole, credential.nextByService ? 'Secrets Manager' : ownScheduleText(credential))
  }
  return mapInBatches(credentials, lookAtOne, looked)
}

/** The ARNs of the secrets that this stack rotates, or may. */
export async function findKnownSecretArns(context: Context, stack: Stack): Promise<string[]> {
  const known = await (await inventoryOf(context, stack)).listRotatable()
  return known.flatMap(({ arn }) => arn ?? [])
}

/** What a look at a credential needs. */
type LookContext = { context: Context; stack: Stack; table: RecordTable; down: Set<string>; now: Date }

async function makeLookContext(context: Context, stack: Stack): Promise<LookContext> {
  const stepFunctions = await context.clients.stepFunctions()
  const servers = await findLastExecutions(
    stepFunctions,
    `${outputOf(stack, 'RotateStateMachineArn')}-server`,
    1,
  )
  const down = new Set([...servers].flatMap(([id, { isServerDown }]) => (isServerDown ? [id] : [])))
  return { context, stack, table: await recordTableOf(context, stack), down, now: new Date() }
}

async function findOne(
  means: LookContext,
  credential: ScheduledCredential,
  rotatedBy: string | undefined,
  replicas: Replica[] = [],
): Promise<KnownCredential> {
  const { context, stack, table, down, now } = means
  const arn = credential.arn ?? parameterArn(credential.id, outputOf(stack, 'RotateStateMachineArn'))
  const [records, attempt] = await Promise.all([
    table.listRotations(credential.store, arn, credential.id, RECENT_RECORD_COUNT),
    credential.pending ? findLastAttempt(context, stack, credential.pending) : undefined,
  ])
  const passwordSince = await findPasswordSince(table, credential, arn, records)
  // It has become current since it was read.
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

/** Looked for only where the current version is of no rotation that the table has. */
async function findPasswordSince(
  table: RecordTable,
  { store, current: version, currentSince }: ScheduledCredential,
  arn: string,
  records: RotationRecord[],
): Promise<Date | undefined> {
  const good = latestSuccess(records)
  const rotated = Date.parse(good?.ended ?? '')
  if (version ? good?.token === version : currentSince.getTime() <= rotated) return undefined
  const edit = await table.latestEdit(store, arn)
  const current = version ? { version } : { at: currentSince.toISOString() }
  return edit && isEditCurrent(edit, current) ? new Date(edit.passwordSince) : undefined
}

const isDown = ([{ address } = {} as RotationRecord]: RotationRecord[], down: Set<string>) =>
  address !== undefined && down.has(serverIdOf(address))

/** Its own tags, as far as they say when it rotates. */
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
