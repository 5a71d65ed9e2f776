import type { Fact } from '../facts.ts'
import { SERVICE_NAMES } from '../rateLimits.ts'
import { type AwsCall, factOf, ReadFailed } from './awsReader.ts'
import { type Collector, readOnce } from './collector.ts'

/** What a call answers: what is on a page, as it is kept, and the token of the next. */
export type Page<Item> = { items: Item[]; next?: string | undefined }

/** More pages no list has that an audit can hold. */
const MAX_PAGE_COUNT = 20_000

/**
 * All pages of a list, one after the other; `each` is given every item. An item may come twice, as a list that was stopped for so
 * long that its token does not hold any more is begun anew. A token that comes again would lead round and round.
 * @returns whether the list was read to its end
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
  let anew = ''
  let seen = new Set<string>()
  for (let number = 0; number < MAX_PAGE_COUNT; number += 1) {
    const call = () => collector.reader.read(kind, () => ask(token))
    try {
      const page = await readOnce(collector, `${name}${anew} ${number}`, call)
      page.items.forEach(each)
      collector.reportProgress('page', 1)
      if (!page.next) return 'all'
      if (seen.has(page.next)) break
      seen.add(page.next)
      token = page.next
    } catch (error) {
      if (anew || number === 0 || !isStale(error)) throw error
      anew = ' anew'
      token = undefined
      seen = new Set()
      number = -1
    }
  }
  throw new ReadFailed(`${SERVICE_NAMES[kind.service]} ${kind.operation}: EndlessList`, false)
}

/** Whether a service does not know a token that it gave. */
const isStale = (error: unknown): boolean =>
  error instanceof Error && /NextToken|PaginationToken|ValidationException/.test(error.message)
