import { setTimeout } from 'node:timers/promises'
import { RotationInProgress } from '../rotation/errors.ts'

/** Milliseconds between two looks at an execution: the first pause, and the longest that it grows to. */
export const PAUSE_MS = { first: 200, longest: 5_000 }

/** How many milliseconds a function still has; of Lambda's context. */
export type RemainingTime = { getRemainingTimeInMillis(): number }

/**
 * Looks at an execution again and again, until `look` gives something back.
 * @param reserve milliseconds of the function's time that are left for an answer
 * @param nextPause milliseconds until the next look; without it, each pause is half as long again as the one before
 * @throws RotationInProgress with `notPassedMessage` if time runs out
 */
export async function poll<T>(
  look: () => Promise<T | undefined>,
  goesOn: string,
  { getRemainingTimeInMillis }: RemainingTime,
  reserve: number,
  nextPause = createGrowingPause(),
): Promise<T> {
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    const pause = nextPause()
    if (getRemainingTimeInMillis() - pause < reserve) throw new RotationInProgress(goesOn)
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
