import { meaningOfEnding } from '../../endings.ts'
import { minuteOf } from '../../minute.ts'
import { overdueClosingTime } from '../../records/overdueClosing.ts'
import { replacedLoginText } from '../../records/replacedLogin.ts'
import { latestSuccess } from '../../records/rotationRecord.ts'
import { REMEDIES, remedyOf } from '../../remedies.ts'
import { editIn } from '../age.ts'
import { isParameter, isPrimary } from '../credentialKind.ts'
import type { CredentialFacts, RotationFacts } from '../facts.ts'
import { requireKnown } from '../knownFact.ts'
import { keyturnCommand } from '../shellCommand.ts'
import { type CredentialRule, SECURITY_HUB_CONTROLS } from './rule.ts'

/** A value that is stored so soon after the end of a rotation is taken for that rotation's own. */
const RECORDING_DELAY_MS = 60_000

/** Rules about how rotations ended. */
export const outcomeRules: CredentialRule[] = [
  {
    id: 'locked-out',
    title: 'Its last rotation failed, and so did the way back',
    severity: 'critical',
    why: 'The application may be unable to log in.',
    references: SECURITY_HUB_CONTROLS.succeeds,
    check(credential) {
      const last = lastEndedRotationOf(credential)
      if (last?.outcome !== 'locked-out') return undefined
      return { detail: `${failureOf(last)}.`, remedy: REMEDIES.lockedout ?? '' }
    },
  },
  {
    id: 'rotation-stopped',
    title: 'Its last rotation was stopped midway',
    severity: 'high',
    why: 'Nothing was rolled back: the database may have one password, and the store another.',
    references: SECURITY_HUB_CONTROLS.succeeds,
    check(credential) {
      const last = lastEndedRotationOf(credential)
      if (last?.outcome !== 'stopped' || meaningOfEnding(last.step ?? '', 'stopped') === 'harmless')
        return undefined
      if (isStoredSince(last, credential)) return undefined
      return {
        detail: `Stopped at ${last.step ?? 'a step that is not known'}, ${timeOf(last)}.`,
        remedy: keyturnCommand(credential, 'rotate'),
      }
    },
  },
  {
    id: 'failing',
    title: 'Its rotations fail',
    severity: 'high',
    why: 'It gets older with every try, and what keeps it from rotating stays until somebody looks.',
    references: SECURITY_HUB_CONTROLS.succeeds,
    check(credential) {
      const rotations = endedRotationsOf(credential)
      const [last] = rotations
      if (last?.outcome !== 'failed' || isStoredSince(last, credential)) return undefined
      const firstOther = rotations.findIndex(({ outcome }) => outcome !== 'failed')
      const failed = firstOther === -1 ? rotations : rotations.slice(0, firstOther)
      const since = failed.at(-1)?.began.slice(0, 10)
      return {
        detail: `${failed.length === 1 ? 'The last one failed' : `Since ${since}${firstOther === -1 ? ' or longer' : ''}, ${failed.length} in a row`}: ${failureOf(last)}.`,
        remedy: remedyFor(credential, last),
      }
    },
  },
  {
    id: 'stuck-pending',
    title: 'A value has been pending for too long',
    severity: 'high',
    why: 'A rotation died between two steps. Secrets Manager begins no other until its version is gone.',
    references: SECURITY_HUB_CONTROLS.succeeds,
    check(credential, fleet) {
      if (!isParameter(credential) && !isPrimary(credential)) return undefined
      const since = requireKnown(credential.pendingSince)
      if (!since || fleet.nowMs - Date.parse(since) <= fleet.settingsOf(credential).pendingAfter * 1000)
        return undefined
      return {
        detail: `Pending since ${minuteOf(since)}.`,
        remedy: keyturnCommand(credential, 'rotate'),
      }
    },
  },
  {
    id: 'left-open',
    title: 'What was replaced can still log in after its grace time',
    severity: 'high',
    why: 'Whoever has the old user or password still gets in, though everybody takes it for closed.',
    references: [],
    check(credential, { nowMs }) {
      const last = latestSuccess(requireKnown(credential.history).rotations)
      const subject = replacedLoginText(last ?? {})
      const breach = (predicate: string) => ({
        detail: `${subject.charAt(0).toUpperCase()}${subject.slice(1)} ${predicate}.`,
        remedy: keyturnCommand(credential, 'rotate'),
      })
      if (last?.retirement === 'not-closed') return breach('could not be closed')
      const overdue = last && overdueClosingTime(last, nowMs)
      if (overdue === undefined) return undefined
      return breach(`was to be closed at ${minuteOf(overdue)}, and nothing tells that it was`)
    },
  },
]

/**
 * What to do about a failed rotation. The facts do not have the error's message, as it may be long text of a server; a remedy that
 * speaks of the message gets the command that shows it.
 */
function remedyFor(credential: CredentialFacts, { error = '' }: RotationFacts): string {
  const remedy = remedyOf(error)
  if (!remedy) return keyturnCommand(credential, 'history', '--last')
  return remedy.includes('message')
    ? `${remedy} The message: ${keyturnCommand(credential, 'status')}`
    : remedy
}

/** The rotations that have ended, except those that only found another one running. @throws UnreadFact */
const endedRotationsOf = ({ history }: CredentialFacts): RotationFacts[] =>
  requireKnown(history).rotations.filter(
    ({ outcome, error }) =>
      outcome !== 'running' && !(outcome === 'failed' && error === 'RotationInProgress'),
  )

const lastEndedRotationOf = (credential: CredentialFacts) => endedRotationsOf(credential)[0]

/** Whether another password was stored since a rotation, as by hand, so that the rotation's failure does not matter any more. */
function isStoredSince({ began, ended = began }: RotationFacts, credential: CredentialFacts): boolean {
  const { store } = credential
  const edit = editIn(credential)
  const current = edit ? { at: edit.passwordSince, by: 'version' } : credential.current
  // The date of a secret's last change of any kind does not show a new password: a new tag and a rollback set that date, too.
  if (!current || (store === 'secrets-manager' && current.by === 'last-changed')) return false
  return Date.parse(current.at) > Date.parse(ended) + RECORDING_DELAY_MS
}

const failureOf = (rotation: RotationFacts) =>
  `${rotation.error ?? 'an error'}${rotation.step ? ` at ${rotation.step}` : ''}, ${timeOf(rotation)}`

const timeOf = ({ began, ended = began }: RotationFacts) => minuteOf(ended)
