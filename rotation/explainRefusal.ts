import type { Credential } from './credential.ts'
import type { Engine } from './engines/engine.ts'
import { logsIn } from './strategies/login.ts'
import type { Change } from './strategies/strategy.ts'

/**
 * What else is known of a current that was refused before its rotation changed anything, in words for whoever is called.
 * Never throws: nothing of it is needed to know that current does not log in.
 */
export async function explainRefusal(
  engine: Engine,
  { current, readPrevious, readAdmin }: Pick<Change, 'current' | 'readPrevious' | 'readAdmin'>,
): Promise<string> {
  const no = () => undefined
  const before = await readPrevious().catch(no)
  // One of the same user was tried, and refused.
  if (before && !before.hasSameLogin(current) && (await logsIn(engine, before).catch(no)))
    return `the previous value, of user ${JSON.stringify(before.username)}, logs in`
  if (current.masterarn && (await wantsCertificate(engine, current.username, readAdmin).catch(no)))
    return 'the admin says that the account wants a certificate of its client, and Keyturn has none'
  return 'no stored version logs in'
}

async function wantsCertificate(
  engine: Engine,
  user: string,
  admin: () => Promise<Credential>,
): Promise<boolean | undefined> {
  await using session = await engine.login(await admin())
  return session.requiresClientCertificate?.(user)
}
