/** Values of both sides. Those with the same index are a pair. */
export type Pairs<T> = Record<'official' | 'keyturn', T[]>

/**
 * Takes `pairs` pairs of values, one after the other, every second one with Keyturn first. Another pair comes before them and is
 * left out, as it brings files into memory.
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
