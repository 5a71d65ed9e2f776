import { quoteText } from './mysqlClone.ts'
import { type Flavour, MysqlFamily, type MysqlOptions } from './mysqlSession.ts'
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
    `set session sql_mode = '', print_identified_with_as_hex = on, lock_wait_timeout = ${Math.ceil(seconds)},
     max_execution_time = ${seconds * 1000}`,
  verifiers: { caching_sha2_password: cachingSha2Verifier, mysql_native_password: nativeVerifier },
  identified: (plugin, verifier) => `identified with ${quoteText(plugin)} as ${quoteText(verifier)}`,
  // MySQL takes no verifier from a user without CREATE USER, but writes `<secret>` into its logs.
  changeOwn: (_, password) =>
    `alter user current_user() identified by ${quoteText(password.new)} replace ${quoteText(password.old)}`,
  afterLock: account => `alter user ${account} discard old password`,
}

/** MySQL, also as RDS and Aurora. The tests run it against MySQL 9. */
export class Mysql extends MysqlFamily {
  constructor(options: MysqlOptions) {
    super(flavour, options)
  }
}
