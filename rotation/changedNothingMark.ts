import { RotationError, Unexpected } from './errors.ts'

/**
 * What the message of an error of setSecret ends with if it came before the first change. It is a contract: histories of
 * executions that an earlier release began are read by it, so its text stays as it is.
 */
const CHANGED_NOTHING_MARK = '; this try changed nothing'

/**
 * Runs one try of setSecret, which calls `touch` before each change.
 * @throws what the try throws, as one of ours, with the mark if `touch` was not called
 */
export async function runWithChangedNothingMark<T>(attempt: (touch: () => void) => Promise<T>): Promise<T> {
  let touched = false
  const touch = () => {
    touched = true
  }
  try {
    return await attempt(touch)
  } catch (error) {
    const failure = error instanceof RotationError ? error : new Unexpected(error)
    if (!touched) failure.message += CHANGED_NOTHING_MARK
    throw failure
  }
}

/** Whether a try of setSecret that failed with this message changed nothing. */
export const hasChangedNothingMark = (message: string): boolean => message.endsWith(CHANGED_NOTHING_MARK)
