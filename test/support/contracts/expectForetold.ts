import { expect } from 'vitest'

/** How a call ended: with what it returned, or with the name and message of an error. */
export type Outcome = { returned?: unknown; threw?: string }

/** @returns how the call ends */
export const outcomeOf = (acting: Promise<unknown>): Promise<Outcome> =>
  acting.then(
    returned => ({ returned }),
    (error: Error) => ({ threw: `${error.name}: ${error.message}` }),
  )

/**
 * Calls `would`, which says what a session would refuse, and then `does`, which does it. Both must end alike, and `would`
 * must not change what `state` reads.
 * @returns how both ended
 */
export async function expectForetold({
  would,
  does,
  state,
}: {
  would(): Promise<unknown>
  does(): Promise<unknown>
  state(): Promise<unknown>
}): Promise<Outcome> {
  const before = await state()
  const told = await outcomeOf(would())
  expect(await state()).toEqual(before)
  const end = await outcomeOf(does())
  expect(told).toEqual(end)
  return end
}
