import type { Fact, RotationFacts } from '../audit/facts.ts'
import type { StateName } from '../states.ts'

/** CloudTrail tells of a call within about a quarter of an hour: what is older than this it has to know. */
const CLOUDTRAIL_DELAY_MS = 30 * 60_000

/** A rotation that came so far has read its credential, however it ended. */
const STEPS_AFTER_READ: string[] = [
  'RehearseTest',
  'RehearseFinish',
  'RehearseRollback',
  'SetSecret',
  'TestSecret',
  'FinishSecret',
] satisfies StateName<'rotate'>[]

type EndedRotation = Partial<Pick<RotationFacts, 'began' | 'ended' | 'outcome' | 'step'>>

/** How many of these rotations CloudTrail has to know reads of, from `since` to the moment. */
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
 * Why a sweep without one event is no proof that nobody reads, in a line; undefined: nothing speaks against it.
 * @param rotated how many rotations have read there meanwhile
 */
export function doubtAboutNoReads(rotated: Fact<number>): string | undefined {
  if ('unread' in rotated)
    return `CloudTrail tells of no read at all, and whether any rotation read meanwhile is not known (${rotated.unread})`
  if (!rotated.is) return undefined
  const rotations = rotated.is === 1 ? '1 rotation' : `${rotated.is} rotations`
  return `CloudTrail tells of no read at all, although ${rotations} ended there meanwhile, each of which reads: its event history has gaps, or is none`
}
