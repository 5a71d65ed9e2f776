import type { HistoryEvent } from '@aws-sdk/client-sfn'
import { errorMessageIn } from '../../fleet/executions.ts'
import type { StateName } from '../../fleet/states.ts'
import { createStateTracker } from '../../fleet/statesOfEvents.ts'

/** What a person sees of a rotation. */
export type RotationStep = StateEntered | AttemptFailed | ExecutionEnded
/** It entered a state; `until` is set where it waits there for a grace time. */
export type StateEntered = { kind: 'entered'; state: string; at: Date; until?: Date }
/** A try of what the state does failed, the first, second and so on. Another may follow. */
export type AttemptFailed = {
  kind: 'failed'
  state: string
  attempt: number
  at: Date
  error: string
  message: string
}
export type ExecutionEnded = {
  kind: 'ended'
  state: string
  at: Date
  status: 'SUCCEEDED' | 'FAILED' | 'ABORTED' | 'TIMED_OUT'
  error?: string
  message?: string
}

/** Reads an execution's history, event by event. */
export class HistoryReader {
  /** The state that the execution is in. */
  state = ''
  readonly #stateOf = createStateTracker()
  /** How often each state has failed since it was entered. */
  readonly #failed = new Map<string, number>()

  /** What an event shows, if it shows something. */
  read(event: HistoryEvent): RotationStep | undefined {
    const { type = '', timestamp: at = new Date(), stateEnteredEventDetails: entered } = event
    const state = this.#stateOf(event)
    if (entered?.name) {
      this.state = state
      this.#failed.delete(state)
      const until = graceEnd(state, entered.input, at)
      return { kind: 'entered', state, at, ...(until && { until }) }
    }
    if (/^Execution(Succeeded|Failed|Aborted|TimedOut)$/.test(type)) return this.#ended(event, at)
    if (!/^(LambdaFunction|Task)\w*(Failed|TimedOut)$/.test(type)) return undefined
    const { error = type, cause } = detailsOf(event)
    const attempt = (this.#failed.get(state) ?? 0) + 1
    this.#failed.set(state, attempt)
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

/** The details of a failure: each kind of event has a field of its own for them. */
function detailsOf(event: HistoryEvent): Details {
  const details = Object.entries(event).find(([field, value]) => field.endsWith('EventDetails') && value)
  return (details?.[1] ?? {}) as Details
}

const oneLine = (cause?: string) => (errorMessageIn(cause) ?? '').replaceAll(/\s+/g, ' ').trim()

const WAITING_STATES: string[] = ['Grace', 'GraceBeforeLook', 'StayOnClone'] satisfies StateName<'rotate'>[]

/** When a grace time ends: its seconds are in the state, which may be cut short where it is very long. */
function graceEnd(state: string, input = '', at: Date): Date | undefined {
  if (!WAITING_STATES.includes(state)) return undefined
  try {
    const { grace } = JSON.parse(input)
    return typeof grace === 'number' ? new Date(at.getTime() + grace * 1000) : undefined
  } catch {
    return undefined
  }
}
