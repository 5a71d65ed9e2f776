import type { HistoryEvent } from '@aws-sdk/client-sfn'
import { describe, expect, test } from 'vitest'
import { HistoryReader, type RotationStep } from '../../cli/watch/historyReader.ts'
import { harmText, remedyText, STATE_TEXTS } from '../../cli/watch/stateTexts.ts'
import { ENDINGS_BY_STATE } from '../../fleet/endings.ts'
import { REMEDIES } from '../../fleet/remedies.ts'
import { CRITICAL_HEADLINES, HEADLINES } from '../../functions/alarm/headlines.ts'
import { LockedOut } from '../../rotation/errors.ts'
import definition from '../../statemachines/rotate.asl.json' with { type: 'json' }

const timestamp = new Date('2026-11-29T18:40:00Z')
const event = (type: string, details: object = {}): HistoryEvent =>
  ({ id: 1, timestamp, type, ...details }) as HistoryEvent
const entered = (type: string, name: string, input?: object) =>
  event(type, { stateEnteredEventDetails: { name, ...(input && { input: JSON.stringify(input) }) } })
const cause = (errorMessage: string) => JSON.stringify({ errorType: 'X', errorMessage })

/** @returns what is shown of these events */
function seen(...events: HistoryEvent[]): RotationStep[] {
  const history = new HistoryReader()
  return events.flatMap(each => history.read(each) ?? [])
}

test('tries of states that run in parallel are counted for each state', () => {
  const linked = (id: number, previousEventId: number, each: HistoryEvent) => ({
    ...each,
    id,
    previousEventId,
  })
  const failed = (error: string) =>
    event('LambdaFunctionFailed', { lambdaFunctionFailedEventDetails: { error, cause: cause('no') } })
  const steps = seen(
    linked(1, 0, entered('ParallelStateEntered', 'Rehearse')),
    linked(2, 1, entered('TaskStateEntered', 'RehearseTest')),
    linked(3, 1, entered('TaskStateEntered', 'RehearseFinish')),
    linked(4, 2, event('LambdaFunctionScheduled')),
    linked(5, 3, event('LambdaFunctionScheduled')),
    linked(6, 4, failed('Unreachable')),
    linked(7, 5, failed('Throttled')),
    linked(8, 6, failed('Unreachable')),
    linked(9, 7, entered('PassStateEntered', 'AtRehearseFinish')),
    linked(10, 8, failed('Unreachable')),
  )
  expect(
    steps.flatMap(step => (step.kind === 'failed' ? [[step.state, step.attempt, step.error]] : [])),
  ).toEqual([
    ['RehearseTest', 1, 'Unreachable'],
    ['RehearseFinish', 1, 'Throttled'],
    ['RehearseTest', 2, 'Unreachable'],
    ['RehearseTest', 3, 'Unreachable'],
  ])
})

test('tries are counted from one in each state, for every kind of failure', () => {
  const steps = seen(
    event('ExecutionStarted'),
    entered('TaskStateEntered', 'CreateSecret'),
    event('LambdaFunctionScheduled'),
    event('LambdaFunctionFailed', {
      lambdaFunctionFailedEventDetails: { error: 'Throttled', cause: cause('a\n b') },
    }),
    event('LambdaFunctionTimedOut', { lambdaFunctionTimedOutEventDetails: { error: 'States.Timeout' } }),
    event('LambdaFunctionSucceeded', { lambdaFunctionSucceededEventDetails: { output: '{}' } }),
    event('TaskStateExited', { stateExitedEventDetails: { name: 'CreateSecret' } }),
    entered('TaskStateEntered', 'AnnounceSuccess'),
    event('TaskSubmitFailed', {
      taskSubmitFailedEventDetails: { error: 'EventBridge.X', cause: 'as it is' },
    }),
  )
  expect(steps.filter(({ kind }) => kind === 'failed')).toEqual([
    { kind: 'failed', state: 'CreateSecret', attempt: 1, at: timestamp, error: 'Throttled', message: 'a b' },
    {
      kind: 'failed',
      state: 'CreateSecret',
      attempt: 2,
      at: timestamp,
      error: 'States.Timeout',
      message: '',
    },
    {
      kind: 'failed',
      state: 'AnnounceSuccess',
      attempt: 1,
      at: timestamp,
      error: 'EventBridge.X',
      message: 'as it is',
    },
  ])
})

