/** As `Promise.allSettled`, so many at once. */
export async function settled<Item, Result>(
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
