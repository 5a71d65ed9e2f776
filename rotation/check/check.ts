import { setTimeout as sleep } from 'node:timers/promises'
import { engineTraits } from '../engines/traits.ts'
import type { Unexpected } from '../errors.ts'
import type { Pipeline } from '../pipeline.ts'
import { type LoadCheckEngine, lookAtDatabase, lookAtNetwork } from './database.ts'
import { type CheckResult, DATABASE_LINES } from './line.ts'
import { Report } from './report.ts'
import { type CheckTarget, type DeploymentAccess, lookAtStored, type StoredFindings } from './stored.ts'

/** What a check works with beside a rotation's pipeline. */
export type CheckSettings = DeploymentAccess & {
  loadCheckEngine: LoadCheckEngine
  testMayWrite: boolean
  /** Milliseconds for all looks together: less than the function has. */
  timeoutMs?: number
  /** Gets what a remedy sends to the log for. */
  onUnexpected?: (error: Unexpected) => void
}

/** Of the two minutes that the function has. */
const CHECK_TIMEOUT_MS = 90_000

/**
 * Whether the rotation of a credential would go well: looks at all that a rotation refuses before its first change, by the
 * same code, and changes nothing. Each stored value logs in once, the admin's only after current's has.
 */
export async function checkCredential(
  pipeline: Pipeline,
  target: CheckTarget,
  looks: CheckSettings,
): Promise<CheckResult> {
  const report = new Report(looks.onUnexpected)
  let stored: StoredFindings = { isRotating: false }
  await runWithin(looks.timeoutMs ?? CHECK_TIMEOUT_MS, report, async () => {
    stored = await lookAtStored(pipeline, target, looks, report)
    leaveOutMeaningless(stored, report)
    const { options, current, strategy, nextUser, next, isRotating } = stored
    if (!options || !current || !strategy || nextUser === undefined || current.engine === 'opaque') return
    const isReached = await lookAtNetwork(current, report)
    const known = { pipeline, ...looks, options, current, strategy, nextUser, next }
    if (isReached && !isRotating) await lookAtDatabase(known, report)
  })
  return {
    ...target,
    ...summaryOf(stored),
    result: report.result(),
    lines: report.lines(),
  }
}

/** Looks until the time is over. Whoever still looks then finds the report closed, and begins nothing more. */
async function runWithin(bound: number, report: Report, looking: () => Promise<void>): Promise<void> {
  const over = new AbortController()
  const late = sleep(bound, undefined, { signal: over.signal }).then(
    () => report.close(bound),
    () => {},
  )
  try {
    await Promise.race([looking(), late])
  } finally {
    over.abort()
  }
}

/** What has no meaning for such a credential, as far as it is known. */
function leaveOutMeaningless({ options, current, strategy }: StoredFindings, report: Report): void {
  if (options?.engine === 'opaque') report.leaveOut(...DATABASE_LINES)
  if (options && !options.testQuery) report.leaveOut('test-query')
  if (current && strategy && engineTraits[current.engine].actorByStrategy[strategy] !== 'admin')
    report.leaveOut('admin', 'admin-login')
}

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
