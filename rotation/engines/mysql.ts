import { Conflict, NotPermitted } from '../errors.ts'
import { quoteText } from './mysqlAccount.ts'
import { type Flavour, type Method, MysqlFamily, type MysqlOptions, type Statements } from './mysqlSession.ts'
import { cachingSha2Verifier, nativeVerifier } from './mysqlVerifiers.ts'

const flavour: Flavour = {
  engine: 'mysql',
  plugin: 'caching_sha2_password',
  limits: [
    'MAX_QUERIES_PER_HOUR',
    'MAX_UPDATES_PER_HOUR',
    'MAX_CONNECTIONS_PER_HOUR',
    'MAX_USER_CONNECTIONS',
  ],
  clauses: {
    require: 'REQUIRE NONE',
    expire: 'PASSWORD EXPIRE DEFAULT',
    history: 'PASSWORD HISTORY DEFAULT',
    reuse: 'PASSWORD REUSE INTERVAL DEFAULT',
    current: 'PASSWORD REQUIRE CURRENT DEFAULT',
    attempts: 'FAILED_LOGIN_ATTEMPTS 0',
    lockTime: 'PASSWORD_LOCK_TIME 0',
  },
  defaultRoles: (account, roles) => `alter user ${account} default role ${roles.join(', ') || 'none'}`,
  prepare: seconds =>
    `set session sql_mode = '', sql_quote_show_create = on, print_identified_with_as_hex = on, lock_wait_timeout = ${Math.ceil(seconds)},
     max_execution_time = ${seconds * 1000}`,
  verifiers: { caching_sha2_password: cachingSha2Verifier, mysql_native_password: nativeVerifier },
  identified: (plugin, verifier) => `identified with ${quoteText(plugin)} as ${quoteText(verifier)}`,
  // MySQL takes no verifier from a user without CREATE USER, but writes `<secret>` into its logs.
  changeOwn: (_, password) =>
    `alter user current_user() identified by ${quoteText(password.new)} replace ${quoteText(password.old)}`,
  async refuseIrreversible(session, account) {
    await refuseIfBound(session, account, 1)
    refuseIfLockable(account)
  },
  afterLock: account => `alter user ${account} discard old password`,
  // The password to be replaced is named, so of two rotations that meet one gets a Conflict and nothing is lost.
  async add(session, account, password, current) {
    await refuseOthers(session, account)
    const retain = (next: string, old: string) => session.query(`${set(next, old)} retain current password`)
    try {
      await retain(password, current)
    } catch (error) {
      if (!(error instanceof Conflict)) throw error
      // Perhaps an earlier try has set it. If so, they can be turned around and back, and none is lost on the way.
      await retain(current, password)
      await retain(password, current)
    }
  },
  async keep(session, account, password) {
    await refuseOthers(session, account)
    try {
      await session.query(`${set(password, session.password)}, ${DISCARD}`)
    } catch (error) {
      if (!(error instanceof Conflict)) throw error
      // The session logged in with the older of the two; or another rotation is at work, and this is a Conflict again.
      await session.query(set(password, password))
      await session.query(`alter user ${DISCARD}`)
    }
  },
}

const DISCARD = 'current_user() discard old password'
const set = (next: string, old: string) =>
  `alter user current_user() identified by ${quoteText(next)} replace ${quoteText(old)}`

/** MySQL takes no verifier with a second password, and checks the old one only for a user's own account. */
async function refuseOthers(session: Statements, account: Method): Promise<void> {
  if (account.user !== session.user)
    throw new NotPermitted(`${account.name}: only the user itself can set a second password`)
  await refuseIfBound(session, account)
}

/** A rule against using a password again would stand in the way of a rollback, unless it is of the last `few` only. */
async function refuseIfBound(session: Statements, { name, clauses }: Method, few = 0): Promise<void> {
  const [row] = await session.query('select @@password_history as history, @@password_reuse_interval as days')
  const { history, days } = row as { history: number; days: number }
  const limit = (clause = '', byDefault: number) =>
    clause.endsWith('DEFAULT') ? byDefault : Number.parseInt(clause.replace(/\D+/, ''), 10)
  if (limit(clauses.history, history) > few || limit(clauses.reuse, days) > 0)
    throw new NotPermitted(
      `${name} may not use a password again (PASSWORD HISTORY or REUSE INTERVAL), so nothing could be rolled back`,
    )
}

/** The application itself would lock the account: until it has read the new password, it is refused again and again. */
function refuseIfLockable({ name, clauses: { attempts = '', lockTime = '' } }: Method): void {
  if (/[1-9]/.test(attempts) && !lockTime.endsWith(' 0'))
    throw new NotPermitted(
      `${name} is locked after refused logins (FAILED_LOGIN_ATTEMPTS), which a change of its only password causes`,
    )
}

/** MySQL, also as RDS and Aurora. */
export class Mysql extends MysqlFamily {
  constructor(options: MysqlOptions) {
    super(flavour, options)
  }
}
