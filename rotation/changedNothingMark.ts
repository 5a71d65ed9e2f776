import { RotationError, Unexpected } from './errors.ts'

/**
 * The end of the message of an error that setSecret threw before its first change. The text must not change: it is read from the
 * histories of executions, also of those that an earlier release started.
 */
const CHANGED_NOTHING_MARK = '; this try changed nothing'

/**
 * Runs one try of setSecret, which has to call `beforeChange` before each change.
 * @throws the error of the try as a RotationError, with the mark in its message if nothing was changed
 */
export async function runWithChangedNothingMark<T>(
  attempt: (beforeChange: () => void) => Promise<T>,
): Promise<T> {
  let mayHaveChanged = false
  const beforeChange = () => {
    mayHaveChanged = true
  }
  try {
    return await attempt(beforeChange)
  } catch (error) {
    const failure = error instanceof RotationError ? error : new Unexpected(error)
    if (!mayHaveChanged) failure.message += CHANGED_NOTHING_MARK
    throw failure
  }
}

/** Whether a try of setSecret that failed with this message changed nothing. */
export const hasChangedNothingMark = (message: string): boolean => message.endsWith(CHANGED_NOTHING_MARK)
