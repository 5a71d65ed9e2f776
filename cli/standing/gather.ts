import { intervalOf } from '../../fleet/interval.ts'
import { Inventory, type Scheduled } from '../../fleet/inventory.ts'
import { pendingPath, pendingTokenOf, pendingTokens } from '../../fleet/parameters.ts'
import { isCurrent } from '../../fleet/records/edit.ts'
import { latestGood, type RotationRecord } from '../../fleet/records/record.ts'
import type { RecordTable } from '../../fleet/records/recordTable.ts'
import { lastOf, serverId } from '../../fleet/servers.ts'
import { isAway, parameterArn } from '../../rotation/arn.ts'
import { type Replica, replicasIn } from '../../rotation/replicas.ts'
import { homeIn, isManaged, ownTags } from '../../rotation/tags.ts'
import { lastAttempt } from '../begin.ts'
import type { Context } from '../context.ts'
import type { Found } from '../credentialId.ts'
import { inLots } from '../lots.ts'
import { RECORDS, recordsOf } from '../records.ts'
import { outputOf, type Stack } from '../stack.ts'
import { type Facts, type Standing, standingOf } from './standing.ts'

/** A credential, and how it stands. */
export type Known = { facts: Facts; standing: Standing; arn: string }

/** How often runs are: older stacks do not tell. */
export const intervalIn = (stack: Stack): number => intervalOf(stack.outputs.DueSchedule ?? '')

/** One credential. */
export async function lookAt(context: Context, stack: Stack, found: Found): Promise<Known> {
  if (found.store === 'parameter-store') {
    const { name: id, tags, parameter } = found
    const since = parameter.LastModifiedDate ?? new Date(0)
    const pending = await pendingTokenOf(await context.clients.parameters(), id)
    const credential = { store: found.store, id, tags, since, ...(pending && { pending }) }
    const policies = parameter.Policies?.length ? 'the policies of the parameter' : undefined
    return look(await meansOf(context, stack), credential, tagged(credential) ?? policies)
  }
  const { secret } = found
  const { VersionIdsToStages: SecretVersionsToStages, ...entry } = secret
  const credential = await (await inventoryOf(context, stack)).secret({
    ...entry,
    ...(SecretVersionsToStages && { SecretVersionsToStages }),
  })
  const { RotationEnabled, RotationLambdaARN, RotationRules, OwningService } = secret
  const service = OwningService && `${OwningService}, which manages it`
  const other = RotationLambdaARN !== outputOf(stack, 'RotateSecretFunctionArn') && RotationLambdaARN
  const by = other ? `Secrets Manager by another function, ${other}` : 'Secrets Manager'
  const rule = RotationRules?.ScheduleExpression ?? `every ${RotationRules?.AutomaticallyAfterDays} days`
  return look(
    await meansOf(context, stack),
    credential,
    service ?? (RotationEnabled ? `${by}, ${rule}` : tagged(credential)),
    replicasIn(secret.ReplicationStatus, found.tags),
  )
}

/** All that this stack rotates, or may. `looked` is told how many have been looked at, of how many. */
export async function lookAtAll(
  context: Context,
  stack: Stack,
  looked: (count: number, all: number) => void,
): Promise<Known[]> {
  const inventory = await inventoryOf(context, stack)
  const [means, credentials, pending] = await Promise.all([
    meansOf(context, stack),
    inventory.known(),
    context.clients.parameters().then(ssm => pendingTokens(ssm)),
  ])
  const lookAtOne = (credential: Scheduled) => {
    const token = credential.store === 'parameter-store' ? pending.get(pendingPath(credential.id)) : undefined
    const whole = token ? { ...credential, pending: token } : credential
    return look(means, whole, credential.nextByService ? 'Secrets Manager' : tagged(credential))
  }
  return inLots(credentials, lookAtOne, looked)
}

/** The ARNs of the secrets that this stack rotates, or may. */
export async function knownSecrets(context: Context, stack: Stack): Promise<string[]> {
  const known = await (await inventoryOf(context, stack)).known()
  return known.flatMap(({ arn }) => arn ?? [])
}

/** What a look at a credential needs. */
type Means = { context: Context; stack: Stack; table: RecordTable; down: Set<string>; now: Date }

async function meansOf(context: Context, stack: Stack): Promise<Means> {
  const stepFunctions = await context.clients.stepFunctions()
  const servers = await lastOf(stepFunctions, `${outputOf(stack, 'RotateStateMachineArn')}-server`, 1)
  const down = new Set([...servers].flatMap(([id, { down }]) => (down ? [id] : [])))
  return { context, stack, table: await recordsOf(context, stack), down, now: new Date() }
}

async function look(
  means: Means,
  credential: Scheduled,
  rotatedBy: string | undefined,
  replicas: Replica[] = [],
): Promise<Known> {
  const { context, stack, table, down, now } = means
  const arn = credential.arn ?? parameterArn(credential.id, outputOf(stack, 'RotateStateMachineArn'))
  const [records, attempt] = await Promise.all([
    table.of(credential.store, arn, credential.id, RECORDS),
    credential.pending ? lastAttempt(context, stack, credential.pending) : undefined,
  ])
  const passwordSince = await editedSince(table, credential, arn, records)
  // It has become current since it was read.
  const token = attempt?.status === 'SUCCEEDED' ? undefined : credential.pending
  const facts: Facts = {
    credential,
    rotatedBy,
    records,
    ...(passwordSince && { passwordSince }),
    pending: token ? { token, running: attempt?.status === 'RUNNING' } : undefined,
    parked: isDown(records, down),
    replicas,
  }
  return { facts, arn, standing: standingOf(facts, now, intervalIn(stack)) }
}

/** Looked for only where the current version is of no rotation that the table has. */
async function editedSince(
  table: RecordTable,
  { store, current: version, since }: Scheduled,
  arn: string,
  records: RotationRecord[],
): Promise<Date | undefined> {
  const good = latestGood(records)
  const rotated = Date.parse(good?.ended ?? '')
  if (version ? good?.token === version : since.getTime() <= rotated) return undefined
  const edit = await table.latestEdit(store, arn)
  const current = version ? { version } : { at: since.toISOString() }
  return edit && isCurrent(edit, current) ? new Date(edit.passwordSince) : undefined
}

const isDown = ([{ address } = {} as RotationRecord]: RotationRecord[], down: Set<string>) =>
  address !== undefined && down.has(serverId(address))

/** Its own tags, as far as they say when it rotates. */
function tagged(credential: Scheduled): string | undefined {
  const { tags } = credential
  const { every, window, jitter } = ownTags(tags)
  if (!every || !isManaged(tags) || isAway(credential.arn, homeIn(tags))) return undefined
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
