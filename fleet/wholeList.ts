/** No list that is read as a whole has more pages. */
const MAX_PAGE_COUNT = 1000

/** A list has no end: the service gives a token for a further page again and again. */
export class EndlessList extends Error {
  override readonly name = 'EndlessList'
  /** As in errors of the AWS SDK: the fault is the service's. */
  readonly $fault = 'server'
  constructor() {
    super(`after ${MAX_PAGE_COUNT} pages there are more`)
  }
}

/** Reads all pages of a list, one after the other. @throws EndlessList after 1000 pages, as a list that is cut would be wrong */
export async function* readAllPages<Page>(pages: AsyncIterable<Page>): AsyncGenerator<Page> {
  let read = 0
  for await (const page of pages) {
    if (read++ === MAX_PAGE_COUNT) throw new EndlessList()
    yield page
  }
}
