import { Conflict, NotPermitted } from '../../errors.ts'
import { quoteText } from './mysqlAccount.ts'
import { translate } from './mysqlErrors.ts'
import { MysqlFamily, type MysqlOptions } from './mysqlFamily.ts'
import type { Flavour, RotatableAccount, SessionAccess } from './mysqlFlavour.ts'
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
  identifiedClause: (plugin, passwordHash) =>
    `identified with ${quoteText(plugin)} as ${quoteText(passwordHash)}`,
  // From a user without CREATE USER, MySQL accepts only the password itself. Its logs show `<secret>` in the password's place
  // (https://dev.mysql.com/doc/refman/8.4/en/password-logging.html).
  changeOwnPasswordStatement: (_, password) =>
    `alter user current_user() identified by ${quoteText(password.new)} replace ${quoteText(password.old)}`,
  async refuseIrreversible(session, account, next) {
    await refuseIfRollbackBlocked(session, account, { maxHistory: 1, changes: [[session.password, next]] })
    refuseIfLockable(account)
  },
  async refuseByRules(session, change) {
    if (!change) return
    const broken = findBrokenRule(await readPasswordSettings(session), session.user, change.new, change.old)
    // A dictionary cannot be read, so its rule is not known to be broken.
    if (broken && !broken.endsWith('dictionary_file')) throw translate({ errno: 1819 }, session.where)
  },
  readOnlyBypassPrivileges: ['SUPER', 'CONNECTION_ADMIN'],
  addPasswordPrivileges: ['APPLICATION_PASSWORD_ADMIN', 'CREATE USER'],
  // Several accounts may have that user name. The query selects the lowest limit.
  failedLoginsUntilLockQuery: user =>
    `select coalesce(min(nullif(user_attributes->>'$.Password_locking.failed_login_attempts', '0') + 0), 0)
     from mysql.user where user = ${user}
     and user_attributes->>'$.Password_locking.password_lock_time_days' <> '0'`,
  afterCloseStatement: account => `alter user ${account} discard old password`,
  async checkBeforeAddingPassword(session, account, password, current) {
    refuseOtherAccounts(session, account)
    // A rotation or its rollback ends by setting again the one of the two passwords that is kept.
    const changes: PasswordChange[] = [current, password].map(kept => [kept, password])
    await refuseIfRollbackBlocked(session, account, { changes })
  },
  // Each statement names the password that it replaces. So if two rotations meet, one gets a Conflict and no password is lost.
  async addPassword(session, account, password, current) {
    await this.checkBeforeAddingPassword?.(session, account, password, current)
    const setAndRetain = (next: string, old: string) =>
      session.query(`${setOwnPasswordStatement(next, old)} retain current password`)
    try {
      await setAndRetain(password, current)
    } catch (error) {
      if (!(error instanceof Conflict)) throw error
      // An earlier attempt may have set the password already. Then the two can be swapped and swapped back, and both log in
      // all the while. If another rotation set a password, this is a Conflict again.
      await setAndRetain(current, password)
      await setAndRetain(password, current)
    }
  },
  async keepOnlyPassword(session, account, password) {
    refuseOtherAccounts(session, account)
    await refuseIfRollbackBlocked(session, account)
    try {
      await session.query(`${setOwnPasswordStatement(password, session.password)}, ${DISCARD_OLD_PASSWORD}`)
    } catch (error) {
      if (!(error instanceof Conflict)) throw error
      // The session may have logged in with the secondary password. If another rotation is the cause, this is a Conflict again.
      await session.query(setOwnPasswordStatement(password, password))
      await session.query(`alter user ${DISCARD_OLD_PASSWORD}`)
    }
  },
}

/**
 * An ALTER USER statement without its first two words
 * (https://dev.mysql.com/doc/refman/8.4/en/password-management.html#dual-passwords).
 */
const DISCARD_OLD_PASSWORD = 'current_user() discard old password'
const setOwnPasswordStatement = (next: string, old: string) =>
  `alter user current_user() identified by ${quoteText(next)} replace ${quoteText(old)}`

/**
 * Refuses two passwords for another user's account. MySQL accepts REPLACE, which names the replaced password, only for a user's
 * own account (https://dev.mysql.com/doc/refman/8.4/en/alter-user.html).
 */
function refuseOtherAccounts(session: SessionAccess, account: RotatableAccount): void {
  if (account.user !== session.user)
    throw new NotPermitted(`${account.name}: only the user itself can set a second password`)
}

/**
 * Refuses an account if a rule of the server would make a rollback fail.
 * @param maxHistory The longest PASSWORD HISTORY that lets the rollback set the password again.
 * @param changes The changes of the password that have to be possible.
 * @throws NotPermitted
 */
async function refuseIfRollbackBlocked(
  session: SessionAccess,
  { name, clauses }: RotatableAccount,
  { maxHistory = 0, changes = [] }: { maxHistory?: number; changes?: PasswordChange[] } = {},
): Promise<void> {
  const settings = await readPasswordSettings(session)
  const limit = (clause = '', byDefault = '0') =>
    Number.parseInt(clause.endsWith('DEFAULT') ? byDefault : clause.replace(/\D+/, ''), 10)
  if (
    limit(clauses.history, settings.password_history) > maxHistory ||
    limit(clauses.reuse, settings.password_reuse_interval) > 0
  )
    throw new NotPermitted(
      `${name} may not use a password again (PASSWORD HISTORY or REUSE INTERVAL), so nothing could be rolled back`,
    )
  for (const [to, from] of changes) {
    const brokenRule = findBrokenRule(settings, session.user, to, from)
    if (brokenRule)
      throw new NotPermitted(
        `${name}: by ${brokenRule} the server may refuse to set a password again, so nothing could be rolled back`,
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

/**
 * Refuses an account that the server locks after refused logins. The application would have it locked: between the change of the
 * only password and the moment when the application reads the new one, its logins are refused.
 * @throws NotPermitted
 */
function refuseIfLockable({ name, clauses: { attempts = '', lockTime = '' } }: RotatableAccount): void {
  if (/[1-9]/.test(attempts) && !lockTime.endsWith(' 0'))
    throw new NotPermitted(
      `${name} is locked after refused logins (FAILED_LOGIN_ATTEMPTS), which a change of its only password causes`,
    )
}

/** The engine for MySQL, also on RDS and Aurora. */
export class Mysql extends MysqlFamily {
  constructor(options: MysqlOptions) {
    super(flavour, options)
  }
}
