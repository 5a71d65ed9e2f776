import { hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Credential } from '../credential.ts'
import type { Engine, Session } from '../engines/engine.ts'
import { engineTraits } from '../engines/traits.ts'
import { AdminRefused, InvalidCredential, LoginRefused } from '../errors.ts'
import { tryLogin } from './login.ts'
import type { Change } from './strategy.ts'
import type { StrategyName } from './strategyNames.ts'

/** @throws InvalidCredential if the value names no admin, and on this engine the strategy needs one */
export function requireAdmin({ engine, masterarn }: Credential, strategy: StrategyName): void {
  if (masterarn || engineTraits[engine].actorByStrategy[strategy] !== 'admin') return
  throw new InvalidCredential('masterarn', `should be the ARN of the admin's secret: ${strategy} needs one`)
}

/** A session that may set a user's passwords, and on which server it does: `host:port`. */
export type ActingSession = AsyncDisposable & { session: Session; address: string }

export const toActingSession = (session: Session, { address }: Credential): ActingSession => ({
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
export async function tryOpenAdminSession(
  engine: Engine,
  proof: Credential,
  readAdmin: Change['readAdmin'],
): Promise<ActingSession | undefined> {
  const proven = await proveUser(engine, proof)
  return proven && loginAsAdmin(engine, readAdmin, proven)
}

/**
 * Milliseconds between two looks at the admin's value after it was refused: its own rotation may have changed its password
 * in the database, and make the new value current in a moment.
 */
export const ADMIN_PAUSES_MS = [1000, 2000, 4000, 8000, 10_000]

/** Milliseconds for which a refused value is not tried again in this process: servers lock accounts after refusals. */
const REFUSAL_REMEMBERED_MS = 120_000
const refusedAdmins = new Map<string, number>()

/** @throws AdminRefused if the server refuses the admin, and no other value has come in time */
async function loginAsAdmin(
  engine: Engine,
  readAdmin: Change['readAdmin'],
  proven: ProvenUser,
): Promise<ActingSession> {
  for (const pause of [0, ...ADMIN_PAUSES_MS]) {
    await sleep(pause)
    const acting = await tryAdmin(engine, await readAdmin(), proven)
    if (acting) return acting
  }
  throw adminRefusedError(await readAdmin())
}

/** One login of the admin in the user's database; undefined if its value is refused now, or was a moment ago. */
async function tryAdmin(
  engine: Engine,
  value: Credential,
  { account, dbname }: ProvenUser,
): Promise<ActingSession | undefined> {
  const admin = value.with({ dbname })
  const known = loginKeyOf(admin)
  if ((refusedAdmins.get(known) ?? 0) > Date.now() - REFUSAL_REMEMBERED_MS) return undefined
  try {
    return toActingSession(await engine.login(admin, account), admin)
  } catch (error) {
    if (!(error instanceof LoginRefused)) throw error
    refusedAdmins.set(known, Date.now())
    return undefined
  }
}

/**
 * What a server counts refusals by. The database is the user's, and whoever may write its value names another one each time: it
 * makes another account in MongoDB alone.
 */
const loginKeyOf = ({ engine, address, username, password, dbname }: Credential): string =>
  hash('sha256', JSON.stringify([engine, address, username, password, engine === 'mongo' && dbname]))

const adminRefusedError = (admin: Credential) =>
  new AdminRefused(`${admin}: the admin was refused, and its secret has no other value yet`)

/**
 * The same with one login and no wait, for whoever changes nothing. `session` is the proof: the user's own.
 * @throws AdminRefused
 */
export async function loginAsAdminOnce(
  engine: Engine,
  admin: Credential,
  { session, user }: { session: Session; user: Credential },
): Promise<ActingSession> {
  const acting = await tryAdmin(engine, admin, provenUserOf(session, user))
  if (!acting) throw adminRefusedError(admin)
  return acting
}

/** The same, proven by current. @throws LoginRefused if it does not log in */
export async function openAdminSession(
  engine: Engine,
  current: Credential,
  readAdmin: Change['readAdmin'],
): Promise<ActingSession> {
  const admin = await tryOpenAdminSession(engine, current, readAdmin)
  if (!admin) throw new LoginRefused(`${current}: current was refused`)
  return admin
}

/** The host of the user's account, if the engine has such, and the database that it logs in to. */
type ProvenUser = { account: string | undefined; dbname: string | undefined }

async function proveUser(engine: Engine, proof: Credential): Promise<ProvenUser | undefined> {
  await using session = await tryLogin(engine, proof)
  return session && provenUserOf(session, proof)
}

const provenUserOf = (session: Session, user: Credential): ProvenUser => ({
  account: session.accountQualifier,
  dbname: user.dbname ?? engineTraits[user.engine].defaultDatabase,
})
