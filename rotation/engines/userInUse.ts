import { Conflict, DatabaseFailed, NotPermitted } from '../errors.ts'

/** What is to be dropped has open sessions, which would be of no use without it. They may end by themselves. */
export class UserInUse extends Conflict {}

/** For a look at sessions that this server does not have, or does not let this user take. */
export function undefinedIfNotReadable(error: unknown): undefined {
  if (!(error instanceof NotPermitted || error instanceof DatabaseFailed)) throw error
}
