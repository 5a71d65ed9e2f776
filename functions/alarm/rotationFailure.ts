import { hash } from 'node:crypto'
import { meaningOfEnding } from '../../fleet/endings.ts'
import type { StateName } from '../../fleet/states.ts'
import { LockedOut } from '../../rotation/errors.ts'
import { isRehearsalMessage } from '../../rotation/runRehearsal.ts'
import { shorten } from '../../rotation/shorten.ts'
import { type CaughtError, causeMessageOf, type EventDetail, readDetail } from './event.ts'
import type { Failure } from './failure.ts'
import { credentialName } from './format.ts'
import type { Headline } from './headlines.ts'
import type { EnteredState } from './histories.ts'
import { replicaFindingsOf } from './replicaFindings.ts'

/** The headline of a rotation that ended in a state, either because the state failed or because somebody stopped it. */
export const headlineOfEnding = (state: string | undefined, how: 'failed' | 'stopped'): Headline =>
  meaningOfEnding(state ?? '', how)

/** The failure of a rotation, by the state of its execution. */
export function rotationFailure(headline: Headline, rotation: EventDetail['rotation']): Failure {
  const { store, id, replaces, failure, lockout, retirement, replication, rollback } = rotation ?? {}
  const isLockout = headline === 'lockout'
  const isRetirement = ['retire', 'stay'].includes(headline)
  const isOfReplicas = ['behind', 'promoted'].includes(headline)
  const problem =
    (isLockout && lockout) || (isRetirement && retirement) || (isOfReplicas && replication) || failure
  // If a rollback finds that current was refused before the rotation began, its message has a mark, and what it found behind that.
  const foundBefore =
    isLockout && problem?.Error === 'LockedOut' && causeMessageOf(problem)?.split(LockedOut.BEFORE_MARK)[1]
  return {
    headline: foundBefore ? 'before' : headline,
    store,
    id,
    ...explain(problem),
    rollback: isLockout ? 'failed' : rollback?.outcome,
    firstError: isLockout && lockout && failure ? errorInOneLine(failure) : undefined,
    ...(store && id && replicaFindingsOf(headline, problem, `${store} ${credentialName(id)}`)),
    // Critical failures are not left to the report of a run: each raises its own alarm at once.
    reportedByRun: headline === 'failed',
    ...(foundBefore && {
      preexistingKey: `before ${hash('sha256', JSON.stringify([store, id, replaces, foundBefore]))}`,
    }),
  }
}

/**
 * The failure of an execution of rotate, as Step Functions reports it: the execution could not announce its failure, or was ended
 * from outside.
 * @param lastState the last state that the execution entered; without it, the headline follows from the error and its message
 */
export function executionFailure(
  { status, error, cause, input }: EventDetail,
  lastState: EnteredState | undefined,
): Failure {
  const how = status === 'FAILED' ? 'failed' : 'stopped'
  const ending = explain({ Error: error, Cause: cause })
  const state = lastState && failedStateOf(lastState)
  const headline = state
    ? headlineOfEnding(state, how)
    : how === 'failed'
      ? headlineByMessage(ending)
      : 'stopped'
  const known = rotationFailure(headline, readDetail({ rotation: lastState?.input }).rotation)
  return {
    ...known,
    store: known.store ?? input?.store,
    id: known.id ?? input?.id,
    // The error of the execution replaces the one that its state has, which may be of an earlier step.
    ...ending,
    error: error ?? status,
    ...(state &&
      !(['RotationFailed', 'RollbackFailed'] satisfies StateName[] as StateName[]).includes(state) && {
        moreFacts: [['State', state]],
      }),
  }
}

/**
 * The state that failed: the last state or, if that is one of the two which tell that an earlier state failed, the earlier state.
 */
function failedStateOf({ state, input }: EnteredState): StateName {
  const { failedState } = (input ?? {}) as { failedState?: unknown }
  const tellingStates: StateName[] = ['AnnounceRetirementFailure', 'RetirementFailed']
  return tellingStates.includes(state) && typeof failedState === 'string' ? (failedState as StateName) : state
}

/**
 * The headline of an execution whose last state is not known. The message of a function's error begins with the function's name,
 * which is the step. Of any other error nobody can tell where it happened.
 */
function headlineByMessage({ error, step, cause = '' }: Pick<Failure, 'error' | 'step' | 'cause'>): Headline {
  if (isRehearsalMessage(cause)) return 'failed'
  if (error === 'LockedOut' || step === 'rollbackSecret') return 'lockout'
  if (step === 'retireSecret') return 'retire'
  // The rotation that moves the application back from its temporary clone could not be started.
  if (error?.startsWith('StepFunctions.')) return 'stay'
  if (error?.startsWith('EventBridge.')) return 'announce'
  return step ? 'failed' : 'unclear'
}

/**
 * The name, the step and the message of an error. The message of a failed function begins with the function's name, here the step.
 */
export function explain(problem: CaughtError): Pick<Failure, 'error' | 'step' | 'cause'> {
  const cause = causeMessageOf(problem)
  return {
    error: problem?.Error,
    step: /^(\w+Secret): /.exec(cause ?? '')?.[1],
    cause: cause && shorten(cause),
  }
}

/** The name and the message of an error in one line. */
function errorInOneLine(problem: CaughtError): string | undefined {
  const { error, cause } = explain(problem)
  return [error, cause].filter(Boolean).join(', ') || undefined
}
