import { Conflict, LoginRefused, NotPermitted } from '../errors.ts'

/** The user that a statement names is not there. */
export class NoSuchUser extends NotPermitted {}

/** For a look at a user that there need not be. */
export function undefinedIfNoSuchUser(error: unknown): undefined {
  if (!(error instanceof NoSuchUser)) throw error
}

/** For statements that were made when the user was there. @throws Conflict instead of NoSuchUser */
export function conflictIfDropped(error: unknown): never {
  if (!(error instanceof NoSuchUser)) throw error
  throw new Conflict(`${error.message}: another session dropped it`)
}

/** For a login as the other one of a pair, which there need not be any more. */
export function undefinedIfLoginRefused(error: unknown): undefined {
  if (!(error instanceof LoginRefused)) throw error
}

/** What `differences` says of one of a pair that is gone; where only itself may look at it, it does not log in then. */
export const missingUserSentence = (user: string) => `${user} is not there any more, or does not log in`
