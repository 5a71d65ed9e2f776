import type { RotationRecord } from '../../fleet/records/rotationRecord.ts'
import { whyFailed } from '../awsErrors.ts'
import { findLastAttempt, findPendingVersion } from '../beginRotation.ts'
import type { Context } from '../context.ts'
import type { FoundCredential } from '../credential.ts'
import { formatTime, sanitize } from '../output.ts'
import { RECENT_RECORD_COUNT, recordTableOf } from '../recordTable.ts'
import type { Stack } from '../stack.ts'

/**
 * Why a credential's tags have to stay for now: a rotation of it is running, perhaps in its grace time, or AWS could not be asked
 * whether one is. Undefined if none is running, so that the tags can be removed.
 */
export async function findWhyTagsStay(
  context: Context,
  stack: Stack,
  found: FoundCredential,
): Promise<string | undefined> {
  try {
    const pending = await findPendingVersion(context, found)
    const attempt = pending ? await findLastAttempt(context, stack, pending) : undefined
    if (attempt?.status === 'RUNNING') return `a rotation of it is running: ${sanitize(attempt.executionArn)}`
    const table = await recordTableOf(context, stack)
    const records = await table.listRotations(found.store, found.arn, found.name, RECENT_RECORD_COUNT)
    for (const record of records.filter(mayRun))
      if (await isRunning(context, record)) return runningText(record)
    return undefined
  } catch (error) {
    return `it is not known whether a rotation of it is running: ${whyFailed(error)}`
  }
}

/** Whether a record may be of an execution that runs on: it rotates, is in its grace time, or waits for a replica. As the record may lag behind, Step Functions is asked about the execution. */
const mayRun = ({ outcome, retirement, behindSince }: RotationRecord): boolean =>
  outcome === 'running' || retirement === 'open' || behindSince !== undefined

async function isRunning(
  { clients }: Context,
  { execution: executionArn }: RotationRecord,
): Promise<boolean> {
  const { DescribeExecutionCommand } = await import('@aws-sdk/client-sfn')
  const client = await clients.stepFunctions()
  const found = await client.send(new DescribeExecutionCommand({ executionArn })).catch(error => {
    if (error.name !== 'ExecutionDoesNotExist') throw error
    return undefined
  })
  return found?.status === 'RUNNING'
}

const runningText = ({ outcome, openUntil, execution }: RotationRecord): string =>
  outcome === 'rotated' && openUntil
    ? `a rotation of it is in its grace time until ${formatTime(new Date(openUntil))}: ${sanitize(execution)}`
    : `a rotation of it is running: ${sanitize(execution)}`

/**
 * The ARN of the admin's secret that a credential's value names, from the table of rotations: from the latest rotation with an
 * admin, or from a later edit (set-admin) that set one. Undefined if the table has none or cannot be read.
 */
export async function findAdminArn(
  context: Context,
  stack: Stack,
  found: FoundCredential,
): Promise<string | undefined> {
  try {
    const table = await recordTableOf(context, stack)
    const [records, latestEdit] = await Promise.all([
      table.listRotations(found.store, found.arn, found.name, RECENT_RECORD_COUNT),
      table.latestEdit(found.store, found.arn),
    ])
    const lastWithAdmin = records.find(({ admin }) => admin)
    return latestEdit && !(lastWithAdmin && lastWithAdmin.began > latestEdit.made)
      ? latestEdit.admin
      : lastWithAdmin?.admin
  } catch {
    return undefined
  }
}
