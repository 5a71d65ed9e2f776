import { setTimeout } from 'node:timers/promises'
import { RotationInProgress, Throttled } from '../rotation/errors.ts'
import type { Attempt, Executions } from './executions.ts'

/** The steps that Secrets Manager asks for, in their order. */
export const serviceSteps = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const
export type ServiceStep = (typeof serviceSteps)[number]

/** A step is passed once the state after it was entered: no failure leads there. */
export const stateAfter: Record<ServiceStep, string> = {
  createSecret: 'SetSecret',
  setSecret: 'TestSecret',
  testSecret: 'FinishSecret',
  finishSecret: 'AnnounceSuccess',
}

/** Milliseconds between two looks at an execution: the first pause, and the longest that it grows to. */
const PAUSE = { first: 200, longest: 5_000 }

/**
 * Waits until an attempt has passed `step`.
 * @param reserve milliseconds of the function's time that are left for an answer
 * @throws ExecutionFailed if it ended before; RotationInProgress if time runs out
 */
export async function passed(
  executions: Executions,
  attempt: Attempt,
  step: ServiceStep,
  { getRemainingTimeInMillis }: { getRemainingTimeInMillis(): number },
  reserve: number,
): Promise<void> {
  for (let pause = PAUSE.first; ; pause = Math.min(pause * 1.5, PAUSE.longest)) {
    const progress = await look(executions, attempt, stateAfter[step])
    if (progress === 'entered') return
    if (progress === 'ended') throw await executions.failure(attempt)
    if (getRemainingTimeInMillis() - pause < reserve)
      throw new RotationInProgress(`the execution has not passed ${step} yet, and goes on`)
    await setTimeout(pause)
  }
}

/** Whoever waits anyway looks again later. */
async function look(
  executions: Executions,
  attempt: Attempt,
  state: string,
): ReturnType<Executions['progress']> {
  try {
    return await executions.progress(attempt, state)
  } catch (error) {
    if (error instanceof Throttled) return 'running'
    throw error
  }
}
