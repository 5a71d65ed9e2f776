import { Conflict, DatabaseFailed, NotPermitted } from '../errors.ts'

/** A user that is to be dropped has open sessions, which would fail without it. They may end by themselves. */
export class UserInUse extends Conflict {}

/**
 * Turns a refused read into undefined, for a `catch`: the server does not have what was asked for, or does not let this user
 * read it.
 * @throws every other error unchanged
 */
export function undefinedIfNotReadable(error: unknown): undefined {
  if (!(error instanceof NotPermitted || error instanceof DatabaseFailed)) throw error
}
