/** More pages no list has that is read as a whole. */
const MAX_PAGE_COUNT = 1000

/** A list has no end: its service gives a token for a further page again and again. */
export class EndlessList extends Error {
  override readonly name = 'EndlessList'
  /** As the SDK's own errors have it: it is the service's. */
  readonly $fault = 'server'
  constructor() {
    super(`after ${MAX_PAGE_COUNT} pages there are more`)
  }
}

/** The pages of a list, one after the other, of which every one counts. @throws EndlessList rather than to leave some out */
export async function* readAllPages<Page>(pages: AsyncIterable<Page>): AsyncGenerator<Page> {
  let read = 0
  for await (const page of pages) {
    if (read++ === MAX_PAGE_COUNT) throw new EndlessList()
    yield page
  }
}
