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

/** A session that may set a user's passwords, and on which server it does: `host:port`. */
export type Acting = AsyncDisposable & { session: Session; address: string }

export const actingOn = (session: Session, { address }: Credential): Acting => ({
  session,
  address,
  [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
})

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
): Promise<Acting | undefined> {
  const proven = await prove(engine, proof)
  return proven && loginAsAdmin(engine, readAdmin, proven)
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
async function loginAsAdmin(engine: Engine, readAdmin: Change['admin'], proven: Proven): Promise<Acting> {
  for (const pause of [0, ...ADMIN_PAUSES]) {
    await sleep(pause)
    const acting = await tryAdmin(engine, await readAdmin(), proven)
    if (acting) return acting
  }
  throw refusedAdmin(await readAdmin())
}

/** One login of the admin in the user's database; undefined if its value is refused now, or was a moment ago. */
async function tryAdmin(
  engine: Engine,
  value: Credential,
  { host, dbname }: Proven,
): Promise<Acting | undefined> {
  const admin = value.with({ dbname })
  const known = loginOf(admin)
  if ((refused.get(known) ?? 0) > Date.now() - REMEMBERED) return undefined
  try {
    return actingOn(await engine.login(admin, host), admin)
  } catch (error) {
    if (!(error instanceof LoginRefused)) throw error
    refused.set(known, Date.now())
    return undefined
  }
}

/**
 * What a server counts refusals by. The database is the user's, and whoever may write its value names another one each time: it
 * makes another account in MongoDB alone.
 */
const loginOf = ({ engine, address, username, password, dbname }: Credential): string =>
  hash('sha256', JSON.stringify([engine, address, username, password, engine === 'mongo' && dbname]))

const refusedAdmin = (admin: Credential) =>
  new AdminRefused(`${admin}: the admin was refused, and its secret has no other value yet`)

/**
 * The same with one login and no wait, for whoever changes nothing. `session` is the proof: the user's own.
 * @throws AdminRefused
 */
export async function adminOnce(
  engine: Engine,
  admin: Credential,
  { session, user }: { session: Session; user: Credential },
): Promise<Acting> {
  const acting = await tryAdmin(engine, admin, provenBy(session, user))
  if (!acting) throw refusedAdmin(admin)
  return acting
}

/** The same, proven by current. @throws LoginRefused if it does not log in */
export async function adminSession(
  engine: Engine,
  current: Credential,
  readAdmin: Change['admin'],
): Promise<Acting> {
  const admin = await tryAdminSession(engine, current, readAdmin)
  if (!admin) throw new LoginRefused(`${current}: current was refused`)
  return admin
}

/** The host of the user's account, if the engine has such, and the database that it logs in to. */
type Proven = { host: string | undefined; dbname: string | undefined }

async function prove(engine: Engine, proof: Credential): Promise<Proven | undefined> {
  await using session = await tryLogin(engine, proof)
  return session && provenBy(session, proof)
}

const provenBy = (session: Session, user: Credential): Proven => ({
  host: session.host,
  dbname: user.dbname ?? traits[user.engine].database,
})
