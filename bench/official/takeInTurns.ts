/** What was taken of both sides: values at the same place are a pair. */
export type Pairs<T> = Record<'official' | 'keyturn', T[]>

/**
 * Takes `pairs` pairs, one after the other, every second one with Keyturn first. One more goes before and is left out: it only
 * brings files into memory.
 */
export async function takeInTurns<T>(
  pairs: number,
  take: Record<'official' | 'keyturn', () => Promise<T>>,
): Promise<Pairs<T>> {
  const taken: Pairs<T> = { official: [], keyturn: [] }
  const sides = ['official', 'keyturn'] as const
  for (let pair = 0; pair <= pairs; pair++)
    for (const side of pair % 2 ? sides.toReversed() : sides) {
      const value = await take[side]()
      if (pair) taken[side].push(value)
    }
  return taken
}
