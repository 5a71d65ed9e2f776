import type { Fact } from '../facts.ts'
import { SERVICE_NAMES } from '../rateLimits.ts'
import { type AwsCall, factOf, ReadFailed } from './awsReader.ts'
import { type Collector, readOnce } from './collector.ts'

/** A page of a list, as it is kept: its items, and the token of the next page. The last page has no token. */
export type Page<Item> = { items: Item[]; next?: string | undefined }

/** A list with more pages would not fit into memory, or has no end. */
const MAX_PAGE_COUNT = 20_000

/**
 * Reads all pages of a list, one after the other. If the service does not take a token any more, such as one that a resumed audit
 * has kept, the list is read from its beginning again, so an item may come twice. A token that comes twice would lead in a
 * circle: it is an error.
 * @param ask gives the page of a token, or the first page
 * @param each is called with every item
 * @returns `all` if the list was read to its end
 */
export const readPages = <Item>(
  collector: Collector,
  kind: AwsCall,
  ask: (token: string | undefined) => Promise<Page<Item>>,
  each: (item: Item) => void,
): Promise<Fact<'all'>> => factOf(pagesOf(collector, kind, ask, each))

async function pagesOf<Item>(
  collector: Collector,
  kind: AwsCall,
  ask: (token: string | undefined) => Promise<Page<Item>>,
  each: (item: Item) => void,
): Promise<'all'> {
  const name = `${kind.operation} ${kind.region}`
  let token: string | undefined
  /** A part of the names of kept pages, which is set once the list is read from its beginning again. */
  let restartMark = ''
  let seenTokens = new Set<string>()
  for (let number = 0; number < MAX_PAGE_COUNT; number += 1) {
    const call = () => collector.reader.read(kind, () => ask(token))
    try {
      const page = await readOnce(collector, `${name}${restartMark} ${number}`, call)
      page.items.forEach(each)
      collector.reportProgress('page', 1)
      if (!page.next) return 'all'
      if (seenTokens.has(page.next)) break
      seenTokens.add(page.next)
      token = page.next
    } catch (error) {
      if (restartMark || number === 0 || !isStaleToken(error)) throw error
      restartMark = ' anew'
      token = undefined
      seenTokens = new Set()
      number = -1
    }
  }
  throw new ReadFailed(`${SERVICE_NAMES[kind.service]} ${kind.operation}: EndlessList`, false)
}

/** Whether an error says that a service does not take its own token any more. */
const isStaleToken = (error: unknown): boolean =>
  error instanceof Error && /NextToken|PaginationToken|ValidationException/.test(error.message)
