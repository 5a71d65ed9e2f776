import type { HistoryEvent } from '@aws-sdk/client-sfn'
import { errorMessageIn } from '../../fleet/errorMessageIn.ts'
import type { StateName } from '../../fleet/states.ts'
import { createStateTracker } from '../../fleet/statesOfEvents.ts'

/** Something in an execution's history that a user is shown. */
export type RotationStep = StateEntered | AttemptFailed | ExecutionEnded
/** The execution entered a state. In a state that waits for the grace time, `until` is the end of that time, if it is known. */
export type StateEntered = { kind: 'entered'; state: string; at: Date; until?: Date }
/** An attempt of the state's task failed; `attempt` counts from 1. Another attempt may follow. */
export type AttemptFailed = {
  kind: 'failed'
  state: string
  attempt: number
  at: Date
  error: string
  message: string
}
/** The execution ended; `state` is the last state that it entered. */
export type ExecutionEnded = {
  kind: 'ended'
  state: string
  at: Date
  status: 'SUCCEEDED' | 'FAILED' | 'ABORTED' | 'TIMED_OUT'
  error?: string
  message?: string
}

/** Turns an execution's history into steps, event by event. */
export class HistoryReader {
  /** The state that the execution is in. */
  state = ''
  readonly #stateOf = createStateTracker()
  /** How many attempts of each state have failed since it was entered. */
  readonly #failureCounts = new Map<string, number>()

  /** The step that an event tells of; undefined if it tells of none. Events have to be passed in their order. */
  read(event: HistoryEvent): RotationStep | undefined {
    const { type = '', timestamp: at = new Date(), stateEnteredEventDetails: entered } = event
    const state = this.#stateOf(event)
    if (entered?.name) {
      this.state = state
      this.#failureCounts.delete(state)
      const until = graceEnd(state, entered.input, at)
      return { kind: 'entered', state, at, ...(until && { until }) }
    }
    if (/^Execution(Succeeded|Failed|Aborted|TimedOut)$/.test(type)) return this.#ended(event, at)
    if (!/^(LambdaFunction|Task)\w*(Failed|TimedOut)$/.test(type)) return undefined
    const { error = type, cause } = detailsOf(event)
    const attempt = (this.#failureCounts.get(state) ?? 0) + 1
    this.#failureCounts.set(state, attempt)
    return { kind: 'failed', state, attempt, at, error, message: oneLine(cause) }
  }

  #ended(event: HistoryEvent, at: Date): ExecutionEnded {
    const status = (
      {
        ExecutionSucceeded: 'SUCCEEDED',
        ExecutionFailed: 'FAILED',
        ExecutionAborted: 'ABORTED',
        ExecutionTimedOut: 'TIMED_OUT',
      } as const
    )[event.type as 'ExecutionFailed']
    const { error, cause } = detailsOf(event)
    const message = oneLine(cause)
    return {
      kind: 'ended',
      state: this.state,
      at,
      status,
      ...(error && { error }),
      ...(message && { message }),
    }
  }
}

type Details = { error?: string | undefined; cause?: string | undefined }

/** The error and cause of a failure: each type of event has a field of its own for them, such as taskFailedEventDetails. */
function detailsOf(event: HistoryEvent): Details {
  const details = Object.entries(event).find(([field, value]) => field.endsWith('EventDetails') && value)
  return (details?.[1] ?? {}) as Details
}

const oneLine = (cause?: string) => (errorMessageIn(cause) ?? '').replaceAll(/\s+/g, ' ').trim()

/** The states that wait for the grace time. */
const WAITING_STATES: string[] = ['Grace', 'GraceBeforeLook', 'StayOnClone'] satisfies StateName<'rotate'>[]

/**
 * When the grace time ends, by the seconds in the state's input. Undefined for a state that does not wait for it, and if the input
 * is so long that Step Functions has cut it in the history.
 */
function graceEnd(state: string, input = '', at: Date): Date | undefined {
  if (!WAITING_STATES.includes(state)) return undefined
  try {
    const { grace } = JSON.parse(input)
    return typeof grace === 'number' ? new Date(at.getTime() + grace * 1000) : undefined
  } catch {
    return undefined
  }
}
