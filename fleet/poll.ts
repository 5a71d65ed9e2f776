import { setTimeout } from 'node:timers/promises'
import { RotationInProgress } from '../rotation/errors.ts'

/** Milliseconds between two looks at an execution: the first pause, and the longest that it grows to. */
const PAUSE = { first: 200, longest: 5_000 }

/** How many milliseconds a function still has; of Lambda's context. */
export type Clock = { getRemainingTimeInMillis(): number }

/**
 * Looks at an execution again and again, until `look` gives something back.
 * @param reserve milliseconds of the function's time that are left for an answer
 * @throws RotationInProgress with `goesOn` if time runs out
 */
export async function poll<T>(
  look: () => Promise<T | undefined>,
  goesOn: string,
  { getRemainingTimeInMillis }: Clock,
  reserve: number,
): Promise<T> {
  for (let pause = PAUSE.first; ; pause = Math.min(pause * 1.5, PAUSE.longest)) {
    const found = await look()
    if (found !== undefined) return found
    if (getRemainingTimeInMillis() - pause < reserve) throw new RotationInProgress(goesOn)
    await setTimeout(pause)
  }
}
