import { evaluateSchedule } from '../../fleet/due.ts'
import { meaningOfEnding } from '../../fleet/endings.ts'
import type { ScheduledCredential } from '../../fleet/inventory.ts'
import { overdueClosingTime } from '../../fleet/records/overdueClosing.ts'
import { replacedLoginText } from '../../fleet/records/replacedLogin.ts'
import { latestSuccess, type RotationRecord } from '../../fleet/records/rotationRecord.ts'
import { REMEDIES, remedyOf } from '../../fleet/remedies.ts'
import { describeReplica, laggingReplicas, type Replica } from '../../rotation/replicas.ts'
import { homeIn, isManaged } from '../../rotation/tags.ts'
import { fullId } from '../credential.ts'
import type { CredentialState } from './states.ts'

/** What is known about a credential, without its value. */
export type StandingFacts = {
  credential: ScheduledCredential
  /** What rotates the credential on a schedule, in words; undefined if nothing does. */
  rotatedBy: string | undefined
  /** The credential's latest rotation records, the latest first. */
  records: RotationRecord[]
  /** Since when the password has been valid, if the current version is an edit that kept the password of the version before. */
  passwordSince?: Date
  /** The version that is pending and not current, and whether the rotation that made it is still running. */
  pending: { token: string; running: boolean } | undefined
  /** The copies of a secret in other Regions; empty unless the command is about this one secret. */
  replicas: Replica[]
  /** Whether the credential's database server did not answer the last run, so that rotations are parked. */
  parked: boolean
}

/** The state of a credential, why it is so, and what to do. */
export type Standing = { state: CredentialState; why?: string; remedy?: string }

/** Milliseconds after the end of a failed rotation in which a new value does not count as somebody's repair. */
const REPAIR_SLACK_MS = 60_000

/**
 * The state of a credential: the first that applies, mostly in the order of STATES. A rotation that runs comes earlier, as it may
 * change what the states after it are about.
 * @param runIntervalMs milliseconds between two runs of the stack's schedule
 */
export function standingOf(facts: StandingFacts, now: Date, runIntervalMs: number): Standing {
  const { credential, rotatedBy, records, pending, parked, replicas } = facts
  // A rotation that failed only because another was in progress says nothing about the credential.
  const last = records.find(({ outcome, error }) => outcome !== 'failed' || error !== 'RotationInProgress')
  if (last?.outcome === 'locked-out')
    return { state: 'locked-out', why: failureText(last), ...remedyField(REMEDIES.lockedout) }
  if (last?.outcome === 'stopped' && last.token === credential.current)
    return {
      state: 'not-closed',
      why: 'its rotation was stopped after the new value had become current, so the old user or password is not closed',
      ...remedyField(REMEDIES['retiresecret-failed']),
    }
  if (last?.outcome === 'stopped' && meaningOfEnding(last.step ?? '', 'stopped') !== 'harmless')
    return { state: 'stopped', why: failureText(last), ...remedyField(REMEDIES['execution-failed']) }
  if (pending?.running) return { state: 'rotating', why: `version ${pending.token} is pending` }
  if (pending)
    return {
      state: 'stuck',
      why: `a rotation was cut off and left version ${pending.token} pending`,
      remedy: 'Rotate it: that rolls the pending version back first.',
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
  if (last && isUnresolvedFailure(last, facts.passwordSince ?? credential.currentSince))
    return { state: 'failed', why: failureText(last), ...remedyField(remedyOf(last.error ?? '')) }
  if (parked)
    return {
      state: 'parked',
      why: 'its server does not answer',
      ...remedyField(REMEDIES['rotations-parked']),
    }
  const verdict = evaluateSchedule(credential, now, runIntervalMs)
  if (verdict.late) return lateStanding(verdict.state === 'skipped' ? verdict.reason : undefined)
  const laggingReplica = laggingReplicas(facts).find(({ status }) => status !== 'InProgress')
  if (laggingReplica)
    return { state: 'behind', why: describeReplica(laggingReplica), ...remedyField(REMEDIES.replicasbehind) }
  const lastGood = latestSuccess(records)
  // The record tells of the replica only while the rotation waits for it, and not what becomes of the replica later.
  if (lastGood?.behindSince && lastGood.retirement !== 'not-closed')
    return {
      state: 'behind',
      why: `since ${lastGood.behindSince}${lastGood.behind ? `: ${lastGood.behind}` : ''}`,
      ...remedyField(REMEDIES.replicasbehind),
    }
  const openText = lastGood && leftOpenText(lastGood, now)
  if (openText) return { state: 'not-closed', why: openText, ...remedyField(REMEDIES['retiresecret-failed']) }
  if (lastGood?.retirement === 'open') return { state: 'grace' }
  return { state: rotatedBy ? 'waiting' : 'by-hand' }
}

/** The error of a failed rotation in one line, with its state and reason. */
export const failureText = ({ error = 'an error', step, reason }: RotationRecord): string =>
  `${error}${step ? ` at ${step}` : ''}${reason ? `: ${reason}` : ''}`

const remedyField = (remedy: string | undefined) => (remedy ? { remedy } : {})

/**
 * Whether a failure still matters: nobody has stored another password after it.
 * @param since when the current password was stored
 */
function isUnresolvedFailure(last: RotationRecord, since: Date): boolean {
  if (last.outcome !== 'failed' && last.outcome !== 'stopped') return false
  return since.getTime() <= Date.parse(last.ended ?? last.began) + REPAIR_SLACK_MS
}

const lateStanding = (reason: string | undefined): Standing => ({
  state: 'late',
  why: reason ?? 'it should have rotated and has not',
  remedy: reason
    ? 'Correct its tags.'
    : 'See its history; if that has no rotation, see the latest run of rotate-due.',
})

/** Why the old user or password is still open although it should be closed; undefined if all is well. */
function leftOpenText(record: RotationRecord, now: Date): string | undefined {
  const { retirement, retirementError } = record
  const subject = replacedLoginText(record)
  if (retirement === 'not-closed')
    return `${subject} could not be closed${retirementError ? `: ${retirementError}` : ''}`
  const overdue = overdueClosingTime(record, now.getTime())
  return overdue && `${subject} was to be closed at ${overdue}, and no record shows that it was`
}
