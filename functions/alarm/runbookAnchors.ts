import * as errors from '../../rotation/errors.ts'
import type { Failure } from './failure.ts'

/**
 * The anchor in docs/runbook.md of the entry for a failure. The runbook has an entry for every error of rotation/errors.ts, whose
 * anchor is the error's name in lower case.
 */
export function runbookAnchorOf({ headline, error = '', whatFailed = '' }: Failure): string {
  const anchors: Partial<Record<typeof headline, string>> = {
    lockout: 'lockedout',
    before: 'lockedout',
    retire: 'retiresecret-failed',
    stay: 'retiresecret-failed',
    announce: 'announcesuccess-failed',
    behind: 'replicasbehind',
    several: anchorOfSeveral(error),
    parked: 'rotations-parked',
    run: 'run-failed',
    late: 'late-credentials',
    lagging: 'replicasbehind',
    promoted: 'promotedelsewhere',
    elsewhere: 'promotedelsewhere',
    managed: 'managed-rotation-failed',
    abandoned: 'managed-rotation-failed',
    alarm: anchorOfCloudWatchAlarm(whatFailed),
    promotion: 'promotion-failed',
    promotionEnded: 'promotion-failed',
    notReady: 'promotion-not-ready',
    denied: 'event-check-failed',
  }
  return anchors[headline] ?? anchorOfError(error)
}

/** The anchor of an error's own entry. Any other error is of the execution itself, such as States.Runtime. */
const anchorOfError = (error: string) => (error in errors ? error.toLowerCase() : 'execution-failed')

/** The anchor for several failed rotations: that of their error, if all failed with the same one. */
function anchorOfSeveral(error: string): string {
  if (!error) return 'several-rotations-failed'
  if (error === 'NotKnown') return 'start-or-watch-failed'
  return anchorOfError(error)
}

/** The anchor of each CloudWatch alarm, by the end of its name: resources/alarms.yml and records.yml name the alarms. */
const ANCHOR_BY_ALARM: Record<string, string> = {
  'locked-out': 'lockedout',
  late: 'late-credentials',
  'record-dead-letters': 'recording-failed',
  'start-dead-letters': 'start-or-watch-failed',
}

/** The anchor for a CloudWatch alarm, by its name in `whatFailed`. The stage in that name may be any word. */
function anchorOfCloudWatchAlarm(whatFailed: string): string {
  const [, end = ''] =
    /-(locked-out|late|record-dead-letters|start-dead-letters)(?![\w-])/.exec(whatFailed) ?? []
  return ANCHOR_BY_ALARM[end] ?? 'telling-failed'
}
