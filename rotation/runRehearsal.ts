import { CallRefused, CallUnanswered } from './callAws.ts'
import { RotationError, StoreFailed, Unexpected, Unreachable } from './errors.ts'

/**
 * What the message of a rehearsal's error begins with, once its function has put its own name before it (`testSecret: in the …`).
 * Where the execution's history cannot be read, raiseAlarm recognizes a rehearsal by this text, so the text must not change.
 */
const REHEARSAL_PREFIX = 'in the rehearsal, before anything was changed: '

/**
 * Runs a rehearsal. Throttled stays as it is, so that the state machine retries: a service that is busy is no reason against the
 * rotation. CallUnanswered, a subclass of Throttled, becomes Unreachable, as the function probably has no network path to the
 * service. CallRefused, another subclass, becomes StoreFailed, as a rollback would need the call that was refused.
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
 * Whether a message is that of a rehearsal's error: the name of a function, then the prefix. Only the start counts, as the rest may
 * quote a text from outside.
 */
export const isRehearsalMessage = (message: string): boolean =>
  /^\w+: (.*)$/s.exec(message)?.[1]?.startsWith(REHEARSAL_PREFIX) ?? false
