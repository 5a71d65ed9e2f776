/** More pages no list has that is read as a whole. */
const MOST = 1000

/** A list has no end: its service gives a token for a further page again and again. */
export class EndlessList extends Error {
  override readonly name = 'EndlessList'
  /** As the SDK's own errors have it: it is the service's. */
  readonly $fault = 'server'
  constructor() {
    super(`after ${MOST} pages there are more`)
  }
}

/** The pages of a list, one after the other, of which every one counts. @throws EndlessList rather than to leave some out */
export async function* wholeList<Page>(pages: AsyncIterable<Page>): AsyncGenerator<Page> {
  let read = 0
  for await (const page of pages) {
    if (read++ === MOST) throw new EndlessList()
    yield page
  }
}
