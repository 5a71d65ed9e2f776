import { setTimeout as sleep } from 'node:timers/promises'
import { engineTraits } from '../engines/traits.ts'
import type { Unexpected } from '../errors.ts'
import type { Pipeline } from '../pipeline.ts'
import { type LoadCheckEngine, lookAtDatabase, lookAtNetwork } from './database.ts'
import { type CheckResult, DATABASE_LINES } from './line.ts'
import { Report } from './report.ts'
import { type CheckTarget, type DeploymentAccess, lookAtStored, type StoredFindings } from './stored.ts'

/** What a check needs beside a rotation's pipeline. */
export type CheckSettings = DeploymentAccess & {
  loadCheckEngine: LoadCheckEngine
  /** Whether the deployment allows test queries that write. The check does not run test queries then. */
  testMayWrite: boolean
  /** Milliseconds for the whole check, less than the time limit of its function. */
  timeoutMs?: number
  /** Gets each Unexpected error, for the log: the remedy in its line tells the reader to look into the log. */
  onUnexpected?: (error: Unexpected) => void
}

/** Milliseconds for the whole check. Its function has two minutes. */
const CHECK_TIMEOUT_MS = 90_000

/**
 * Checks whether the rotation of a credential would go well, and changes nothing. It looks at what a rotation refuses before its
 * first change, by the same code; only the peer Regions are not asked. The current value logs in once, then the admin's value, if
 * one is needed.
 * @returns a line for each thing that was checked. A check that fails is a line too, so this does not throw.
 */
export async function checkCredential(
  pipeline: Pipeline,
  target: CheckTarget,
  settings: CheckSettings,
): Promise<CheckResult> {
  const report = new Report(settings.onUnexpected)
  let stored: StoredFindings = { isRotating: false }
  await runWithin(settings.timeoutMs ?? CHECK_TIMEOUT_MS, report, async () => {
    stored = await lookAtStored(pipeline, target, settings, report)
    leaveOutMeaningless(stored, report)
    const { options, current, strategy, nextUser, next, isRotating } = stored
    if (!options || !current || !strategy || nextUser === undefined || current.engine === 'opaque') return
    const isReached = await lookAtNetwork(current, report)
    const context = { pipeline, ...settings, options, current, strategy, nextUser, next }
    if (isReached && !isRotating) await lookAtDatabase(context, report)
  })
  return {
    ...target,
    ...summaryOf(stored),
    result: report.result(),
    lines: report.lines(),
  }
}

/**
 * Runs a check until it ends or the time is over. When the time is over, the report is closed, so that a check which still runs
 * adds nothing to the report and begins nothing more.
 */
async function runWithin(timeoutMs: number, report: Report, check: () => Promise<void>): Promise<void> {
  const timer = new AbortController()
  const timeIsOver = sleep(timeoutMs, undefined, { signal: timer.signal }).then(
    () => report.close(timeoutMs),
    () => {},
  )
  try {
    await Promise.race([check(), timeIsOver])
  } finally {
    timer.abort()
  }
}

/** Leaves out the lines that have no meaning for this credential, as far as the credential is known. */
function leaveOutMeaningless({ options, current, strategy }: StoredFindings, report: Report): void {
  if (options?.engine === 'opaque') report.leaveOut(...DATABASE_LINES)
  if (options && !options.testQuery) report.leaveOut('test-query')
  if (current && strategy && engineTraits[current.engine].actorByStrategy[strategy] !== 'admin')
    report.leaveOut('admin', 'admin-login')
}

/** The fields of the result that describe the credential. */
function summaryOf({ found, current, strategy, nextUser }: StoredFindings): Partial<CheckResult> {
  return {
    ...(found?.name && { name: found.name }),
    ...(found?.arn && { arn: found.arn }),
    ...(current && { engine: current.engine }),
    ...(strategy && { strategy }),
    ...(current?.host && {
      user: current.username,
      ...(nextUser !== undefined && { nextUser }),
      address: current.address,
      ...(current.masterarn && { admin: current.masterarn }),
    }),
  }
}
