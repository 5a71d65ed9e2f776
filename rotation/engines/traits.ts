import { isIP, isIPv6 } from 'node:net'
import type { StrategyName } from '../strategies/strategyNames.ts'

/**
 * The engines that the `engine` field of a stored value may name. A name is the one that AWS uses in secrets, if AWS has one, else
 * the product's.
 */
export const ENGINE_NAMES = ['postgres', 'redshift', 'mysql', 'mariadb', 'mongo', 'redis'] as const
/** An engine. `opaque` is a value without a database; a tag of the secret selects it, as no stored value can name it. */
export type EngineName = (typeof ENGINE_NAMES)[number] | 'opaque'

/**
 * Who changes the database under a strategy: the user itself, an admin (the stored value must then name the admin's
 * secret), or RDS.
 */
export type Actor = 'user' | 'admin' | 'rds'

/** A restriction on one field of a stored value: `expected` says it in words, for errors; `accepts` checks a text. */
type FieldRule = { expected: string; accepts(text: string, tls: boolean): boolean }

type EngineTraits = {
  /**
   * Restrictions that this engine has beside those of all engines. A value that breaks one is refused before anything is written.
   */
  fieldRules?: { host?: FieldRule; dbname?: FieldRule; username?: FieldRule }
  /** The longest user name, and the unit that the server counts in: bytes of UTF-8 or characters. */
  userName: { maxLength: number; unit: 'bytes' | 'characters' }
  /**
   * The longest password in bytes. A rotation is refused if the setting PASSWORD_LENGTH, of the secret's tag or else of the
   * deployment, asks for more. Left out if any PASSWORD_LENGTH will do: the setting is at most 1024.
   */
  maxPasswordBytes?: number
  /** The port of a value without `port`. */
  defaultPort: number
  /** The database of a value without `dbname`; an empty text is no database. */
  defaultDatabase: string
  /** Set if a user belongs to one database: the same name in another database is another user. */
  userBelongsToDatabase?: true
  /** Set if servers of this engine can lock an account after several refused logins in a row. */
  locksAccounts?: true
  /** The strategies that the engine allows, each with who changes the database; docs/strategies.md has them as a table. */
  actorByStrategy: Partial<Record<StrategyName, Actor>> & { 'single-user': 'user' }
}

const BASIC_STRATEGIES = {
  'single-user': 'user',
  'alternating-users': 'admin',
  'temporary-clone': 'admin',
} as const
const hostNameRule: FieldRule = {
  expected: 'a name: a certificate is not checked against an address',
  accepts: (host, tls) => !tls || !isIP(host),
}
const RDS_STRATEGIES = { ...BASIC_STRATEGIES, master: 'rds' } as const

/** The facts about each engine that are known without loading its driver. */
export const engineTraits: Record<EngineName, EngineTraits> = {
  postgres: {
    // https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
    userName: { maxLength: 63, unit: 'bytes' },
    defaultPort: 5432,
    defaultDatabase: 'postgres',
    actorByStrategy: RDS_STRATEGIES,
  },
  redshift: {
    // https://docs.aws.amazon.com/redshift/latest/dg/r_names.html
    userName: { maxLength: 127, unit: 'bytes' },
    defaultPort: 5439,
    defaultDatabase: 'dev',
    actorByStrategy: BASIC_STRATEGIES,
  },
  mysql: {
    fieldRules: { host: hostNameRule },
    userName: { maxLength: 32, unit: 'characters' },
    // An admin can set a longer password, but nobody can log in with it: MAX_PLAINTEXT_LENGTH in MySQL's
    // include/crypt_genhash_impl.h.
    maxPasswordBytes: 256,
    defaultPort: 3306,
    defaultDatabase: '',
    locksAccounts: true,
    actorByStrategy: { ...RDS_STRATEGIES, 'dual-password': 'user' },
  },
  mariadb: {
    fieldRules: { host: hostNameRule },
    userName: { maxLength: 80, unit: 'characters' },
    defaultPort: 3306,
    defaultDatabase: '',
    locksAccounts: true,
    actorByStrategy: { ...RDS_STRATEGIES, 'dual-password': 'admin' },
  },
  mongo: {
    fieldRules: {
      host: {
        expected: 'the name of one server, without scheme, port or path',
        accepts: host => isIPv6(host) || /^[\w.-]+$/.test(host),
      },
      dbname: {
        expected: 'the name of a database, or left out',
        accepts: name => /^[^/\\. "$*<>:|?]{1,63}$/.test(name),
      },
      // SCRAM sends `,` as =2C and `=` as =3D (https://www.rfc-editor.org/rfc/rfc5802#section-5.1). The driver escapes
      // only the first comma and the first `=`, while the server reads every =2C and =3D as an escape.
      username: {
        expected: 'a name that the driver can send: with no second comma, nor =2C or =3D after another =',
        accepts: name => !/,.*,|=.*=(2C|3D)/s.test(name),
      },
    },
    userName: { maxLength: 63, unit: 'bytes' },
    defaultPort: 27017,
    defaultDatabase: 'admin',
    // https://www.mongodb.com/docs/manual/core/security-users/
    userBelongsToDatabase: true,
    actorByStrategy: BASIC_STRATEGIES,
  },
  redis: {
    fieldRules: {
      dbname: { expected: 'the number of a database, or left out', accepts: name => /^\d+$/.test(name) },
    },
    // Redis has no limit.
    userName: { maxLength: Number.POSITIVE_INFINITY, unit: 'bytes' },
    defaultPort: 6379,
    defaultDatabase: '',
    actorByStrategy: { ...BASIC_STRATEGIES, 'dual-password': 'admin' },
  },
  opaque: {
    userName: { maxLength: 0, unit: 'bytes' },
    defaultPort: 0,
    defaultDatabase: '',
    actorByStrategy: { 'single-user': 'user' },
  },
}
