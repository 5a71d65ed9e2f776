import { setTimeout } from 'node:timers/promises'
import { RotationInProgress } from '../rotation/errors.ts'

/** Milliseconds between two looks at an execution: the first pause, and the longest that it grows to. */
export const PAUSE_MS = { first: 200, longest: 5_000 }

/** Tells how many milliseconds the Lambda function still has. Lambda's context object has this method. */
export type RemainingTime = { getRemainingTimeInMillis(): number }

/**
 * Calls `look` again and again, until it returns something.
 * @param timeoutMessage message of the error if time runs out
 * @param reserve milliseconds of the function's time that are kept for its answer
 * @param nextPause gives the milliseconds until the next call; by default each pause is 1.5 times as long as the one before
 * @throws RotationInProgress if time runs out
 */
export async function poll<T>(
  look: () => Promise<T | undefined>,
  timeoutMessage: string,
  { getRemainingTimeInMillis }: RemainingTime,
  reserve: number,
  nextPause = createGrowingPause(),
): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    const pause = nextPause()
    if (getRemainingTimeInMillis() - pause < reserve) throw new RotationInProgress(timeoutMessage)
    await setTimeout(pause)
  }
}

function createGrowingPause(): () => number {
  let next = PAUSE_MS.first / 1.5
  return () => {
    next = Math.min(next * 1.5, PAUSE_MS.longest)
    return next
  }
}
