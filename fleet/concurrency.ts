/** As `Promise.allSettled`, so many at once. */
export async function settleConcurrently<Item, Result>(
  items: Item[],
  most: number,
  work: (item: Item) => Promise<Result>,
): Promise<PromiseSettledResult<Result>[]> {
  const results: PromiseSettledResult<Result>[] = []
  const rest = items.entries()
  const worker = async () => {
    for (const [index, item] of rest)
      results[index] = await work(item).then(
        value => ({ status: 'fulfilled', value }) as const,
        reason => ({ status: 'rejected', reason }) as const,
      )
  }
  await Promise.all(Array.from({ length: most }, worker))
  return results
}

/** As `Promise.all`, so many at once; but each is waited for. @throws what the first of them has thrown */
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
