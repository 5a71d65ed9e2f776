import { judge } from '../../fleet/due.ts'
import { meaningOf } from '../../fleet/endings.ts'
import type { Scheduled } from '../../fleet/inventory.ts'
import { latestGood, type RotationRecord } from '../../fleet/records/record.ts'
import { remedies, remedyOf } from '../../fleet/remedies.ts'
import { notFollowing, type Replica, saysOf } from '../../rotation/replicas.ts'
import { homeIn, isManaged } from '../../rotation/tags.ts'
import { fullId } from '../credentialId.ts'
import type { State } from './states.ts'

/** What is known of a credential, without its value. */
export type Facts = {
  credential: Scheduled
  /** Who rotates it by itself; undefined if nobody does. */
  rotatedBy: string | undefined
  /** The newest rotations that the table has, the latest first. */
  records: RotationRecord[]
  /** Since when the password is there, where the current version is an edit, which has that of the one before it. */
  passwordSince?: Date
  /** What is pending and not current, and whether the rotation that made it still runs. */
  pending: { token: string; running: boolean } | undefined
  /** Of a secret that was looked at by itself: its copies in other Regions. */
  replicas: Replica[]
  /** Its database server did not answer the last run. */
  parked: boolean
}

export type Standing = { state: State; why?: string; remedy?: string }

/** Milliseconds after which what should have ended is told. */
const SLACK = 3_600_000

/** How a credential stands by what is known of it, at the moment `now`. */
export function standingOf(facts: Facts, now: Date, interval: number): Standing {
  const { credential, rotatedBy, records, pending, parked, replicas } = facts
  // One that gave way to another rotation tells nothing of the credential.
  const last = records.find(({ outcome, error }) => outcome !== 'failed' || error !== 'RotationInProgress')
  if (last?.outcome === 'locked-out')
    return { state: 'locked-out', why: failureOf(last), ...todo(remedies.lockedout) }
  if (last?.outcome === 'stopped' && last.token === credential.current)
    return {
      state: 'not-closed',
      why: 'its rotation was stopped once the new value was current, so nothing that was replaced is closed',
      ...todo(remedies['retiresecret-failed']),
    }
  if (last?.outcome === 'stopped' && meaningOf(last.step ?? '', 'stopped') !== 'harmless')
    return { state: 'stopped', why: failureOf(last), ...todo(remedies['execution-failed']) }
  if (pending?.running) return { state: 'rotating', why: `version ${pending.token} is pending` }
  if (pending)
    return {
      state: 'stuck',
      why: `a rotation died and left version ${pending.token} pending`,
      remedy: 'Rotate it: that takes the pending version back first.',
    }
  if (!rotatedBy && !isManaged(credential.tags))
    return {
      state: 'unmanaged',
      why: 'it lacks the tag keyturn:managed=true, and this stack is not its rotation function',
      remedy: `If Keyturn is to rotate it: keyturn enrol ${fullId(credential.store, credential.id)}`,
    }
  const home = homeIn(credential.tags)
  if (replicas.some(({ region }) => region === home))
    return {
      state: 'unmanaged',
      why: `its tag keyturn:home names ${home}, where its replica is: neither Region rotates it`,
      remedy: 'Set keyturn:home to the Region of the primary.',
    }
  if (last && isOpenFailure(last, facts.passwordSince ?? credential.since))
    return { state: 'failed', why: failureOf(last), ...todo(remedyOf(last.error ?? '')) }
  if (parked)
    return { state: 'parked', why: 'its server does not answer', ...todo(remedies['rotations-parked']) }
  const verdict = judge(credential, now, interval)
  if (verdict.late) return lateness(verdict.state === 'skipped' ? verdict.reason : undefined)
  const behind = notFollowing(facts).find(({ status }) => status !== 'InProgress')
  if (behind) return { state: 'behind', why: saysOf(behind), ...todo(remedies.replicasbehind) }
  const open = latestGood(records)
  // While its rotation waits: what became of a replica after that is not in its record.
  if (open?.behindSince && open.retirement !== 'not-closed')
    return {
      state: 'behind',
      why: `since ${open.behindSince}${open.behind ? `: ${open.behind}` : ''}`,
      ...todo(remedies.replicasbehind),
    }
  const left = open && leftOpen(open, now)
  if (left) return { state: 'not-closed', why: left, ...todo(remedies['retiresecret-failed']) }
  if (open?.retirement === 'open') return { state: 'grace' }
  return { state: rotatedBy ? 'waiting' : 'by-hand' }
}

/** What failed, in a line. */
export const failureOf = ({ error = 'an error', step, reason }: RotationRecord): string =>
  `${error}${step ? ` at ${step}` : ''}${reason ? `: ${reason}` : ''}`

const todo = (remedy: string | undefined) => (remedy ? { remedy } : {})

/** One after which the credential got another password has been made up for. */
function isOpenFailure(last: RotationRecord, since: Date): boolean {
  if (last.outcome !== 'failed' && last.outcome !== 'stopped') return false
  return since.getTime() <= Date.parse(last.ended ?? last.began) + 60_000
}

const lateness = (reason: string | undefined): Standing => ({
  state: 'late',
  why: reason ?? 'it should have rotated and has not',
  remedy: reason
    ? 'Correct its tags.'
    : 'Look at its history; if there is none, at the latest run of rotate-due.',
})

/** What should be closed by now and is not. */
function leftOpen(
  { retirement, retirementError, openUntil, user }: RotationRecord,
  now: Date,
): string | undefined {
  if (retirement === 'not-closed')
    return `${user || 'what was replaced'} could not be closed${retirementError ? `: ${retirementError}` : ''}`
  if (retirement === 'open' && openUntil && now.getTime() > Date.parse(openUntil) + SLACK)
    return `${user || 'what was replaced'} was to be closed at ${openUntil}, and nothing tells that it was`
  return undefined
}
