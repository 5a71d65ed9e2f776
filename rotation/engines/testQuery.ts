import { DatabaseFailed, NotPermitted, TestFailed } from '../errors.ts'

/** What a test query is told that writes although it may only read. */
export const writingTestQueryError = (where: string) =>
  new TestFailed(
    `${where}: the test query failed: it may only read, and writes, or the server does not say that it only reads (read-only); ` +
      'who needs one that writes deploys Keyturn with testQueryMayWrite',
  )

/** Waits for a test query. @throws TestFailed if the server refused it; other errors as they are */
export async function awaitTestQuery<T>(query: Promise<T>): Promise<T> {
  try {
    return await query
  } catch (error) {
    if (error instanceof NotPermitted || error instanceof DatabaseFailed)
      throw new TestFailed(`the test query failed: ${error.message}`)
    throw error
  }
}
