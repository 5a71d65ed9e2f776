import { MINUTE_MS } from '../../rotation/timeUnits.ts'
import type { Fact, RotationFacts } from '../audit/facts.ts'
import type { StateName } from '../states.ts'

/**
 * An event that is older than this must be in CloudTrail, which has most events after about five minutes and all after fifteen:
 * https://docs.aws.amazon.com/awscloudtrail/latest/userguide/how-cloudtrail-works.html
 */
const CLOUDTRAIL_DELAY_MS = 30 * MINUTE_MS

/** The steps of a rotation that come after it has read its credential. */
const STEPS_AFTER_READ: string[] = [
  'RehearseTest',
  'RehearseFinish',
  'RehearseRollback',
  'SetSecret',
  'TestSecret',
  'FinishSecret',
] satisfies StateName<'rotate'>[]

type EndedRotation = Partial<Pick<RotationFacts, 'began' | 'ended' | 'outcome' | 'step'>>

/**
 * How many of these rotations have read their credential between `since` and half an hour before `moment`, so that CloudTrail must
 * know.
 */
export function countReadingRotations(
  rotations: Iterable<EndedRotation>,
  since: string,
  moment: string,
): number {
  const until = new Date(Date.parse(moment) - CLOUDTRAIL_DELAY_MS).toISOString()
  let count = 0
  for (const { began = '', ended, outcome = 'running', step = '' } of rotations)
    if (ended && began >= since && ended <= until)
      count += Number(['rotated', 'locked-out'].includes(outcome) || STEPS_AFTER_READ.includes(step))
  return count
}

/**
 * Why a sweep of CloudTrail that found no event does not prove that nobody reads, in a line. CloudTrail must at least know the
 * reads of Keyturn's own rotations.
 * @param rotationCount how many rotations have read a credential in the Region in that time
 * @returns undefined if there is no reason to doubt
 */
export function doubtAboutNoReads(rotationCount: Fact<number>): string | undefined {
  if ('unread' in rotationCount)
    return `CloudTrail tells of no read at all, and whether any rotation read meanwhile is not known (${rotationCount.unread})`
  if (!rotationCount.is) return undefined
  const rotations = rotationCount.is === 1 ? '1 rotation' : `${rotationCount.is} rotations`
  return `CloudTrail tells of no read at all, although ${rotations} ended there meanwhile, each of which reads: its event history has gaps, or is none`
}
