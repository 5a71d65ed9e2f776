import { authPlugins, ed25519Verifier, parsecVerifier } from './mariadbPlugins.ts'
import { quoteText } from './mysqlClone.ts'
import { type Flavour, MysqlFamily, type MysqlOptions } from './mysqlSession.ts'
import { nativeVerifier } from './mysqlVerifiers.ts'

const verifiers: Flavour['verifiers'] = {
  mysql_native_password: nativeVerifier,
  ed25519: ed25519Verifier,
  parsec: parsecVerifier,
}

const flavour: Flavour = {
  engine: 'mariadb',
  plugin: 'mysql_native_password',
  limits: [
    'MAX_QUERIES_PER_HOUR',
    'MAX_UPDATES_PER_HOUR',
    'MAX_CONNECTIONS_PER_HOUR',
    'MAX_USER_CONNECTIONS',
    'MAX_STATEMENT_TIME',
  ],
  clauses: { require: 'REQUIRE NONE', expire: 'PASSWORD EXPIRE DEFAULT' },
  defaultRoles: (account, [role]) => `set default role ${role ?? 'none'} for ${account}`,
  prepare: seconds =>
    `set session sql_mode = '', lock_wait_timeout = ${Math.ceil(seconds)}, max_statement_time = ${seconds}`,
  verifiers,
  authPlugins,
  identified: (plugin, verifier) => `identified via ${plugin} using ${quoteText(verifier)}`,
  // MariaDB logs statements as they come, so it gets nothing but verifiers.
  changeOwn: (plugin, password) => `set password = ${quoteText(verifiers[plugin]?.(password.new) ?? '')}`,
}

/** MariaDB, also as RDS. The tests run it against 10.11 and 11.8. */
export class Mariadb extends MysqlFamily {
  constructor(options: MysqlOptions) {
    super(flavour, options)
  }
}
