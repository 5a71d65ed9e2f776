import type { RotationRecord } from '../../fleet/records/record.ts'
import { whyFailed } from '../awsErrors.ts'
import { lastAttempt, pendingOf } from '../begin.ts'
import type { Context } from '../context.ts'
import type { Found } from '../credentialId.ts'
import { moment, plain } from '../output.ts'
import { RECORDS, recordsOf } from '../records.ts'
import type { Stack } from '../stack.ts'

/**
 * Why a credential's tags have to stay for now, in words: a rotation of it runs, be it in its grace time, or whether one does
 * could not be asked. Undefined where none runs.
 */
export async function runningSays(context: Context, stack: Stack, found: Found): Promise<string | undefined> {
  try {
    const pending = await pendingOf(context, found)
    const attempt = pending ? await lastAttempt(context, stack, pending) : undefined
    if (attempt?.status === 'RUNNING') return `a rotation of it runs: ${plain(attempt.executionArn)}`
    const table = await recordsOf(context, stack)
    const records = await table.of(found.store, found.arn, found.name, RECORDS)
    for (const record of records.filter(mayRun))
      if (await isRunning(context, record)) return recordSays(record)
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

const recordSays = ({ outcome, openUntil, execution }: RotationRecord): string =>
  outcome === 'rotated' && openUntil
    ? `what its last rotation replaced stays open until ${moment(new Date(openUntil))}, and is closed then`
    : `a rotation of it runs: ${plain(execution)}`

/** ARN of the admin's secret that a credential's value names, if the table of rotations tells. */
export async function adminOf(context: Context, stack: Stack, found: Found): Promise<string | undefined> {
  try {
    const table = await recordsOf(context, stack)
    const [records, edit] = await Promise.all([
      table.of(found.store, found.arn, found.name, RECORDS),
      table.latestEdit(found.store, found.arn),
    ])
    const last = records.find(({ admin }) => admin)
    return edit && !(last && last.began > edit.made) ? edit.admin : last?.admin
  } catch {
    return undefined
  }
}
