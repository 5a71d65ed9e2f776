import { parseReportRotationsEvent, type RotationResults } from './shared/event.ts'
import { functionHandler } from './shared/handler.ts'

/** Names of one kind of failure that a report tells. */
const MAX_NAMES_PER_KIND = 50

/** What became of the rotations on one database server, and of those that failed for the same reason. */
type Report = {
  host: string
  rotated: number
  failed: number
  skipped: number
  /** Did not begin, as the server does not answer. */
  parked: number
  /** Of what this report alone tells as loudly: a LockedOut is told by its own execution, as it deserves. */
  severity: 'critical' | 'error'
  /** Whether there is more to tell than the one failure that its own execution told. */
  tell: boolean
  /** Of one error, those whose rollback failed are a kind of their own, and come first. */
  failures: {
    severity: 'critical' | 'error'
    error: string
    reason: string
    count: number
    names: string[]
  }[]
}

/**
 * Counts, so that a person gets one message for many rotations that failed for one reason. That a server does not answer
 * is told once: in an `outage` that was told of, only what is something else.
 */
export const handler = functionHandler(
  'reportRotations',
  parseReportRotationsEvent,
  ({ host }) => ({ host }),
  async ({ host, results, outage = false }): Promise<Report> => {
    const having = (outcome: RotationResults[number]['outcome']) =>
      results.filter(result => result.outcome === outcome)
    const failed = having('failed')
    const kinds = [true, false].flatMap(critical =>
      kindsOf(failed.filter(one => (one.critical ?? false) === critical)),
    )
    const parked = having('parked')
    const answered = failed.some(({ error }) => error !== 'Unreachable')
    return {
      host,
      rotated: having('rotated').length,
      failed: failed.length,
      skipped: having('skipped').length,
      parked: parked.length,
      severity: failed.some(({ critical, error }) => critical && error !== 'LockedOut')
        ? 'critical'
        : 'error',
      tell:
        failed.length > 1 || failed.some(({ untold }) => untold) || (outage ? answered : parked.length > 0),
      failures: [...kinds, ...kindsOf(parked.map(one => ({ ...one, error: 'Parked' })))],
    }
  },
)

const kindsOf = (failed: RotationResults): Report['failures'] =>
  [...Map.groupBy(failed, ({ error = 'Unknown' }) => error)].map(([error, members]) => ({
    severity: members[0]?.critical ? 'critical' : 'error',
    error,
    reason: members[0]?.reason ?? '',
    count: members.length,
    names: members.slice(0, MAX_NAMES_PER_KIND).map(({ store, id }) => `${store} ${id}`),
  }))
