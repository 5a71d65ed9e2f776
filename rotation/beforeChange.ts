import { RotationError, Unexpected } from './errors.ts'

/**
 * What the message of a rehearsal's error begins with, behind the step's name. It is a contract: alarms read it where no history
 * tells more.
 */
const BEFORE = 'in the rehearsal, before anything was changed: '

/** Runs a rehearsal. @throws what it throws, as one of ours, which says that nothing had been changed */
export async function beforeChange(rehearse: () => Promise<void>): Promise<void> {
  try {
    await rehearse()
  } catch (error) {
    const failure = error instanceof RotationError ? error : new Unexpected(error)
    failure.message = `${BEFORE}${failure.message}`
    throw failure
  }
}

/** Whether a message, with its step's name in front, is a rehearsal's. */
export const saysBeforeChange = (message: string): boolean => message.includes(`: ${BEFORE}`)
