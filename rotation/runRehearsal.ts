import { CallRefused, CallUnanswered } from './callAws.ts'
import { RotationError, StoreFailed, Unexpected, Unreachable } from './errors.ts'

/**
 * What the message of a rehearsal's error begins with, behind the step's name. It is a contract: alarms read it where no history
 * tells more.
 */
const REHEARSAL_PREFIX = 'in the rehearsal, before anything was changed: '

/**
 * Runs a rehearsal. A service of AWS that asks for fewer calls is no reason against the rotation; one that does not answer
 * is, as the function has no way to it; and so is one that refuses a call, as it would refuse a rollback's.
 * @throws what it throws, as one of ours, which says that nothing had been changed
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

function toRotationError(error: unknown): RotationError {
  if (error instanceof CallUnanswered) return new Unreachable(error.message)
  if (error instanceof CallRefused) return new StoreFailed(error.message)
  return error instanceof RotationError ? error : new Unexpected(error)
}

/** Whether a message, with its step's name in front, is a rehearsal's. What else it holds may come from outside. */
export const isRehearsalMessage = (message: string): boolean =>
  /^\w+: (.*)$/s.exec(message)?.[1]?.startsWith(REHEARSAL_PREFIX) ?? false
