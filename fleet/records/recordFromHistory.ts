import type { StoreName } from '../../rotation/stores/store.ts'
import { CLOSING_STRATEGIES } from '../../rotation/strategies/strategyNames.ts'
import { parseObject } from './parseObject.ts'
import type { Outcome, Retirement, RotationRecord, Starter } from './rotationRecord.ts'

/** An event of an execution's history, with the fields that are read here. */
export type HistoryEvent = {
  id?: number | undefined
  type?: string | undefined
  timestamp?: Date | undefined
  executionStartedEventDetails?: { input?: string | undefined } | undefined
  stateEnteredEventDetails?: { name: string | undefined; input?: string | undefined } | undefined
  executionSucceededEventDetails?: { output?: string | undefined } | undefined
  executionFailedEventDetails?: Problem
  executionAbortedEventDetails?: Problem
  executionTimedOutEventDetails?: Problem
}
type Problem = { error?: string | undefined; cause?: string | undefined } | undefined

/** The input of a state, as it is in a history. It may hold anything: whoever may start an execution can choose its input. */
type StateInput = Record<string, unknown>
/** What the events so far have told: the record, the input and name of the last state, and the state that failed, or ''. */
type RecordInProgress = { record: RotationRecord; state: StateInput; lastState: string; failedStep: string }

/** How many characters of a text are kept: a history may hold texts of any length. */
const MAX_TEXT_LENGTH = 300

/**
 * Makes the record of a rotation from the history of its execution, from the first event up to now.
 * @param execution the execution's ARN
 * @returns undefined if the execution's input does not name a credential
 */
export function rotationRecordOf(execution: string, history: HistoryEvent[]): RotationRecord | undefined {
  const [first] = history
  const input = parseObject(first?.executionStartedEventDetails?.input)
  const store = input.store as StoreName
  if (!first || !['secrets-manager', 'parameter-store'].includes(store)) return undefined
  if (typeof input.id !== 'string' || !input.id) return undefined
  const seen: RecordInProgress = {
    record: {
      store,
      id: toBoundedLine(input.id),
      execution,
      token: tokenOf(execution, input),
      startedBy: starterOf(input),
      began: timeOf(first),
      outcome: 'running',
    },
    state: input,
    lastState: '',
    failedStep: '',
  }
  for (const event of history) applyEvent(seen, event)
  const { began, ended } = seen.record
  return { ...seen.record, ...(ended && { milliseconds: Date.parse(ended) - Date.parse(began) }) }
}

/** Who started the execution, by the keys of its input. Only rotateSecret gives a token and none of the other keys. */
function starterOf({ store, moveBack, event, group, token }: StateInput): Starter {
  if (moveBack) return 'way-back'
  if (event && store === 'parameter-store') return 'policy'
  if (group) return 'schedule'
  return token ? 'secrets-manager' : 'by-hand'
}

function applyEvent(seen: RecordInProgress, event: HistoryEvent): void {
  const { stateEnteredEventDetails: entered } = event
  if (entered?.name) {
    seen.state = parseObject(entered.input)
    // Only from these states on the input has what createSecret found out, and no longer only what the starter wrote.
    if (['Rehearse', 'SetSecret'].includes(entered.name)) Object.assign(seen.record, factsInState(seen.state))
    applyState(seen, entered.name, timeOf(event))
    seen.lastState = entered.name
    return
  }
  const { executionFailedEventDetails: failed, executionAbortedEventDetails: aborted } = event
  if (event.type === 'ExecutionSucceeded') applySuccess(seen, event)
  if (event.type === 'ExecutionFailed') applyStop(seen, event, failed)
  if (event.type === 'ExecutionAborted') applyStop(seen, event, aborted)
  if (event.type === 'ExecutionTimedOut') applyStop(seen, event, event.executionTimedOutEventDetails)
}

/** The token of a rotation: the execution's name, or from the second attempt on, the name without the number at its end. */
function tokenOf(execution: string, { token }: StateInput): string {
  const name = execution.split(':').at(-1) ?? ''
  return typeof token === 'string' && token && name.startsWith(token) ? token : name
}

/** What createSecret has found out about the credential. */
function factsInState(state: StateInput): Partial<RotationRecord> {
  const names = ['name', 'arn', 'strategy', 'engine', 'host', 'address', 'user', 'nextUser', 'admin'] as const
  return Object.fromEntries(
    names.flatMap(name => {
      const value = state[name]
      return typeof value === 'string' && value ? [[name, toBoundedLine(value)]] : []
    }),
  )
}

