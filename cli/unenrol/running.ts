import type { RotationRecord } from '../../fleet/records/rotationRecord.ts'
import { whyFailed } from '../awsErrors.ts'
import { findLastAttempt, findPendingVersion } from '../beginRotation.ts'
import type { Context } from '../context.ts'
import type { FoundCredential } from '../credential.ts'
import { formatTime, sanitize } from '../output.ts'
import { RECENT_RECORD_COUNT, recordTableOf } from '../records.ts'
import type { Stack } from '../stack.ts'

/**
 * Why a credential's tags have to stay for now, in words: a rotation of it runs, be it in its grace time, or whether one does
 * could not be asked. Undefined where none runs.
 */
export async function findRunningText(
  context: Context,
  stack: Stack,
  found: FoundCredential,
): Promise<string | undefined> {
  try {
    const pending = await findPendingVersion(context, found)
    const attempt = pending ? await findLastAttempt(context, stack, pending) : undefined
    if (attempt?.status === 'RUNNING') return `a rotation of it runs: ${sanitize(attempt.executionArn)}`
    const table = await recordTableOf(context, stack)
    const records = await table.listRotations(found.store, found.arn, found.name, RECENT_RECORD_COUNT)
    for (const record of records.filter(mayRun))
      if (await isRunning(context, record)) return runningText(record)
    return undefined
  } catch (error) {
    return `whether a rotation of it runs could not be asked: ${whyFailed(error)}`
  }
}

/** By what is known of it, which may be a moment old. */
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
    ? `what its last rotation replaced stays open until ${formatTime(new Date(openUntil))}, and is closed then`
    : `a rotation of it runs: ${sanitize(execution)}`

/** ARN of the admin's secret that a credential's value names, if the table of rotations tells. */
export async function findAdminArn(
  context: Context,
  stack: Stack,
  found: FoundCredential,
): Promise<string | undefined> {
  try {
    const table = await recordTableOf(context, stack)
    const [records, edit] = await Promise.all([
      table.listRotations(found.store, found.arn, found.name, RECENT_RECORD_COUNT),
      table.latestEdit(found.store, found.arn),
    ])
    const last = records.find(({ admin }) => admin)
    return edit && !(last && last.began > edit.made) ? edit.admin : last?.admin
  } catch {
    return undefined
  }
}
