import type { StateName } from './states.ts'

/** What it means for the application that a rotation did not come to its normal end, in a sentence. */
export const ENDING_MEANINGS = {
  failed: 'The rotation failed; the application is unharmed.',
  lockout: 'The rotation failed, and so did its rollback: the application may be locked out.',
  before:
    'Current did not log in before this rotation began, and still does not; the rotation changed nothing.',
  stopped: 'A rotation was stopped midway and not rolled back: the application may be locked out.',
  harmless: 'A rotation was stopped before it changed anything; the application is unharmed.',
  execution: 'The execution of a rotation failed before it changed anything; the application is unharmed.',
  unclear:
    'The execution of a rotation failed, and nobody can tell where: the application may be locked out.',
  retire: 'The credential was rotated, but what it replaced may still log in.',
  stay: 'The credential was rotated, but the application is not moved back from its temporary clone.',
  announce: 'The credential was rotated, but that could not be announced.',
  behind:
    'The credential was rotated, but a Region still has the value of before: what was replaced stays open until it has followed.',
  promoted:
    'The credential was rotated, but stands alone in another Region as well, as after a promotion there: what was replaced stays open.',
}

/** A key of ENDING_MEANINGS. */
export type EndingMeaning = keyof typeof ENDING_MEANINGS

/** What it means if an execution failed in a state, and what it means if the execution was stopped there from outside. */
type Ending = { failed: EndingMeaning; stopped: EndingMeaning }
type StateOfRotate = StateName<'rotate'>
/** When an execution ends in one of these states, nobody can tell whether the application can still log in. */
type UnclearState = Extract<StateOfRotate, 'SetSecret' | 'TestSecret' | 'FinishSecret'>

/**
 * What it means that an execution of rotate ended in a state, by the state's name. For a state that is not listed, see
 * meaningOfEnding.
 */
export const ENDINGS_BY_STATE: Record<string, Ending> = {
  __proto__: null as never,
  MayHaveReplicas: { failed: 'execution', stopped: 'harmless' },
  LookAtReplicas: { failed: 'execution', stopped: 'harmless' },
  CreateSecret: { failed: 'execution', stopped: 'harmless' },
  HasReplicas: { failed: 'execution', stopped: 'harmless' },
  AwaitPendingReplicas: { failed: 'execution', stopped: 'harmless' },
  MustRehearse: { failed: 'execution', stopped: 'harmless' },
  Rehearse: { failed: 'execution', stopped: 'harmless' },
  RehearseTest: { failed: 'execution', stopped: 'harmless' },
  TestUnrehearsed: { failed: 'execution', stopped: 'harmless' },
  AtRehearseTest: { failed: 'execution', stopped: 'harmless' },
  RehearseFinish: { failed: 'execution', stopped: 'harmless' },
  FinishUnrehearsed: { failed: 'execution', stopped: 'harmless' },
  AtRehearseFinish: { failed: 'execution', stopped: 'harmless' },
  RehearseRollback: { failed: 'execution', stopped: 'harmless' },
  RollbackUnrehearsed: { failed: 'execution', stopped: 'harmless' },
  AtRehearseRollback: { failed: 'execution', stopped: 'harmless' },
  Rehearsed: { failed: 'execution', stopped: 'harmless' },
  DiscardSecret: { failed: 'execution', stopped: 'harmless' },
  NoObject: { failed: 'execution', stopped: 'harmless' },
  // Before these states the rotation has been rolled back, or has changed no database.
  HadFinished: { failed: 'failed', stopped: 'failed' },
  AnnounceFailure: { failed: 'failed', stopped: 'failed' },
  RotationFailed: { failed: 'failed', stopped: 'failed' },
  RollbackSecret: { failed: 'lockout', stopped: 'stopped' },
  RollbackAbandoned: { failed: 'lockout', stopped: 'stopped' },
  AnnounceLockout: { failed: 'lockout', stopped: 'lockout' },
  RollbackFailed: { failed: 'lockout', stopped: 'lockout' },
  // In these states the application has its new credential, at least in the stack's own Region.
  AnnounceSuccess: { failed: 'announce', stopped: 'retire' },
  MustRetire: { failed: 'retire', stopped: 'retire' },
  AwaitReplicas: { failed: 'retire', stopped: 'retire' },
  AnnounceReplicasBehind: { failed: 'retire', stopped: 'retire' },
  AwaitReplicasLonger: { failed: 'retire', stopped: 'retire' },
  MayAnnounceReplicated: { failed: 'retire', stopped: 'retire' },
  AnnounceReplicated: { failed: 'retire', stopped: 'retire' },
  Followed: { failed: 'retire', stopped: 'retire' },
  LeftOpen: { failed: 'retire', stopped: 'retire' },
  Grace: { failed: 'retire', stopped: 'retire' },
  GraceBeforeLook: { failed: 'retire', stopped: 'retire' },
  LookBeforeRetiring: { failed: 'retire', stopped: 'retire' },
  RetireSecret: { failed: 'retire', stopped: 'retire' },
  StayOnClone: { failed: 'stay', stopped: 'stay' },
  MayMoveBack: { failed: 'stay', stopped: 'stay' },
  MustMoveBack: { failed: 'stay', stopped: 'stay' },
  LookBeforeMovingBack: { failed: 'stay', stopped: 'stay' },
  MoveBack: { failed: 'stay', stopped: 'stay' },
  AtRetireSecret: { failed: 'retire', stopped: 'retire' },
  AtMayMoveBack: { failed: 'stay', stopped: 'stay' },
  AtMoveBack: { failed: 'stay', stopped: 'stay' },
  // The input of the next two states names the state that failed: RetireSecret, MayMoveBack or MoveBack.
  AnnounceRetirementFailure: { failed: 'retire', stopped: 'retire' },
  RetirementFailed: { failed: 'retire', stopped: 'retire' },
  Rotated: { failed: 'retire', stopped: 'retire' },
} satisfies Record<Exclude<StateOfRotate, UnclearState> | '__proto__', Ending>

/**
 * What it means that an execution of rotate ended in `state`: that it failed there, or that it was stopped there from outside.
 * @returns `unclear` or `stopped` for a state that ENDINGS_BY_STATE does not list: an UnclearState, or a state of another release
 */
export const meaningOfEnding = (state: string, how: 'failed' | 'stopped'): EndingMeaning =>
  ENDINGS_BY_STATE[state]?.[how] ?? (how === 'failed' ? 'unclear' : 'stopped')
