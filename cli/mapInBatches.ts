/** Items that are worked on together: more at once would be throttled. */
const BATCH_SIZE = 10

/** The results of `work` on each item, in their order, some items at a time. `done` is told how many there are, of how many. */
export async function mapInBatches<Item, Result>(
  items: Item[],
  work: (item: Item) => Promise<Result>,
  done: (count: number, all: number) => void = () => {},
): Promise<Result[]> {
  const results: Result[] = []
  for (let start = 0; start < items.length; start += BATCH_SIZE) {
    results.push(...(await Promise.all(items.slice(start, start + BATCH_SIZE).map(work))))
    done(results.length, items.length)
  }
  return results
}
