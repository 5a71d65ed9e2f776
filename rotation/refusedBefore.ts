import type { Credential } from './credential.ts'
import type { Engine } from './engines/engine.ts'
import { logsIn } from './strategies/login.ts'
import type { Change } from './strategies/strategy.ts'

/**
 * What else is known of a current that was refused before its rotation changed anything, in words for whoever is called.
 * Never throws: nothing of it is needed to know that current does not log in.
 */
export async function whatIsKnown(
  engine: Engine,
  { current, previous, admin }: Pick<Change, 'current' | 'previous' | 'admin'>,
): Promise<string> {
  const no = () => undefined
  const before = await previous().catch(no)
  // One of the same user was tried, and refused.
  if (before && !before.sameLogin(current) && (await logsIn(engine, before).catch(no)))
    return `the previous value, of user ${JSON.stringify(before.username)}, logs in`
  if (current.masterarn && (await wantsCertificate(engine, current.username, admin).catch(no)))
    return 'the admin says that the account wants a certificate of its client, and Keyturn has none'
  return 'no stored version logs in'
}

async function wantsCertificate(
  engine: Engine,
  user: string,
  admin: () => Promise<Credential>,
): Promise<boolean | undefined> {
  await using session = await engine.login(await admin())
  return session.wantsCertificate?.(user)
}
