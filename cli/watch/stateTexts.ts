import { ENDING_MEANINGS, meaningOfEnding } from '../../fleet/endings.ts'
import { REMEDIES, remedyOf } from '../../fleet/remedies.ts'
import type { StateName } from '../../fleet/states.ts'
import { LockedOut } from '../../rotation/errors.ts'
import type { ExecutionEnded } from './historyReader.ts'

/** What each state of a rotation does, as shown while it runs. A state without a text is not shown. */
export const STATE_TEXTS: Record<string, string> = {
  __proto__: null as never,
  LookAtReplicas: 'other Regions are asked whether they have the current value',
  CreateSecret: 'a new value is stored as pending; it is not set in the database yet',
  DiscardSecret: 'the pending value is discarded; this execution has not set it in any database',
  RollbackAbandoned: 'an earlier rotation was cut off: its pending value is rolled back first',
  AwaitPendingReplicas: 'the pending value is replicated to other Regions; 15 seconds at most',
  Rehearse:
    'the functions of the next steps start, read the values and log in with current; nothing is changed yet',
  SetSecret: 'the pending value is set in the database',
  TestSecret: 'a login with the pending value; a clone is also compared with its user',
  FinishSecret: 'the pending value becomes current',
  AnnounceSuccess: 'the success is reported',
  AwaitReplicas: 'every Region is asked whether it has the new value',
  AnnounceReplicasBehind: 'an alarm is sent: a Region does not have the new value',
  AwaitReplicasLonger: 'waiting for that Region, seven days at most; nothing is closed meanwhile',
  AnnounceReplicated: 'it is reported that every Region has the new value',
  Grace: 'the grace time: the old user or password can still log in',
  GraceBeforeLook: 'the grace time: the old user or password can still log in',
  LookBeforeRetiring: 'other Regions are asked whether one of them has taken over',
  StayOnClone: 'the application logs in as the temporary clone for the grace time',
  RetireSecret: 'the old user or password is closed',
  MayMoveBack: 'a check whether the application is still on the temporary clone',
  LookBeforeMovingBack: 'other Regions are asked whether one of them has taken over',
  MoveBack: 'the rotation that moves the application back is started',
  RollbackSecret: 'the current value is made valid again, and the pending value is discarded',
  AnnounceFailure: 'an alarm is sent: the rotation failed',
  AnnounceLockout: 'an alarm is sent: the rollback failed',
  AnnounceRetirementFailure: 'an alarm is sent: the old user or password is not closed',
} satisfies Partial<Record<StateName<'rotate'> | '__proto__', string>>

/**
 * What a rotation that did not succeed means for the application, in a sentence. The state in which the rotation ended decides,
 * except for a lockout that was there before the rotation began: only the message of the error tells of that.
 */
export function harmText(ended: ExecutionEnded): string {
  return ENDING_MEANINGS[wasLockedOutBefore(ended) ? 'before' : meaningIn(ended)]
}

/**
 * What to do about a rotation that did not succeed. If the application has its new credential, the state in which the rotation
 * ended decides; if not, the rotation's error.
 */
export function remedyText(ended: ExecutionEnded): string {
  const meaning = meaningIn(ended)
  // The keys of REMEDIES for what fails once the new credential is in use.
  const remedyKeyByMeaning = {
    announce: 'announcesuccess-failed',
    retire: 'retiresecret-failed',
    stay: 'retiresecret-failed',
  }
  const remedy =
    REMEDIES[remedyKeyByMeaning[meaning as keyof typeof remedyKeyByMeaning]] ?? remedyOf(ended.error ?? '')
  return (remedy ?? REMEDIES['execution-failed']) as string
}

const wasLockedOutBefore = ({ message = '' }: ExecutionEnded) => message.includes(LockedOut.BEFORE_MARK)
const meaningIn = ({ state, status }: ExecutionEnded) =>
  meaningOfEnding(state, status === 'FAILED' ? 'failed' : 'stopped')
