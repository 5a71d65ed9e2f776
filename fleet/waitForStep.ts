import { setTimeout } from 'node:timers/promises'
import { RotationInProgress, Throttled } from '../rotation/errors.ts'
import { type Attempt, type AttemptProgress, type Executions, latestAttempt } from './executions.ts'
import { PAUSE_MS, poll, type RemainingTime } from './poll.ts'
import { SERVICE_STEPS, type ServiceStep, STATE_AFTER_STEP } from './serviceSteps.ts'

const hasPassed = ({ enteredStates }: AttemptProgress, step: ServiceStep) =>
  enteredStates.has(STATE_AFTER_STEP[step])

/** An attempt, and how far it had come when it was last looked at; `progress` is unset if it was not looked at. */
type SeenAttempt = Attempt & { progress?: AttemptProgress }

/**
 * The last attempt of a token, and how far it has come. An attempt that has made its value current has succeeded, whatever
 * becomes of the value that it replaced. It takes one call, if the first attempt runs or has succeeded.
 * @param reserve milliseconds of the function's time that are kept for its answer
 * @throws RotationInProgress if time runs out while Step Functions throttles the calls
 */
export async function findLatestProgress(
  executions: Executions,
  token: string,
  clock: RemainingTime,
  reserve: number,
) {
  // Wrapped in an object, as poll would go on asking if the answer itself were undefined.
  const ask = async () => ({
    last: await latestAttempt(number => lookAtAttempt(executions, { token, number })),
  })
  const { last } = await poll(
    () => undefinedIfThrottled(ask),
    'Step Functions asks for fewer calls',
    clock,
    reserve,
  )
  return last
}

async function lookAtAttempt(executions: Executions, attempt: Attempt) {
  const progress = await executions.progressOf(attempt)
  return progress && { ...attempt, progress, status: statusOf(progress) }
}

function statusOf(progress: AttemptProgress): 'SUCCEEDED' | 'FAILED' | 'RUNNING' {
  if (hasPassed(progress, 'finishSecret')) return 'SUCCEEDED'
  return progress.hasEnded ? 'FAILED' : 'RUNNING'
}

/**
 * Waits until an attempt has passed `step`.
 * @param reserve milliseconds of the function's time that are kept for its answer
 * @throws ExecutionFailed if the attempt ended before that; RotationInProgress if time runs out
 */
export async function waitForStep(
  executions: Executions,
  attempt: SeenAttempt,
  step: ServiceStep,
  clock: RemainingTime,
  reserve: number,
): Promise<void> {
  const lookAgain = createProgressReader(executions, attempt)
  const look = async () => {
    const progress = await lookAgain()
    if (!progress || hasPassed(progress, step)) return progress
    if (progress.hasEnded) throw await executions.failureOf(attempt)
    return undefined
  }
  await poll(look, notPassedMessage(step), clock, reserve)
}

/**
 * Waits until an attempt has passed createSecret and, as long as there is time, until it has made its value current or has ended.
 * Then the later calls of the function, for the later steps, need one look each.
 * @param reserve milliseconds of the function's time that are kept for its answer
 * @throws ExecutionFailed if the attempt ended before it passed createSecret; RotationInProgress if time runs out before that
 */
export async function waitForCreateSecretThenEnd(
  executions: Executions,
  attempt: SeenAttempt,
  clock: RemainingTime,
  reserve: number,
): Promise<void> {
  const lookAgain = createProgressReader(executions, attempt)
  let progress: AttemptProgress = { enteredStates: new Set(), hasEnded: false }
  const look = async () => {
    progress = (await lookAgain()) ?? progress
    return statusOf(progress) === 'RUNNING' ? undefined : progress
  }
  const began = performance.now()
  if (!attempt.progress) await setTimeout(PAUSE_MS.first)
  await poll(look, notPassedMessage('createSecret'), clock, reserve, () =>
    estimatePauseMs(progress, performance.now() - began),
  ).catch(error => {
    if (!(error instanceof RotationInProgress && hasPassed(progress, 'createSecret'))) throw error
  })
  if (!hasPassed(progress, 'createSecret')) throw await executions.failureOf(attempt)
}

/** Estimates of how long the rest of a rotation takes, as a multiple of the time so far, by how many steps it has passed. */
const REMAINING_TIME_FACTORS = [3, 1, 0.4, 0.25]

/** The pause until the rest of the rotation may be over, `elapsed` milliseconds after its beginning. */
function estimatePauseMs(progress: AttemptProgress, elapsed: number): number {
  const steps = SERVICE_STEPS.filter(step => hasPassed(progress, step)).length
  return Math.min(
    Math.max(elapsed * (REMAINING_TIME_FACTORS[steps] ?? 1), PAUSE_MS.first / 2),
    PAUSE_MS.longest,
  )
}

const notPassedMessage = (step: ServiceStep) => `the execution has not passed ${step} yet, and goes on`

/**
 * Makes a function that tells how far an attempt has come. The first call of that function gives what was seen of the attempt
 * before, if anything was.
 * @returns a function that gives undefined if Step Functions throttles the call, or does not know an attempt that has just begun
 */
function createProgressReader(
  executions: Executions,
  { progress, ...attempt }: SeenAttempt,
): () => Promise<AttemptProgress | undefined> {
  let seen = progress
  return async () => {
    const known = seen
    seen = undefined
    return known ?? undefinedIfThrottled(() => executions.progressOf(attempt))
  }
}

/** Undefined if Step Functions throttles the call: the caller waits in any case, and asks again then. */
async function undefinedIfThrottled<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof Throttled) return undefined
    throw error
  }
}
