import type { StateName } from '../../fleet/states.ts'
import { LockedOut } from '../../rotation/errors.ts'
import type { Ended } from './history.ts'

/** What a state does, for a person who sees it go by. A state that is not here goes by unseen. */
export const doing: Record<string, string> = {
  __proto__: null as never,
  CreateSecret: 'a new value is stored as pending; the database does not know it yet',
  DiscardSecret: 'the pending value is taken back; no database has learnt it',
  RollbackAbandoned: 'an earlier rotation died: its pending value is taken back first',
  SetSecret: 'the database learns the pending value',
  TestSecret: 'a login with it; what it may do is compared with what current may do',
  FinishSecret: 'the pending value becomes current',
  AnnounceSuccess: 'whoever listens is told',
  Grace: 'the grace time: what was replaced can still log in',
  StayOnClone: 'the application goes over to the temporary clone',
  RetireSecret: 'what was replaced is closed',
  MayMoveBack: 'is the application still on the temporary clone?',
  MoveBack: 'the rotation that moves it back is started',
  RollbackSecret: 'current is made valid again, and the pending value taken back',
  AnnounceFailure: 'whoever listens is told that it failed',
  AnnounceLockout: 'whoever listens is told that the rollback failed',
  AnnounceRetirementFailure: 'whoever listens is told that the old one is not closed',
} satisfies Partial<Record<StateName<'rotate'> | '__proto__', string>>

const unharmed = 'The rotation failed; the application is unharmed.'
const lockedOut = 'The rotation failed, and so did its rollback: the application may be locked out.'
const midway = 'The rotation ended midway and was not rolled back: the application may be locked out.'
const notClosed = 'The credential was rotated, but what it replaced may still log in.'
const onClone = 'The credential was rotated, but the application is not moved back from its temporary clone.'

/** What it means for the application that an execution ended badly in a state. */
const harm: Record<StateName<'rotate'> | '__proto__', string> = {
  __proto__: null as never,
  CreateSecret: unharmed,
  DiscardSecret: unharmed,
  NoObject: unharmed,
  HadFinished: unharmed,
  AnnounceFailure: unharmed,
  RotationFailed: unharmed,
  SetSecret: midway,
  TestSecret: midway,
  FinishSecret: midway,
  RollbackSecret: lockedOut,
  RollbackAbandoned: lockedOut,
  AnnounceLockout: lockedOut,
  RollbackFailed: lockedOut,
  AnnounceSuccess:
    'The credential was rotated, but that could not be announced: what it replaced may still log in.',
  MustRetire: notClosed,
  Grace: notClosed,
  RetireSecret: notClosed,
  AtRetireSecret: notClosed,
  AnnounceRetirementFailure: notClosed,
  RetirementFailed: notClosed,
  Rotated: notClosed,
  StayOnClone: onClone,
  MayMoveBack: onClone,
  MustMoveBack: onClone,
  MoveBack: onClone,
  AtMayMoveBack: onClone,
  AtMoveBack: onClone,
}

/** What a rotation that ended badly means for the application. */
export function harmOf({ state, message = '' }: Ended): string {
  if (message.includes(LockedOut.BEFORE))
    return 'Current did not log in before this rotation began, and still does not; the rotation changed nothing.'
  return (
    (harm as Record<string, string>)[state] ??
    'Nobody can tell where it ended: the application may be locked out.'
  )
}
