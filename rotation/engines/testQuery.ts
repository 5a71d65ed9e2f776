import { DatabaseFailed, NotPermitted, TestFailed } from '../errors.ts'

/** The error for a test query that writes, or may write, although the stack allows only reading. `where` names the login. */
export const writingTestQueryError = (where: string) =>
  new TestFailed(
    `${where}: the test query failed: it may only read, and writes, or the server does not say that it only reads (read-only); ` +
      'to allow a test query that writes, deploy Keyturn with testQueryMayWrite',
  )

/** Waits for a test query. @throws TestFailed if the server refused the query; other errors unchanged */
export async function awaitTestQuery<T>(query: Promise<T>): Promise<T> {
  try {
    return await query
  } catch (error) {
    if (error instanceof NotPermitted || error instanceof DatabaseFailed)
      throw new TestFailed(`the test query failed: ${error.message}`)
    throw error
  }
}
