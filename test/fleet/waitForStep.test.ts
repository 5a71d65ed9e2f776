import { afterEach, expect, test, vi } from 'vitest'
import { type AttemptProgress, ExecutionFailed, type Executions } from '../../fleet/executions.ts'
import { SERVICE_STEPS, type ServiceStep, STATE_AFTER_STEP } from '../../fleet/serviceSteps.ts'
import { waitForCreateSecretThenEnd } from '../../fleet/waitForStep.ts'
import { Throttled } from '../../rotation/errors.ts'

/** Milliseconds since the beginning, on a clock that moves only in pauses. */
let now = 0
vi.mock('node:timers/promises', () => ({
  setTimeout: async (pause: number) => {
    now += pause
  },
}))
vi.spyOn(performance, 'now').mockImplementation(() => now)
afterEach(() => {
  now = 0
})

const attempt = { token: '8f14e45f-ceea-467f-a0e6-0123456789ab', number: 1 }

/** A rotation: when it passes each step, and when it ends, on that clock. */
type Times = Partial<Record<ServiceStep | 'end', number>>

/** Waits for such a rotation, with so much time. @returns the result, and in `looks` when it polled */
async function wait(times: Times, { remaining = 900_000, look = (_looks: number) => {} } = {}) {
  const looks: number[] = []
  const progressOf = async (): Promise<AttemptProgress | undefined> => {
    looks.push(Math.round(now))
    look(looks.length)
    const isPast = (time = Number.POSITIVE_INFINITY) => now >= time
    const passed = SERVICE_STEPS.filter(step => isPast(times[step]))
    return { enteredStates: new Set(passed.map(step => STATE_AFTER_STEP[step])), hasEnded: isPast(times.end) }
  }
  const failureOf = async () => new ExecutionFailed('TestFailed', 'no')
  const clock = { getRemainingTimeInMillis: () => remaining - now }
  const waited = waitForCreateSecretThenEnd(
    { progressOf, failureOf } as unknown as Executions,
    attempt,
    clock,
    60_000,
  )
  const error = await waited.catch((error: Error) => error.name)
  return { looks, error }
}

test.each<[string, Times, number[]]>([
  [
    'over before the first look',
    { createSecret: 40, setSecret: 80, testSecret: 120, finishSecret: 150 },
    [200],
  ],
  [
    'at the first step then',
    { createSecret: 250, setSecret: 350, testSecret: 450, finishSecret: 550 },
    [200, 800],
  ],
  ['at the second', { createSecret: 150, setSecret: 220, testSecret: 300, finishSecret: 380 }, [200, 400]],
  [
    'functions that are cold',
    { createSecret: 900, setSecret: 1800, testSecret: 2500, finishSecret: 3100 },
    [200, 800, 3200],
  ],
])('the next poll is when the rest may be done: %s', async (_, times, looks) => {
  expect(await wait(times)).toEqual({ looks, error: undefined })
})

test('a rotation that takes minutes is polled every five seconds', async () => {
  const { looks } = await wait({ createSecret: 400, finishSecret: 300_000 })
  const pauses = looks.map((time, index) => time - (looks[index - 1] ?? 0))
  expect(pauses.slice(5).every(pause => pause === 5_000)).toBe(true)
  expect(looks.at(-1)).toBeLessThanOrEqual(305_000)
})

test.each<[string, Times, string | undefined]>([
  ['before it passed createSecret: its failure', { end: 150 }, 'TestFailed'],
  ['later: that is told when that step is asked for', { createSecret: 100, end: 150 }, undefined],
])('a rotation that ended %s', async (_, times, error) => {
  expect(await wait(times)).toEqual({ looks: [200], error })
})

test.each<[string, Times, string | undefined]>([
  ['createSecret is not passed: the service may ask again', {}, 'RotationInProgress'],
  ['createSecret is passed: the next call waits on', { createSecret: 1_000 }, undefined],
])('when the time is over, %s', async (_, times, error) => {
  const { looks, ...waited } = await wait(times, { remaining: 90_000 })
  expect(waited).toEqual({ error })
  expect(looks.at(-1)).toBeGreaterThan(20_000)
  expect(looks.at(-1)).toBeLessThanOrEqual(30_000)
})

test('a throttled call is repeated later', async () => {
  const look = (count: number) => {
    if (count < 3) throw new Throttled('Step Functions: slow down')
  }
  const times = { createSecret: 40, finishSecret: 150 }
  expect(await wait(times, { look })).toEqual({ looks: [200, 800, 3200], error: undefined })
})
