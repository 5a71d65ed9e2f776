import { ENDING_MEANINGS, meaningOfEnding } from '../../fleet/endings.ts'
import { REMEDIES, remedyOf } from '../../fleet/remedies.ts'
import type { StateName } from '../../fleet/states.ts'
import { LockedOut } from '../../rotation/errors.ts'
import type { ExecutionEnded } from './historyReader.ts'

/** What a state does, for a person who sees it go by. A state that is not here goes by unseen. */
export const STATE_TEXTS: Record<string, string> = {
  __proto__: null as never,
  LookAtReplicas: 'other Regions are asked whether they have the current value',
  CreateSecret: 'a new value is stored as pending; the database does not know it yet',
  DiscardSecret: 'the pending value is taken back; no database has learnt it',
  RollbackAbandoned: 'an earlier rotation died: its pending value is taken back first',
  AwaitPendingReplicas: 'the pending value goes to other Regions; 15 seconds at most',
  Rehearse: 'the next steps start, read and log in with current; nothing is changed yet',
  SetSecret: 'the database learns the pending value',
  TestSecret: 'a login with it; what it may do is compared with what current may do',
  FinishSecret: 'the pending value becomes current',
  AnnounceSuccess: 'whoever listens is told',
  AwaitReplicas: 'every Region is asked whether it has the new value',
  AnnounceReplicasBehind: 'whoever listens is told that a Region has not',
  AwaitReplicasLonger: 'it is waited for, seven days at most; nothing is closed meanwhile',
  AnnounceReplicated: 'whoever listens is told that every Region has it',
  Grace: 'the grace time: what was replaced can still log in',
  GraceBeforeLook: 'the grace time: what was replaced can still log in',
  LookBeforeRetiring: 'other Regions are asked whether one of them has taken over',
  StayOnClone: 'the application goes over to the temporary clone',
  RetireSecret: 'what was replaced is closed',
  MayMoveBack: 'is the application still on the temporary clone?',
  LookBeforeMovingBack: 'other Regions are asked whether one of them has taken over',
  MoveBack: 'the rotation that moves it back is started',
  RollbackSecret: 'current is made valid again, and the pending value taken back',
  AnnounceFailure: 'whoever listens is told that it failed',
  AnnounceLockout: 'whoever listens is told that the rollback failed',
  AnnounceRetirementFailure: 'whoever listens is told that the old one is not closed',
} satisfies Partial<Record<StateName<'rotate'> | '__proto__', string>>

/** What a rotation that ended badly means for the application. */
export function harmText(ended: ExecutionEnded): string {
  return ENDING_MEANINGS[wasSoBefore(ended) ? 'before' : meaningIn(ended)]
}

/** What to do about it. Where it ended tells more than its error, once the application has its new credential. */
export function remedyText(ended: ExecutionEnded): string {
  const meaning = meaningIn(ended)
  const after = {
    announce: 'announcesuccess-failed',
    retire: 'retiresecret-failed',
    stay: 'retiresecret-failed',
  }
  const remedy = REMEDIES[after[meaning as keyof typeof after]] ?? remedyOf(ended.error ?? '')
  return `${remedy ?? REMEDIES['execution-failed']}`
}

const wasSoBefore = ({ message = '' }: ExecutionEnded) => message.includes(LockedOut.BEFORE_MARK)
const meaningIn = ({ state, status }: ExecutionEnded) =>
  meaningOfEnding(state, status === 'FAILED' ? 'failed' : 'stopped')
