import { hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Credential } from '../credential.ts'
import type { Engine, Session } from '../engines/engine.ts'
import { engineTraits } from '../engines/traits.ts'
import { AdminRefused, InvalidCredential, LoginRefused } from '../errors.ts'
import { tryLogin } from './login.ts'
import type { Change } from './strategy.ts'
import type { StrategyName } from './strategyNames.ts'

/** Checks that a value names an admin if its strategy needs one on its engine. @throws InvalidCredential if it does not */
export function requireAdmin({ engine, masterarn }: Credential, strategy: StrategyName): void {
  if (masterarn || engineTraits[engine].actorByStrategy[strategy] !== 'admin') return
  throw new InvalidCredential('masterarn', `should be the ARN of the admin's secret: ${strategy} needs one`)
}

/**
 * A session in which a user's password is changed. It was opened by that user or by an admin. `address` is the session's server, as `host:port`. To
 * dispose of an ActingSession closes the session.
 */
export type ActingSession = AsyncDisposable & { session: Session; address: string }

/** Makes an ActingSession of a session, with the address of the credential that it logged in with. */
export const toActingSession = (session: Session, { address }: Credential): ActingSession => ({
  session,
  address,
  [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
})

/**
 * Opens a session of the admin, once a value of the user, `proof`, has logged in. Without that proof, everybody who may write
 * the secret could have the admin set the password of any user (a confused deputy).
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
 * @returns undefined if `proof` is refused
 * @throws HostMismatch if the admin is for another database; AdminRefused if the admin's value is refused
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
 * Milliseconds between two reads of the admin's value after a login with it was refused. A rotation of the admin itself may have
 * changed the password in the database already, and make the new value current in a moment.
 */
export const ADMIN_PAUSES_MS = [1000, 2000, 4000, 8000, 10_000]

/**
 * Milliseconds for which this process does not try a refused value again, as a server may lock an account after several refused
 * logins.
 */
const REFUSAL_REMEMBERED_MS = 120_000
/** When (Date.now()) an admin was refused last, by `loginKeyOf`. */
const refusedAdmins = new Map<string, number>()

/** Logs in as the admin. @throws AdminRefused if the server refuses the admin, whose secret gets no other value in time */
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

/** Logs in once as the admin, in the user's database. @returns undefined if the server refuses `value`, or did so a moment ago */
async function tryAdmin(
  engine: Engine,
  value: Credential,
  { accountQualifier, dbname }: ProvenUser,
): Promise<ActingSession | undefined> {
  const admin = value.with({ dbname })
  const loginKey = loginKeyOf(admin)
  if ((refusedAdmins.get(loginKey) ?? 0) > Date.now() - REFUSAL_REMEMBERED_MS) return undefined
  try {
    return toActingSession(await engine.login(admin, accountQualifier), admin)
  } catch (error) {
    if (!(error instanceof LoginRefused)) throw error
    refusedAdmins.set(loginKey, Date.now())
    return undefined
  }
}

/**
 * A hash that is the same for all logins which the server counts as tries of one account and password. The name of the database
 * is part of it only where a user belongs to one database. Elsewhere, whoever may write the user's value could have the admin's
 * password tried again and again, by naming another database each time.
 */
const loginKeyOf = ({ engine, address, username, password, dbname }: Credential): string =>
  hash(
    'sha256',
    JSON.stringify([
      engine,
      address,
      username,
      password,
      engineTraits[engine].userBelongsToDatabase && dbname,
    ]),
  )

const adminRefusedError = (admin: Credential) =>
  new AdminRefused(`${admin}: the admin was refused, and its secret has no other value yet`)

/**
 * Opens a session of the admin by one login, without waiting for another value: for a check, which changes nothing.
 * @param proof a session of the user, which proves the user and may be closed by now, and the value that it logged in with
 * @throws AdminRefused
 */
export async function loginAsAdminOnce(
  engine: Engine,
  admin: Credential,
  proof: { session: Session; user: Credential },
): Promise<ActingSession> {
  const acting = await tryAdmin(engine, admin, provenUserOf(proof.session, proof.user))
  if (!acting) throw adminRefusedError(admin)
  return acting
}

/**
 * Opens a session of the admin, once the current value of the user has logged in.
 * @throws LoginRefused if current is refused; HostMismatch, AdminRefused as tryOpenAdminSession
 */
export async function openAdminSession(
  engine: Engine,
  current: Credential,
  readAdmin: Change['readAdmin'],
): Promise<ActingSession> {
  const admin = await tryOpenAdminSession(engine, current, readAdmin)
  if (!admin) throw new LoginRefused(`${current}: current was refused`)
  return admin
}

/**
 * What an admin's session needs of a user who has logged in: Session.accountQualifier, such as the host of `user@host`; its
 * database.
 */
type ProvenUser = { accountQualifier: string | undefined; dbname: string | undefined }

/** Logs in as the user, and ends that session. @returns undefined if `proof` is refused */
async function proveUser(engine: Engine, proof: Credential): Promise<ProvenUser | undefined> {
  await using session = await tryLogin(engine, proof)
  return session && provenUserOf(session, proof)
}

const provenUserOf = (session: Session, user: Credential): ProvenUser => ({
  accountQualifier: session.accountQualifier,
  dbname: user.dbname ?? engineTraits[user.engine].defaultDatabase,
})
