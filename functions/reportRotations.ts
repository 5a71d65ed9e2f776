import { parseReportRotationsEvent, type RotationResults } from './shared/event.ts'
import { functionHandler } from './shared/handler.ts'

/** How many credentials a report names for each kind of failure. */
const MAX_NAMES_PER_KIND = 50

/** The outcome of a run's rotations on one database server, with the failed ones grouped by their error. */
type Report = {
  host: string
  rotated: number
  failed: number
  skipped: number
  /** How many rotations did not begin because the server does not answer. */
  parked: number
  /**
   * Critical if a rollback failed with another error than LockedOut. A lockout is told by its own execution, as an error if
   * the same lockout was told before.
   */
  severity: 'critical' | 'error'
  /**
   * Whether the report has to be announced. It does not if the only thing to tell is one failed rotation that its own execution has
   * announced, or an outage that was announced before.
   */
  tell: boolean
  /** The kinds of failure, one for each error. Failures whose rollback failed are kinds of their own, and come first. */
  failures: {
    severity: 'critical' | 'error'
    error: string
    reason: string
    count: number
    names: string[]
  }[]
}

/**
 * Sums up a run's rotations on one database server, so that a person gets one message for many rotations that failed for the
 * same reason. `outage` is true if the report of an earlier run has announced that the server does not answer. Then one failure
 * for that reason, and what is parked, are not announced again.
 */
export const handler = functionHandler(
  'reportRotations',
  parseReportRotationsEvent,
  ({ host }) => ({ host }),
  async ({ host, results, outage = false }): Promise<Report> => {
    const withOutcome = (outcome: RotationResults[number]['outcome']) =>
      results.filter(result => result.outcome === outcome)
    const failed = withOutcome('failed')
    const kinds = [true, false].flatMap(critical =>
      kindsOf(failed.filter(one => (one.critical ?? false) === critical)),
    )
    const parked = withOutcome('parked')
    const hasOtherFailure = failed.some(({ error }) => error !== 'Unreachable')
    return {
      host,
      rotated: withOutcome('rotated').length,
      failed: failed.length,
      skipped: withOutcome('skipped').length,
      parked: parked.length,
      severity: failed.some(({ critical, error }) => critical && error !== 'LockedOut')
        ? 'critical'
        : 'error',
      tell:
        failed.length > 1 ||
        failed.some(({ untold }) => untold) ||
        (outage ? hasOtherFailure : parked.length > 0),
      failures: [...kinds, ...kindsOf(parked.map(one => ({ ...one, error: 'Parked' })))],
    }
  },
)

/** Groups failed rotations by their error. */
const kindsOf = (failed: RotationResults): Report['failures'] =>
  [...Map.groupBy(failed, ({ error = 'Unknown' }) => error)].map(([error, members]) => ({
    severity: members[0]?.critical ? 'critical' : 'error',
    error,
    reason: members[0]?.reason ?? '',
    count: members.length,
    names: members.slice(0, MAX_NAMES_PER_KIND).map(({ store, id }) => `${store} ${id}`),
  }))
