import { setTimeout } from 'node:timers/promises'
import { RotationInProgress, Throttled } from '../rotation/errors.ts'
import { type Attempt, type Executions, latestAttempt, type Progress } from './executions.ts'
import { type Clock, PAUSE, poll } from './poll.ts'
import { type ServiceStep, serviceSteps, stateAfter } from './serviceSteps.ts'

const hasPassed = ({ entered }: Progress, step: ServiceStep) => entered.has(stateAfter[step])

/** An attempt, and how far it had come if it was looked at already. */
type Seen = Attempt & { progress?: Progress }

/**
 * The last attempt that a token had, and how far it has come: one call, if its first attempt runs or has succeeded. One
 * that made its value current has succeeded, whatever becomes of what it replaced.
 * @param reserve milliseconds of the function's time that are left for an answer
 * @throws RotationInProgress if time runs out while Step Functions asks for fewer calls
 */
export async function lastSeen(executions: Executions, token: string, clock: Clock, reserve: number) {
  const ask = async () => ({ last: await latestAttempt(number => seen(executions, { token, number })) })
  const { last } = await poll(
    () => unlessThrottled(ask),
    'Step Functions asks for fewer calls',
    clock,
    reserve,
  )
  return last
}

async function seen(executions: Executions, attempt: Attempt) {
  const progress = await executions.progress(attempt)
  return progress && { ...attempt, progress, status: statusOf(progress) }
}

function statusOf(progress: Progress): 'SUCCEEDED' | 'FAILED' | 'RUNNING' {
  if (hasPassed(progress, 'finishSecret')) return 'SUCCEEDED'
  return progress.ended ? 'FAILED' : 'RUNNING'
}

/**
 * Waits until an attempt has passed `step`.
 * @param reserve milliseconds of the function's time that are left for an answer
 * @throws ExecutionFailed if it ended before; RotationInProgress if time runs out
 */
export async function passed(
  executions: Executions,
  attempt: Seen,
  step: ServiceStep,
  clock: Clock,
  reserve: number,
): Promise<void> {
  const lookAgain = looker(executions, attempt)
  const look = async () => {
    const progress = await lookAgain()
    if (!progress || hasPassed(progress, step)) return progress
    if (progress.ended) throw await executions.failure(attempt)
    return undefined
  }
  await poll(look, goesOn(step), clock, reserve)
}

/**
 * Waits until an attempt has passed createSecret and, as far as time allows, until it has made its value current or has
 * ended: the calls for the later steps are then answered by one look each.
 * @param reserve milliseconds of the function's time that are left for an answer
 * @throws ExecutionFailed if it ended before it passed createSecret; RotationInProgress if time runs out before that
 */
export async function passedToTheEnd(
  executions: Executions,
  attempt: Seen,
  clock: Clock,
  reserve: number,
): Promise<void> {
  const lookAgain = looker(executions, attempt)
  let progress: Progress = { entered: new Set(), ended: false }
  const look = async () => {
    progress = (await lookAgain()) ?? progress
    return statusOf(progress) === 'RUNNING' ? undefined : progress
  }
  const began = performance.now()
  if (!attempt.progress) await setTimeout(PAUSE.first)
  await poll(look, goesOn('createSecret'), clock, reserve, () =>
    restOf(progress, performance.now() - began),
  ).catch(error => {
    if (!(error instanceof RotationInProgress && hasPassed(progress, 'createSecret'))) throw error
  })
  if (!hasPassed(progress, 'createSecret')) throw await executions.failure(attempt)
}

/** How much of the time that a rotation has taken the rest may take, by how many of the steps it has passed. */
const REST = [3, 1, 0.4, 0.25]

/** Milliseconds until the rest may be over, `elapsed` after the beginning. */
function restOf(progress: Progress, elapsed: number): number {
  const steps = serviceSteps.filter(step => hasPassed(progress, step)).length
  return Math.min(Math.max(elapsed * (REST[steps] ?? 1), PAUSE.first / 2), PAUSE.longest)
}

const goesOn = (step: ServiceStep) => `the execution has not passed ${step} yet, and goes on`

/**
 * Tells how far an attempt has come: at first by what was seen already. Undefined if Step Functions does not say, or does
 * not know yet what has just begun.
 */
function looker(executions: Executions, { progress, ...attempt }: Seen): () => Promise<Progress | undefined> {
  let first = progress
  return async () => {
    const known = first
    first = undefined
    return known ?? unlessThrottled(() => executions.progress(attempt))
  }
}

/** Whoever waits anyway asks again later. */
async function unlessThrottled<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof Throttled) return undefined
    throw error
  }
}
