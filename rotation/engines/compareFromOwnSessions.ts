import type { UserPair } from './engine.ts'
import { missingUserSentence, undefinedIfLoginRefused } from './noSuchUser.ts'

/**
 * Compares a user and its clone on a server that tells a user only about itself, so that each of the two needs a session of its
 * own.
 * @param own The name of the one that is logged in already, and its session.
 * @param otherLogin The session of the other one, which is closed afterwards.
 * @param compare Gets a function that returns the session of either name.
 * @returns the differences, one sentence each; a single one if the other login is refused
 */
export async function compareFromOwnSessions<S extends AsyncDisposable>(
  { user, clone }: UserPair,
  own: { name: string; session: S },
  otherLogin: Promise<S>,
  compare: (sessionOf: (name: string) => S) => Promise<string[]>,
): Promise<string[]> {
  await using other = await otherLogin.catch(undefinedIfLoginRefused)
  if (!other) return [missingUserSentence(own.name === user ? clone : user)]
  return await compare(name => (name === own.name ? own.session : other))
}
