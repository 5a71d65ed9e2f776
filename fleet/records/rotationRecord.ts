import type { StoreName } from '../../rotation/stores/store.ts'

/** What started a rotation, as its input says, which whoever may start executions can make. `by-hand` is whoever may start executions, also the `keyturn` command. */
export type Starter = 'schedule' | 'secrets-manager' | 'policy' | 'way-back' | 'by-hand'

/**
 * What is kept of one rotation, which is one execution of rotate. No value is in it: every field is in the execution's
 * history too, which Step Functions forgets after 90 days. What came before the execution knew it, as the user before
 * createSecret has read the value, is left out.
 */
export type RotationRecord = {
  store: StoreName
  /** What the execution was started with: a name or an ARN. */
  id: string
  name?: string
  arn?: string
  /** The execution's ARN. */
  execution: string
  /** The id of the version that it makes. */
  token: string
  startedBy: Starter
  strategy?: string
  engine?: string
  host?: string
  /** Host and port. */
  address?: string
  user?: string
  nextUser?: string
  /** ARN of the admin's secret that the value names. */
  admin?: string
  /** When it began, and when its outcome was settled. ISO 8601, UTC. */
  began: string
  ended?: string
  /** From one to the other. */
  milliseconds?: number
  outcome: Outcome
  /** What it failed with, the state that failed, and the error's message in one line. */
  error?: string
  step?: string
  reason?: string
  /** How the rollback ended: the table in docs/events.md. */
  rollback?: string
  retirement?: Retirement
  /** When what was replaced is closed, while it is `open`. ISO 8601, UTC. */
  openUntil?: string
  /** When the retirement was settled, and what it failed with. */
  retired?: string
  retirementError?: string
  /** Since when it is known that a replica does not have the new value, and what is known of that; unset once all have it. */
  behindSince?: string
  behind?: string
}

/** Of records with the latest first, the last rotation that went well. */
export const latestSuccess = <Kept extends Pick<RotationRecord, 'outcome'>>(
  records: Kept[],
): Kept | undefined => records.find(({ outcome }) => outcome === 'rotated')

/** `locked-out`: the rollback failed too. `stopped`: it ended without a word on how, as when somebody stopped it. */
export type Outcome = 'running' | 'rotated' | 'failed' | 'locked-out' | 'stopped'

/**
 * What became of what was replaced. `open`: its grace time runs. `never`: the grace time has no end. `not-closed`: closing
 * failed, or the execution ended before. `taken-up`: a later rotation has to close it.
 */
export type Retirement =
  | 'open'
  | 'closed'
  | 'not-dropped'
  | 'not-closed'
  | 'taken-up'
  | 'moved-back'
  | 'never'

/** An event of an execution's history, as far as it is read here. */
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

/** What the states of an execution hold; anything may be in it, as an input can be made by whoever may start one. */
type StateInput = Record<string, unknown>
type RecordInProgress = { record: RotationRecord; state: StateInput; lastState: string; failedStep: string }

/** Characters that are kept of a text: a history may hold any. */
const MAX_TEXT_LENGTH = 300

/**
 * What an execution's history, from its beginning and as far as there is one, says of its rotation. Undefined if it does
 * not tell which credential it is about.
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

/** Which key of the input each starter leaves. Only rotateSecret gives a token without any of the others. */
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
    // Until then the state is the input, which anybody may have made.
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

/** An execution's name is its token, with a number behind it from the second attempt on, which names the token. */
function tokenOf(execution: string, { token }: StateInput): string {
  const name = execution.split(':').at(-1) ?? ''
  return typeof token === 'string' && token && name.startsWith(token) ? token : name
}

/** What createSecret has found out. */
function factsInState(state: StateInput): Partial<RotationRecord> {
  const names = ['name', 'arn', 'strategy', 'engine', 'host', 'address', 'user', 'nextUser', 'admin'] as const
  return Object.fromEntries(
    names.flatMap(name => {
      const value = state[name]
      return typeof value === 'string' && value ? [[name, toBoundedLine(value)]] : []
    }),
  )
}

