import type { UserPair } from './engine.ts'
import { missingUserSentence, undefinedIfLoginRefused } from './noSuchUser.ts'

/**
 * Compares a pair on a server that tells a user only about itself: `compare` gets for each of the two the session that is
 * its own. `us` is the one that is here, `login` that of the other.
 * @returns the differences; one if the other does not log in
 */
export async function compareFromOwnSessions<S extends AsyncDisposable>(
  { user, clone }: UserPair,
  us: { name: string; session: S },
  login: Promise<S>,
  compare: (of: (name: string) => S) => Promise<string[]>,
): Promise<string[]> {
  await using partner = await login.catch(undefinedIfLoginRefused)
  if (!partner) return [missingUserSentence(us.name === user ? clone : user)]
  return await compare(name => (name === us.name ? us.session : partner))
}
