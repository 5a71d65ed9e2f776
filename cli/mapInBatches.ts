/** Items that are worked on at the same time: with more, AWS would throttle the calls. */
const BATCH_SIZE = 10

/**
 * Calls `work` for each item, ten items at a time: the next ten begin when all of the last ten are done.
 * @param done called after each ten with the number of finished items and the number of all items
 * @returns the results, in the order of the items
 */
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
