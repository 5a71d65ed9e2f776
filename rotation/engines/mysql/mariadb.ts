import { NotPermitted } from '../../errors.ts'
import { authPlugins, ed25519PasswordHash, parsecPasswordHash } from './mariadbPlugins.ts'
import { quoteText } from './mysqlAccount.ts'
import { translate } from './mysqlErrors.ts'
import { MysqlFamily, type MysqlOptions } from './mysqlFamily.ts'
import type { Flavour, RotatableAccount, SessionAccess } from './mysqlFlavour.ts'
import { nativePasswordHash } from './mysqlPasswordHashes.ts'

const passwordHashers: Flavour['passwordHashers'] = {
  mysql_native_password: nativePasswordHash,
  ed25519: ed25519PasswordHash,
  parsec: parsecPasswordHash,
}

/**
 * The default of max_password_errors, and its maximum, which is no limit:
 * https://mariadb.com/docs/server/ha-and-performance/optimization-and-tuning/system-variables/server-system-variables
 */
const UNLIMITED_PASSWORD_ERRORS_COUNT = 4_294_967_295

const flavour: Flavour = {
  engine: 'mariadb',
  defaultPlugin: 'mysql_native_password',
  limitNames: [
    'MAX_QUERIES_PER_HOUR',
    'MAX_UPDATES_PER_HOUR',
    'MAX_CONNECTIONS_PER_HOUR',
    'MAX_USER_CONNECTIONS',
    'MAX_STATEMENT_TIME',
  ],
  defaultClauses: { require: 'REQUIRE NONE', expire: 'PASSWORD EXPIRE DEFAULT' },
  defaultRolesStatement: (account, [role]) => `set default role ${role ?? 'none'} for ${account}`,
  setUpStatement: seconds =>
    `set session sql_mode = '', sql_quote_show_create = on, lock_wait_timeout = ${Math.ceil(seconds)}, max_statement_time = ${seconds}`,
  passwordHashers,
  authPlugins,
  identifiedClause: (plugin, passwordHash) => `identified via ${plugin} using ${quoteText(passwordHash)}`,
  // MariaDB logs statements unchanged, so they contain only hashes of passwords.
  changeOwnPasswordStatement: (plugin, password) =>
    `set password = ${quoteText(passwordHashers[plugin]?.(password.new) ?? '')}`,
  async refuseIrreversible({ query }, { name }) {
    const [row] = await query('select @@max_password_errors as errors')
    if (Number(row?.errors) < UNLIMITED_PASSWORD_ERRORS_COUNT)
      throw new NotPermitted(
        `${name} is blocked after refused logins (max_password_errors), which a change of its only password causes`,
      )
  },
  async refuseByRules({ query, where }) {
    const [strict] = await query(
      `select 1 from information_schema.plugins where plugin_type = 'PASSWORD VALIDATION'
       and plugin_status = 'ACTIVE' and @@strict_password_validation`,
    )
    if (strict) throw translate({ errno: 1290, message: 'strict-password-validation' }, where)
  },
  readOnlyBypassPrivileges: ['READ_ONLY ADMIN'],
  defaultRolePrivilege: 'UPDATE',
  failedLoginsUntilLockQuery: () =>
    `select if(@@max_password_errors < ${UNLIMITED_PASSWORD_ERRORS_COUNT}, @@max_password_errors, 0)`,
  addPassword: (session, account, ...passwords) => identifyBy(session, account, passwords),
  keepOnlyPassword: (session, account, password) => identifyBy(session, account, [password]),
}

/** Makes these passwords log in, and no others, in one statement. It needs CREATE USER, so an admin's session runs it. */
async function identifyBy(
  { query }: SessionAccess,
  { name, plugin, hashPassword }: RotatableAccount,
  passwords: string[],
): Promise<void> {
  const methods = passwords.map(password => `${plugin} using ${quoteText(hashPassword(password))}`)
  await query(`alter user ${name} identified via ${methods.join(' or ')} account unlock`)
}

/** The engine for MariaDB, also on RDS. */
export class Mariadb extends MysqlFamily {
  constructor(options: MysqlOptions) {
    super(flavour, options)
  }
}
