import { DatabaseFailed, NotPermitted, TestFailed } from '../errors.ts'

/** Waits for a test query. @throws TestFailed if the server refused it; other errors as they are */
export async function tested(query: Promise<unknown>): Promise<void> {
  try {
    await query
  } catch (error) {
    if (error instanceof NotPermitted || error instanceof DatabaseFailed)
      throw new TestFailed(`the test query failed: ${error.message}`)
    throw error
  }
}
