import type { Credential } from '../credential.ts'
import type { Engine, Session } from '../engines/engine.ts'
import { traits } from '../engines/traits.ts'
import { InvalidCredential, LoginRefused } from '../errors.ts'
import { tryLogin } from './login.ts'
import type { Change, StrategyName } from './strategy.ts'

/** @throws InvalidCredential if the value names no admin, and on this engine the strategy needs one */
export function requireAdmin({ engine, masterarn }: Credential, strategy: StrategyName): void {
  if (masterarn || traits[engine].strategies[strategy] !== 'admin') return
  throw new InvalidCredential('masterarn', `should be the ARN of the admin's secret: ${strategy} needs one`)
}

/**
 * A session of the admin, who acts only for somebody who can log in with a value of the user's: else whoever may write
 * the secret could have any user's password set (a confused deputy).
 * @returns undefined if `proof` does not log in
 * @throws HostMismatch if the admin is for another database
 */
export async function tryAdminSession(
  engine: Engine,
  proof: Credential,
  readAdmin: Change['admin'],
): Promise<Session | undefined> {
  const proven = await prove(engine, proof)
  if (!proven) return undefined
  const admin = await readAdmin()
  return engine.login(admin.with({ dbname: proof.dbname ?? traits[proof.engine].database }), proven.host)
}

/** The same, proven by current. @throws LoginRefused if it does not log in */
export async function adminSession(
  engine: Engine,
  current: Credential,
  readAdmin: Change['admin'],
): Promise<Session> {
  const session = await tryAdminSession(engine, current, readAdmin)
  if (!session) throw new LoginRefused(`${current}: current was refused`)
  return session
}

/** The host of the user's account, if the engine has such. */
async function prove(engine: Engine, proof: Credential): Promise<{ host: string | undefined } | undefined> {
  await using session = await tryLogin(engine, proof)
  return session && { host: session.host }
}
