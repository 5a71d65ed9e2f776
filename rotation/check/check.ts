import { setTimeout as sleep } from 'node:timers/promises'
import { traits } from '../engines/traits.ts'
import type { Unexpected } from '../errors.ts'
import type { Pipeline } from '../pipeline.ts'
import { type Engines, lookAtDatabase, lookAtNetwork } from './database.ts'
import { type Checked, databaseLines } from './line.ts'
import { Report } from './report.ts'
import { lookAtStored, type Own, type Stored, type Target } from './stored.ts'

/** What a check works with beside a rotation's pipeline. */
export type Looks = Own & {
  engines: Engines
  testMayWrite: boolean
  /** Milliseconds for all looks together: less than the function has. */
  bound?: number
  /** Gets what a remedy sends to the log for. */
  onUnexpected?: (error: Unexpected) => void
}

/** Of the two minutes that the function has. */
const BOUND = 90_000

/**
 * Whether the rotation of a credential would go well: looks at all that a rotation refuses before its first change, by the
 * same code, and changes nothing. Each stored value logs in once, the admin's only after current's has.
 */
export async function check(pipeline: Pipeline, target: Target, looks: Looks): Promise<Checked> {
  const report = new Report(looks.onUnexpected)
  let stored: Stored = { isRotating: false }
  await within(looks.bound ?? BOUND, report, async () => {
    stored = await lookAtStored(pipeline, target, looks, report)
    leaveOut(stored, report)
    const { options, current, strategy, nextUser, next, isRotating } = stored
    if (!options || !current || !strategy || nextUser === undefined || current.engine === 'opaque') return
    const isReached = await lookAtNetwork(current, report)
    const known = { pipeline, ...looks, options, current, strategy, nextUser, next }
    if (isReached && !isRotating) await lookAtDatabase(known, report)
  })
  return {
    ...target,
    ...about(stored),
    result: report.result(),
    lines: report.lines(),
  }
}

/** Looks until the time is over. Whoever still looks then finds the report closed, and begins nothing more. */
async function within(bound: number, report: Report, looking: () => Promise<void>): Promise<void> {
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
function leaveOut({ options, current, strategy }: Stored, report: Report): void {
  if (options?.engine === 'opaque') report.leaveOut(...databaseLines)
  if (options && !options.testQuery) report.leaveOut('test-query')
  if (current && strategy && traits[current.engine].strategies[strategy] !== 'admin')
    report.leaveOut('admin', 'admin-login')
}

function about({ found, current, strategy, nextUser }: Stored): Partial<Checked> {
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
