import { DatabaseFailed, NotPermitted } from '../errors.ts'

/**
 * Turns a refused read into undefined, for a `catch`: the server does not have what was asked for, or does not let this user
 * read it.
 * @throws every other error unchanged
 */
export function undefinedIfNotReadable(error: unknown): undefined {
  if (!(error instanceof NotPermitted || error instanceof DatabaseFailed)) throw error
}
