import { hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Credential } from '../credential.ts'
import type { Engine, Session } from '../engines/engine.ts'
import { traits } from '../engines/traits.ts'
import { AdminRefused, InvalidCredential, LoginRefused } from '../errors.ts'
import { tryLogin } from './login.ts'
import type { StrategyName } from './names.ts'
import type { Change } from './strategy.ts'

/** @throws InvalidCredential if the value names no admin, and on this engine the strategy needs one */
export function requireAdmin({ engine, masterarn }: Credential, strategy: StrategyName): void {
  if (masterarn || traits[engine].strategies[strategy] !== 'admin') return
  throw new InvalidCredential('masterarn', `should be the ARN of the admin's secret: ${strategy} needs one`)
}

/**
 * A session of the admin, who acts only for somebody who can log in with a value of the user's: else whoever may write
 * the secret could have any user's password set (a confused deputy).
 * @returns undefined if `proof` does not log in
 * @throws HostMismatch if the admin is for another database; AdminRefused if its value is refused
 */
export async function tryAdminSession(
  engine: Engine,
  proof: Credential,
  readAdmin: Change['admin'],
): Promise<Session | undefined> {
  const proven = await prove(engine, proof)
  if (!proven) return undefined
  const dbname = proof.dbname ?? traits[proof.engine].database
  return loginAsAdmin(engine, async () => (await readAdmin()).with({ dbname }), proven.host)
}

/**
 * Milliseconds between two looks at the admin's value after it was refused: its own rotation may have changed its password
 * in the database, and make the new value current in a moment.
 */
export const ADMIN_PAUSES = [1000, 2000, 4000, 8000, 10_000]

/** Milliseconds for which a refused value is not tried again in this process: servers lock accounts after refusals. */
const REMEMBERED = 120_000
const refused = new Map<string, number>()

/** @throws AdminRefused if the server refuses the admin, and no other value has come in time */
async function loginAsAdmin(
  engine: Engine,
  readAdmin: Change['admin'],
  host: string | undefined,
): Promise<Session> {
  for (const pause of [0, ...ADMIN_PAUSES]) {
    await sleep(pause)
    const admin = await readAdmin()
    const value = hash('sha256', admin.serialize())
    if ((refused.get(value) ?? 0) > Date.now() - REMEMBERED) continue
    try {
      return await engine.login(admin, host)
    } catch (error) {
      if (!(error instanceof LoginRefused)) throw error
      refused.set(value, Date.now())
    }
  }
  throw new AdminRefused(`${await readAdmin()}: the admin was refused, and its secret has no other value yet`)
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
