import type { Credential } from './credential.ts'
import type { Engine } from './engines/engine.ts'
import { logsIn } from './strategies/login.ts'
import type { Change } from './strategies/strategy.ts'

/**
 * Explains why the current value was refused before its rotation changed anything, as far as that can be found out. The text is
 * part of an alarm. Never throws, as the alarm is due without an explanation too.
 */
export async function explainRefusal(
  engine: Engine,
  { current, readPrevious, readAdmin }: Pick<Change, 'current' | 'readPrevious' | 'readAdmin'>,
): Promise<string> {
  const ignoreError = () => undefined
  const previous = await readPrevious().catch(ignoreError)
  // A previous value of the same user needs no login here: the rollback has tried it, and it was refused.
  if (previous && !previous.hasSameLogin(current) && (await logsIn(engine, previous).catch(ignoreError)))
    return `the previous value, of user ${JSON.stringify(previous.username)}, logs in`
  if (
    current.masterarn &&
    (await requiresCertificate(engine, current.username, readAdmin).catch(ignoreError))
  )
    return 'the admin says that the account wants a certificate of its client, and Keyturn has none'
  return 'no stored version logs in'
}

/** Asks the server, as the admin, whether the account may log in only with a TLS certificate of the client. */
async function requiresCertificate(
  engine: Engine,
  user: string,
  readAdmin: () => Promise<Credential>,
): Promise<boolean | undefined> {
  await using session = await engine.login(await readAdmin())
  return session.requiresClientCertificate?.(user)
}
