import { evaluateSchedule } from '../../fleet/due.ts'
import { meaningOfEnding } from '../../fleet/endings.ts'
import type { ScheduledCredential } from '../../fleet/inventory.ts'
import { latestSuccess, type RotationRecord } from '../../fleet/records/rotationRecord.ts'
import { REMEDIES, remedyOf } from '../../fleet/remedies.ts'
import { describeReplica, laggingReplicas, type Replica } from '../../rotation/replicas.ts'
import { homeIn, isManaged } from '../../rotation/tags.ts'
import { fullId } from '../credential.ts'
import type { CredentialState } from './states.ts'

/** What is known of a credential, without its value. */
export type StandingFacts = {
  credential: ScheduledCredential
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

export type Standing = { state: CredentialState; why?: string; remedy?: string }

/** Milliseconds after which what should have ended is told. */
const OVERDUE_SLACK_MS = 3_600_000

/** How a credential stands by what is known of it, at the moment `now`. */
export function standingOf(facts: StandingFacts, now: Date, interval: number): Standing {
  const { credential, rotatedBy, records, pending, parked, replicas } = facts
  // One that gave way to another rotation tells nothing of the credential.
  const last = records.find(({ outcome, error }) => outcome !== 'failed' || error !== 'RotationInProgress')
  if (last?.outcome === 'locked-out')
    return { state: 'locked-out', why: failureText(last), ...remedyField(REMEDIES.lockedout) }
  if (last?.outcome === 'stopped' && last.token === credential.current)
    return {
      state: 'not-closed',
      why: 'its rotation was stopped once the new value was current, so nothing that was replaced is closed',
      ...remedyField(REMEDIES['retiresecret-failed']),
    }
  if (last?.outcome === 'stopped' && meaningOfEnding(last.step ?? '', 'stopped') !== 'harmless')
    return { state: 'stopped', why: failureText(last), ...remedyField(REMEDIES['execution-failed']) }
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
  if (last && isOpenFailure(last, facts.passwordSince ?? credential.currentSince))
    return { state: 'failed', why: failureText(last), ...remedyField(remedyOf(last.error ?? '')) }
  if (parked)
    return {
      state: 'parked',
      why: 'its server does not answer',
      ...remedyField(REMEDIES['rotations-parked']),
    }
  const verdict = evaluateSchedule(credential, now, interval)
  if (verdict.late) return lateStanding(verdict.state === 'skipped' ? verdict.reason : undefined)
  const behind = laggingReplicas(facts).find(({ status }) => status !== 'InProgress')
  if (behind)
    return { state: 'behind', why: describeReplica(behind), ...remedyField(REMEDIES.replicasbehind) }
  const open = latestSuccess(records)
  // While its rotation waits: what became of a replica after that is not in its record.
  if (open?.behindSince && open.retirement !== 'not-closed')
    return {
      state: 'behind',
      why: `since ${open.behindSince}${open.behind ? `: ${open.behind}` : ''}`,
      ...remedyField(REMEDIES.replicasbehind),
    }
  const left = open && leftOpenText(open, now)
  if (left) return { state: 'not-closed', why: left, ...remedyField(REMEDIES['retiresecret-failed']) }
  if (open?.retirement === 'open') return { state: 'grace' }
  return { state: rotatedBy ? 'waiting' : 'by-hand' }
}

/** What failed, in a line. */
export const failureText = ({ error = 'an error', step, reason }: RotationRecord): string =>
  `${error}${step ? ` at ${step}` : ''}${reason ? `: ${reason}` : ''}`

const remedyField = (remedy: string | undefined) => (remedy ? { remedy } : {})

/** One after which the credential got another password has been made up for. */
function isOpenFailure(last: RotationRecord, since: Date): boolean {
  if (last.outcome !== 'failed' && last.outcome !== 'stopped') return false
  return since.getTime() <= Date.parse(last.ended ?? last.began) + 60_000
}

const lateStanding = (reason: string | undefined): Standing => ({
  state: 'late',
  why: reason ?? 'it should have rotated and has not',
  remedy: reason
    ? 'Correct its tags.'
    : 'Look at its history; if there is none, at the latest run of rotate-due.',
})

/** What should be closed by now and is not. */
function leftOpenText(
  { retirement, retirementError, openUntil, user }: RotationRecord,
  now: Date,
): string | undefined {
  if (retirement === 'not-closed')
    return `${user || 'what was replaced'} could not be closed${retirementError ? `: ${retirementError}` : ''}`
  if (retirement === 'open' && openUntil && now.getTime() > Date.parse(openUntil) + OVERDUE_SLACK_MS)
    return `${user || 'what was replaced'} was to be closed at ${openUntil}, and nothing tells that it was`
  return undefined
}
