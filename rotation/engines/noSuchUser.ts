import { Conflict, NotPermitted } from '../errors.ts'

/** The user that a statement names is not there. */
export class NoSuchUser extends NotPermitted {}

/** For a look at a user that there need not be. */
export function undefinedIfAbsent(error: unknown): undefined {
  if (!(error instanceof NoSuchUser)) throw error
}

/** For statements that were made when the user was there. @throws Conflict instead of NoSuchUser */
export function conflictIfDropped(error: unknown): never {
  if (!(error instanceof NoSuchUser)) throw error
  throw new Conflict(`${error.message}: another session dropped it`)
}
