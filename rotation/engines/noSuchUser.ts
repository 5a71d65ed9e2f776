import { Conflict, LoginRefused, NotPermitted } from '../errors.ts'

/** The user that a statement or a question to the server names does not exist. */
export class NoSuchUser extends NotPermitted {}

/** Turns NoSuchUser into undefined, for a `catch` after reading a user that may be absent. @throws every other error */
export function undefinedIfNoSuchUser(error: unknown): undefined {
  if (!(error instanceof NoSuchUser)) throw error
}

/**
 * Turns NoSuchUser into Conflict, for a `catch` after changing a user that was found before: another session dropped it.
 * @throws Conflict; every other error as it is
 */
export function conflictIfDropped(error: unknown): never {
  if (!(error instanceof NoSuchUser)) throw error
  throw new Conflict(`${error.message}: another session dropped it`)
}

/** Turns LoginRefused into undefined, for a `catch` after a login as a user that may be gone. @throws every other error */
export function undefinedIfLoginRefused(error: unknown): undefined {
  if (!(error instanceof LoginRefused)) throw error
}

/**
 * The sentence of `differences` (see engine.ts) about one of a pair that is absent. On some servers only a refused login
 * shows that.
 */
export const missingUserSentence = (user: string) => `${user} is not there any more, or does not log in`