/** What entering a state means for the rotation. */
function applyState(seen: RecordInProgress, name: string, at: string): void {
  const { record, state, lastState } = seen
  if (['DiscardSecret', 'RollbackSecret', 'NoObject'].includes(name))
    seen.failedStep = lastState === 'Rehearsed' ? toBoundedLine(String(state.failedState)) : lastState
  if (name === 'AnnounceSuccess') setOutcome(seen, 'rotated', at)
  if (name === 'AnnounceFailure' && record.outcome !== 'rotated') {
    setOutcome(seen, 'failed', at, state.failure)
    // DiscardSecret may have failed, which had nothing of a database to take back.
    const back = outcomeIn(state.rollback)
    if (back) record.rollback = back
  }
  if (name === 'AnnounceLockout') {
    setOutcome(seen, 'locked-out', at, state.failure ?? state.lockout)
    record.rollback = 'failed'
  }
  if (['Grace', 'GraceBeforeLook', 'StayOnClone'].includes(name)) setOpen(record, state.grace, at)
  if (name === 'MustRetire' && !('grace' in state) && leavesOldLoginOpen(state.strategy))
    record.retirement = 'never'
  if (name === 'AnnounceReplicasBehind') {
    const { error, reason = error } = problemIn(state.replication)
    Object.assign(record, { behindSince: at, ...(reason && { behind: reason }) })
  }
  // Whatever is announced, or not as a later version is current already: nothing is waited for any more.
  if (name === 'AnnounceReplicated' || name === 'Followed') {
    delete record.behindSince
    delete record.behind
  }
  if (name === 'AnnounceRetirementFailure') setNotClosed(record, problemIn(state.retirement).error, at)
}

/** Whether a strategy leaves something open that another one logs in with. */
const leavesOldLoginOpen = (strategy: unknown) =>
  ['alternating-users', 'temporary-clone', 'dual-password'].includes(String(strategy))

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

/** The execution's output is its last state's, with what retireSecret answered. */
function applySuccess({ record, state, lastState }: RecordInProgress, event: HistoryEvent): void {
  if (lastState === 'LeftOpen') setNotClosed(record, problemIn(state.replication).error, timeOf(event))
  if (record.retirement !== 'open') return
  const outcome = outcomeIn(parseObject(event.executionSucceededEventDetails?.output).retirement)
  record.retirement = (outcome && RETIREMENT_BY_OUTCOME[outcome]) || 'closed'
  record.retired = timeOf(event)
  delete record.openUntil
}

/** It ended, and what it had not announced by then it never will. */
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

/** The error's name, and its message; a failed function's cause is JSON that holds the message. */
function problemIn(failure: unknown): { error?: string; reason?: string } {
  const { Error: error, Cause: cause } = (failure ?? {}) as StateInput
  const message = typeof cause === 'string' ? (parseObject(cause).errorMessage ?? cause) : ''
  return {
    ...(typeof error === 'string' && { error: toBoundedLine(error) }),
    ...(typeof message === 'string' && message && { reason: toBoundedLine(message) }),
  }
}

function outcomeIn(result: unknown): string | undefined {
  const { outcome: found } = (result ?? {}) as StateInput
  return typeof found === 'string' ? toBoundedLine(found) : undefined
}

const timeOf = ({ timestamp }: HistoryEvent) => (timestamp ?? new Date(0)).toISOString()

/** One line of bounded length. */
function toBoundedLine(value: string): string {
  const line = value.replaceAll(/\s+/g, ' ').trim()
  return line.length > MAX_TEXT_LENGTH ? `${line.slice(0, MAX_TEXT_LENGTH - 1)}…` : line
}

/** {} for what is no object. */
function parseObject(json = ''): StateInput {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as StateInput) : {}
  } catch {
    return {}
  }
}