test.each(['Grace', 'StayOnClone'])('%s shows until when what was replaced stays open', state => {
  const until = new Date('2026-11-29T20:40:00Z')
  expect(seen(entered('WaitStateEntered', state, { grace: 7200 }))).toEqual([
    { kind: 'entered', state, at: timestamp, until },
  ])
  // A history that was read without execution data.
  expect(seen(entered('WaitStateEntered', state))).toEqual([{ kind: 'entered', state, at: timestamp }])
})

test.each([
  ['ExecutionSucceeded', 'SUCCEEDED', undefined],
  ['ExecutionFailed', 'FAILED', 'executionFailedEventDetails'],
  ['ExecutionAborted', 'ABORTED', 'executionAbortedEventDetails'],
  ['ExecutionTimedOut', 'TIMED_OUT', 'executionTimedOutEventDetails'],
])('the event %s ends an execution', (type, status, details) => {
  const failure = { error: 'TestFailed', cause: cause('testSecret: no') }
  const [, end] = seen(
    entered('TaskStateEntered', 'TestSecret'),
    event(type, details ? { [details]: failure } : {}),
  )
  expect(end).toEqual({
    kind: 'ended',
    state: 'TestSecret',
    at: timestamp,
    status,
    ...(details && { error: 'TestFailed', message: 'testSecret: no' }),
  })
})

describe('every state', () => {
  const states = Object.entries(definition.States)
  test.each(states)('%s is shown if it calls something or waits', (name, state) => {
    expect(Boolean(STATE_TEXTS[name])).toBe(['Task', 'Wait', 'Parallel'].includes(state.Type))
  })

  test.each(states.map(([name]) => name))(
    'the meaning of an end in %s is the same as in the alarms',
    state => {
      const ended = { kind: 'ended', state, at: timestamp } as const
      const { failed = 'unclear', stopped = 'stopped' } = ENDINGS_BY_STATE[state] ?? {}
      expect(harmText({ ...ended, status: 'FAILED' })).toBe(HEADLINES[failed])
      expect(harmText({ ...ended, status: 'ABORTED' })).toBe(HEADLINES[stopped])
      expect(/may be locked out/.test(HEADLINES[failed])).toBe(CRITICAL_HEADLINES.includes(failed))
    },
  )
})

test('a lockout from before is not blamed on the rotation', () => {
  const message = `rollbackSecret: no login: ${LockedOut.BEFORE_MARK}; the previous value logs in`
  const ended = { kind: 'ended', state: 'RollbackFailed', at: timestamp, status: 'FAILED', message } as const
  expect(harmText(ended)).toBe(HEADLINES.before)
})

test('the remedy is that of the state in which it ended, or else of its error', () => {
  const remedy = (state: string, status: 'FAILED' | 'ABORTED', error?: string) =>
    remedyText({ kind: 'ended', state, at: timestamp, status, ...(error && { error }) })
  expect(remedy('RotationFailed', 'FAILED', 'TestFailed')).toBe(REMEDIES.testfailed)
  expect(remedy('RetirementFailed', 'FAILED', 'Unreachable')).toBe(REMEDIES['retiresecret-failed'])
  expect(remedy('AnnounceSuccess', 'FAILED', 'EventBridge.FailedEntry')).toBe(
    REMEDIES['announcesuccess-failed'],
  )
  expect(remedy('SetSecret', 'ABORTED')).toBe(REMEDIES['execution-failed'])
  expect(remedy('RotationFailed', 'FAILED', 'Runtime.ExitError')).toBe(REMEDIES['execution-failed'])
})

test('an unknown state has no known meaning', () => {
  const ended = { kind: 'ended', at: timestamp, status: 'FAILED' } as const
  for (const state of ['', 'Nowhere', 'constructor'])
    expect(harmText({ ...ended, state })).toMatch(/nobody can tell where/)
})
