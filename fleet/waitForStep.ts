import { Throttled } from '../rotation/errors.ts'
import type { Attempt, Executions } from './executions.ts'
import { type Clock, poll } from './poll.ts'
import type { StateName } from './states.ts'

/** The steps that Secrets Manager asks for, in their order. */
export const serviceSteps = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const
export type ServiceStep = (typeof serviceSteps)[number]

/** A step is passed once the state after it was entered: no failure leads there. */
export const stateAfter: Record<ServiceStep, StateName<'rotate'>> = {
  createSecret: 'SetSecret',
  setSecret: 'TestSecret',
  testSecret: 'FinishSecret',
  finishSecret: 'AnnounceSuccess',
}

/**
 * Waits until an attempt has passed `step`.
 * @param reserve milliseconds of the function's time that are left for an answer
 * @throws ExecutionFailed if it ended before; RotationInProgress if time runs out
 */
export async function passed(
  executions: Executions,
  attempt: Attempt,
  step: ServiceStep,
  clock: Clock,
  reserve: number,
): Promise<void> {
  const look = async () => {
    const progress = await progressOf(executions, attempt, stateAfter[step])
    if (progress === 'ended') throw await executions.failure(attempt)
    return progress === 'entered' || undefined
  }
  await poll(look, `the execution has not passed ${step} yet, and goes on`, clock, reserve)
}

/** Whoever waits anyway looks again later. */
async function progressOf(
  executions: Executions,
  attempt: Attempt,
  state: StateName<'rotate'>,
): ReturnType<Executions['progress']> {
  try {
    return await executions.progress(attempt, state)
  } catch (error) {
    if (error instanceof Throttled) return 'running'
    throw error
  }
}
