import { CallRefused, CallUnanswered } from './callAws.ts'
import { RotationError, StoreFailed, Unexpected, Unreachable } from './errors.ts'

/**
 * What the message of a rehearsal's error begins with, after the name of its step. raiseAlarm recognizes a rehearsal by it where
 * the execution's history cannot be read, so the text must not change.
 */
const REHEARSAL_PREFIX = 'in the rehearsal, before anything was changed: '

/**
 * Runs a rehearsal. Throttled stays as it is, so that the state machine retries: a service that is busy is no reason against the
 * rotation. A service that did not answer (CallUnanswered) is Unreachable here, as the function probably has no network path to
 * it. A refused call (CallRefused) is StoreFailed here, as the rollback would need that call.
 * @throws RotationError that says that nothing had been changed
 */
export async function runRehearsal(rehearse: () => Promise<void>): Promise<void> {
  try {
    await rehearse()
  } catch (error) {
    const failure = toRotationError(error)
    failure.message = `${REHEARSAL_PREFIX}${failure.message}`
    throw failure
  }
}

/** The error that the rehearsal ends with. */
function toRotationError(error: unknown): RotationError {
  if (error instanceof CallUnanswered) return new Unreachable(error.message)
  if (error instanceof CallRefused) return new StoreFailed(error.message)
  return error instanceof RotationError ? error : new Unexpected(error)
}

/**
 * Whether a message is a rehearsal's: the name of its step, then the prefix. Only the start counts, as the rest may quote a text
 * from outside.
 */
export const isRehearsalMessage = (message: string): boolean =>
  /^\w+: (.*)$/s.exec(message)?.[1]?.startsWith(REHEARSAL_PREFIX) ?? false
