/** Works on all items as `Promise.allSettled` does, but on at most `most` of them at a time. Results are in the items' order. */
export async function settleConcurrently<Item, Result>(
  items: Item[],
  most: number,
  work: (item: Item) => Promise<Result>,
): Promise<PromiseSettledResult<Result>[]> {
  const results: PromiseSettledResult<Result>[] = []
  // All workers take from the same iterator, so each item is worked on once.
  const remaining = items.entries()
  const worker = async () => {
    for (const [index, item] of remaining)
      results[index] = await work(item).then(
        value => ({ status: 'fulfilled', value }) as const,
        reason => ({ status: 'rejected', reason }) as const,
      )
  }
  await Promise.all(Array.from({ length: most }, worker))
  return results
}

/**
 * Works on all items as `Promise.all` does, but on at most `most` of them at a time. All of them are worked on and waited for,
 * also when one fails.
 * @throws the error of the first item, in the items' order, whose work failed
 */
export async function mapConcurrently<Item, Result>(
  items: Item[],
  most: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const outcomes = await settleConcurrently(items, most, work)
  return outcomes.map(outcome => {
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  })
}
