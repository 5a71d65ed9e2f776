import { Conflict, NotPermitted } from '../../errors.ts'
import { quoteText } from './mysqlAccount.ts'
import { translate } from './mysqlErrors.ts'
import { MysqlFamily, type MysqlOptions } from './mysqlFamily.ts'
import type { Flavour, PasswordMethod, SessionAccess } from './mysqlFlavour.ts'
import { cachingSha2PasswordHash, nativePasswordHash } from './mysqlPasswordHashes.ts'
import { findBrokenRule, type GlobalVariables } from './mysqlPasswordRules.ts'

const flavour: Flavour = {
  engine: 'mysql',
  defaultPlugin: 'caching_sha2_password',
  limitNames: [
    'MAX_QUERIES_PER_HOUR',
    'MAX_UPDATES_PER_HOUR',
    'MAX_CONNECTIONS_PER_HOUR',
    'MAX_USER_CONNECTIONS',
  ],
  defaultClauses: {
    require: 'REQUIRE NONE',
    expire: 'PASSWORD EXPIRE DEFAULT',
    history: 'PASSWORD HISTORY DEFAULT',
    reuse: 'PASSWORD REUSE INTERVAL DEFAULT',
    current: 'PASSWORD REQUIRE CURRENT DEFAULT',
    attempts: 'FAILED_LOGIN_ATTEMPTS 0',
    lockTime: 'PASSWORD_LOCK_TIME 0',
  },
  defaultRolesStatement: (account, roles) =>
    `alter user ${account} default role ${roles.join(', ') || 'none'}`,
  setUpStatement: seconds =>
    `set session sql_mode = '', sql_quote_show_create = on, print_identified_with_as_hex = on, lock_wait_timeout = ${Math.ceil(seconds)},
     max_execution_time = ${seconds * 1000}`,
  passwordHashers: {
    caching_sha2_password: cachingSha2PasswordHash,
    mysql_native_password: nativePasswordHash,
  },
  identifiedClause: (plugin, verifier) => `identified with ${quoteText(plugin)} as ${quoteText(verifier)}`,
  // MySQL takes no verifier from a user without CREATE USER, but writes `<secret>` into its logs.
  changeOwnPasswordStatement: (_, password) =>
    `alter user current_user() identified by ${quoteText(password.new)} replace ${quoteText(password.old)}`,
  async refuseIrreversible(session, account, next) {
    await refuseIfRollbackBlocked(session, account, { few: 1, changes: [[session.password, next]] })
    refuseIfLockable(account)
  },
  async refuseByRules(session, change) {
    if (!change) return
    const broken = findBrokenRule(await readPasswordSettings(session), session.user, change.new, change.old)
    // What a dictionary says is known only once it is asked.
    if (broken && !broken.endsWith('dictionary_file')) throw translate({ errno: 1819 }, session.where)
  },
  readOnlyBypassPrivileges: ['SUPER', 'CONNECTION_ADMIN'],
  addPasswordPrivileges: ['APPLICATION_PASSWORD_ADMIN', 'CREATE USER'],
  // Of the accounts of that name, the one that is locked first.
  failedLoginsUntilLockQuery: user =>
    `select coalesce(min(nullif(user_attributes->>'$.Password_locking.failed_login_attempts', '0') + 0), 0)
     from mysql.user where user = ${user}
     and user_attributes->>'$.Password_locking.password_lock_time_days' <> '0'`,
  afterLockStatement: account => `alter user ${account} discard old password`,
  // The password to be replaced is named, so of two rotations that meet one gets a Conflict and nothing is lost.
  async checkBeforeAddingPassword(session, account, password, current) {
    refuseOtherAccounts(session, account)
    // Which ends with one of the two alone: that is set again then.
    const changes: PasswordChange[] = [current, password].map(kept => [kept, password])
    await refuseIfRollbackBlocked(session, account, { changes })
  },
  async addPassword(session, account, password, current) {
    await this.checkBeforeAddingPassword?.(session, account, password, current)
    const retain = (next: string, old: string) =>
      session.query(`${setOwnPasswordStatement(next, old)} retain current password`)
    try {
      await retain(password, current)
    } catch (error) {
      if (!(error instanceof Conflict)) throw error
      // Perhaps an earlier try has set it. If so, they can be turned around and back, and none is lost on the way.
      await retain(current, password)
      await retain(password, current)
    }
  },
  async keepOnlyPassword(session, account, password) {
    refuseOtherAccounts(session, account)
    await refuseIfRollbackBlocked(session, account)
    try {
      await session.query(`${setOwnPasswordStatement(password, session.password)}, ${DISCARD_OLD_PASSWORD}`)
    } catch (error) {
      if (!(error instanceof Conflict)) throw error
      // The session logged in with the older of the two; or another rotation is at work, and this is a Conflict again.
      await session.query(setOwnPasswordStatement(password, password))
      await session.query(`alter user ${DISCARD_OLD_PASSWORD}`)
    }
  },
}

const DISCARD_OLD_PASSWORD = 'current_user() discard old password'
const setOwnPasswordStatement = (next: string, old: string) =>
  `alter user current_user() identified by ${quoteText(next)} replace ${quoteText(old)}`

/** MySQL takes no verifier with a second password, and checks the old one only for a user's own account. */
function refuseOtherAccounts(session: SessionAccess, account: PasswordMethod): void {
  if (account.user !== session.user)
    throw new NotPermitted(`${account.name}: only the user itself can set a second password`)
}

/**
 * A rule of the server would stand in the way of a rollback: one against using a password again, unless it is of the last
 * `few` only; or one against any of the changes that have to be possible.
 */
async function refuseIfRollbackBlocked(
  session: SessionAccess,
  { name, clauses }: PasswordMethod,
  { few = 0, changes = [] }: { few?: number; changes?: PasswordChange[] } = {},
): Promise<void> {
  const settings = await readPasswordSettings(session)
  const limit = (clause = '', byDefault = '0') =>
    Number.parseInt(clause.endsWith('DEFAULT') ? byDefault : clause.replace(/\D+/, ''), 10)
  if (
    limit(clauses.history, settings.password_history) > few ||
    limit(clauses.reuse, settings.password_reuse_interval) > 0
  )
    throw new NotPermitted(
      `${name} may not use a password again (PASSWORD HISTORY or REUSE INTERVAL), so nothing could be rolled back`,
    )
  for (const [to, from] of changes) {
    const against = findBrokenRule(settings, session.user, to, from)
    if (against)
      throw new NotPermitted(
        `${name}: by ${against} the server may refuse to set a password again, so nothing could be rolled back`,
      )
  }
}

/** A password that may have to be set, and the one that it then replaces. */
type PasswordChange = [to: string, from: string]

async function readPasswordSettings({ query }: SessionAccess): Promise<GlobalVariables> {
  const rows = await query(
    `show global variables where variable_name like 'validate_password%'
     or variable_name in ('password_history', 'password_reuse_interval')`,
  )
  return Object.fromEntries(rows.map(row => Object.values(row).map(String)))
}

/** The application itself would lock the account: until it has read the new password, it is refused again and again. */
function refuseIfLockable({ name, clauses: { attempts = '', lockTime = '' } }: PasswordMethod): void {
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
