import { expect } from 'vitest'

/** How something ended: with what it returned, or with an error's name and words. */
export type Outcome = { returned?: unknown; threw?: string }

/** How it ends. */
export const outcomeOf = (acting: Promise<unknown>): Promise<Outcome> =>
  acting.then(
    returned => ({ returned }),
    (error: Error) => ({ threw: `${error.name}: ${error.message}` }),
  )

/**
 * Has a session say beforehand what it would refuse, then do it: both must end alike, and nothing that `state` reads may be
 * otherwise in between.
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
