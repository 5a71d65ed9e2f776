import type { Credential } from './credential.ts'
import type { Engine } from './engines/engine.ts'
import { logsIn } from './strategies/login.ts'
import type { Change } from './strategies/strategy.ts'

/**
 * Explains, during a rollback, why the current value is refused although this rotation has changed nothing in the database. The
 * text is part of an alarm. This never throws, as the alarm has to be sent even if there is no explanation.
 * @returns the reason as far as it can be found out
 */
export async function explainRefusal(
  engine: Engine,
  { current, readPrevious, readAdmin }: Pick<Change, 'current' | 'readPrevious' | 'readAdmin'>,
): Promise<string> {
  const ignoreError = () => undefined
  const previous = await readPrevious().catch(ignoreError)
  // A previous value of the same user is not tried here. The rollback has either tried it and was refused, or must not try it, as
  // the server may lock the account (restoreCurrent in strategies/restore.ts).
  if (previous && !previous.isForSameUser(current) && (await logsIn(engine, previous).catch(ignoreError)))
    return `the previous value, of user ${JSON.stringify(previous.username)}, logs in`
  if (
    current.masterarn &&
    (await requiresCertificate(engine, current.username, readAdmin).catch(ignoreError))
  )
    return 'the server lets this user in only with a TLS client certificate, and Keyturn has none'
  return 'no stored version logs in'
}

/** Asks the server, as the admin, whether a user may log in only with a TLS client certificate. */
async function requiresCertificate(
  engine: Engine,
  user: string,
  readAdmin: () => Promise<Credential>,
): Promise<boolean | undefined> {
  await using session = await engine.login(await readAdmin())
  return session.requiresClientCertificate?.(user)
}
