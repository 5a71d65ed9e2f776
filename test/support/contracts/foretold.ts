import { expect } from 'vitest'

/** How something ended: with what it returned, or with an error's name and words. */
export type End = { returned?: unknown; threw?: string }

/** How it ends. */
export const endOf = (acting: Promise<unknown>): Promise<End> =>
  acting.then(
    returned => ({ returned }),
    (error: Error) => ({ threw: `${error.name}: ${error.message}` }),
  )

/**
 * Has a session say beforehand what it would refuse, then do it: both must end alike, and nothing that `state` reads may be
 * otherwise in between.
 * @returns how both ended
 */
export async function foretold({
  would,
  does,
  state,
}: {
  would(): Promise<unknown>
  does(): Promise<unknown>
  state(): Promise<unknown>
}): Promise<End> {
  const before = await state()
  const told = await endOf(would())
  expect(await state()).toEqual(before)
  const end = await endOf(does())
  expect(told).toEqual(end)
  return end
}