/** Notes what the entry of a state at `at` tells. After a rehearsal, the state's input names the rehearsed state that failed. */
function applyState(seen: RecordInProgress, name: string, at: string): void {
  const { record, state, lastState } = seen
  if (['DiscardSecret', 'RollbackSecret', 'NoObject'].includes(name))
    seen.failedStep = lastState === 'Rehearsed' ? toBoundedLine(String(state.failedState)) : lastState
  if (name === 'AnnounceSuccess') setOutcome(seen, 'rotated', at)
  if (name === 'AnnounceFailure' && record.outcome !== 'rotated') {
    setOutcome(seen, 'failed', at, state.failure)
    // The rollback has no outcome if DiscardSecret failed, which had no change of a database to take back.
    const rollback = outcomeIn(state.rollback)
    if (rollback) record.rollback = rollback
  }
  if (name === 'AnnounceLockout') {
    setOutcome(seen, 'locked-out', at, state.failure ?? state.lockout)
    record.rollback = 'failed'
  }
  if (['Grace', 'GraceBeforeLook', 'StayOnClone'].includes(name)) setOpen(record, state.grace, at)
  if (name === 'MustRetire' && !('grace' in state) && CLOSING_STRATEGIES.includes(String(state.strategy)))
    record.retirement = 'never'
  if (name === 'AnnounceReplicasBehind') {
    const { error, reason = error } = problemIn(state.replication)
    Object.assign(record, { behindSince: at, ...(reason && { behind: reason }) })
  }
  // After these states no replica is waited for. AnnounceReplicated is left out if a later version is current already.
  if (name === 'AnnounceReplicated' || name === 'Followed') {
    delete record.behindSince
    delete record.behind
  }
  if (name === 'AnnounceRetirementFailure') setNotClosed(record, problemIn(state.retirement).error, at)
}

function setOutcome(seen: RecordInProgress, outcome: Outcome, at: string, failure?: unknown): void {
  const { record, failedStep, lastState } = seen
  Object.assign(record, { outcome, ended: at })
  if (failure === undefined) return
  const { error, reason } = problemIn(failure)
  const step = failedStep || lastState
  Object.assign(record, { ...(error && { error }), ...(step && { step }), ...(reason && { reason }) })
}

function setOpen(record: RotationRecord, grace: unknown, at: string): void {
  const until = new Date(Date.parse(at) + Number(grace) * 1000)
  record.retirement = 'open'
  if (!Number.isNaN(until.getTime())) record.openUntil = until.toISOString()
}

function setNotClosed(record: RotationRecord, error: string | undefined, at: string): void {
  Object.assign(record, { retirement: 'not-closed', retired: at, ...(error && { retirementError: error }) })
  delete record.openUntil
}

const RETIREMENT_BY_OUTCOME: Record<string, Retirement> = {
  retired: 'closed',
  kept: 'not-dropped',
  superseded: 'taken-up',
  halfway: 'moved-back',
}

/** Notes that the execution succeeded. Its output is that of its last state, which has the outcome of the retirement. */
function applySuccess({ record, state, lastState }: RecordInProgress, event: HistoryEvent): void {
  if (lastState === 'LeftOpen') setNotClosed(record, problemIn(state.replication).error, timeOf(event))
  if (record.retirement !== 'open') return
  const outcome = outcomeIn(parseObject(event.executionSucceededEventDetails?.output).retirement)
  record.retirement = (outcome && RETIREMENT_BY_OUTCOME[outcome]) || 'closed'
  record.retired = timeOf(event)
  delete record.openUntil
}

/** Notes that the execution failed, timed out or was stopped from outside: what it did not announce before never happens. */
function applyStop(seen: RecordInProgress, event: HistoryEvent, problem: Problem): void {
  const { record, state, lastState } = seen
  const at = timeOf(event)
  const error = toBoundedLine(problem?.error ?? event.type?.replace('Execution', '') ?? '')
  if (record.outcome === 'running') {
    const { reason } = problemIn({ Cause: problem?.cause })
    Object.assign(record, {
      outcome: 'stopped',
      ended: at,
      error,
      step: lastState,
      ...(reason && { reason }),
    })
  }
  if (record.outcome === 'rotated' && 'grace' in state && record.retirement !== 'not-closed')
    setNotClosed(record, error, at)
}

/** The name and the message of a state's error. Where a function failed, the message is in the JSON of the error's cause. */
function problemIn(failure: unknown): { error?: string; reason?: string } {
  const { Error: error, Cause: cause } = (failure ?? {}) as StateInput
  const message = typeof cause === 'string' ? (parseObject(cause).errorMessage ?? cause) : ''
  return {
    ...(typeof error === 'string' && { error: toBoundedLine(error) }),
    ...(typeof message === 'string' && message && { reason: toBoundedLine(message) }),
  }
}

/** The outcome in the result of a step or of a rollback. */
function outcomeIn(result: unknown): string | undefined {
  const { outcome: found } = (result ?? {}) as StateInput
  return typeof found === 'string' ? toBoundedLine(found) : undefined
}

const timeOf = ({ timestamp }: HistoryEvent) => (timestamp ?? new Date(0)).toISOString()

/** The text in one line, cut to 300 characters. */
function toBoundedLine(value: string): string {
  const line = value.replaceAll(/\s+/g, ' ').trim()
  return line.length > MAX_TEXT_LENGTH ? `${line.slice(0, MAX_TEXT_LENGTH - 1)}…` : line
}
