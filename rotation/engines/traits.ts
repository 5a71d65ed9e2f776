import { isIP, isIPv6 } from 'node:net'
import type { StrategyName } from '../strategies/strategyNames.ts'

/** The engines that a credential may name, by AWS's own names in the secret's JSON. */
export const ENGINE_NAMES = ['postgres', 'redshift', 'mysql', 'mariadb', 'mongo', 'redis'] as const
/** `opaque` stands for no database; only a tag can say so, never a value. */
export type EngineName = (typeof ENGINE_NAMES)[number] | 'opaque'

/** Who changes the database under a strategy: the user itself; an admin, whom the value then must name; or RDS. */
export type Actor = 'user' | 'admin' | 'rds'

/** What a field of a value has to be, in words, and whether a text is that. */
type FieldRule = { expected: string; accepts(text: string, tls: boolean): boolean }

type EngineTraits = {
  /** Where it takes less than others do. A value that is refused for it is refused before anything was written. */
  fieldRules?: { host?: FieldRule; dbname?: FieldRule; username?: FieldRule }
  /** The longest user name, and what the server counts: bytes of UTF-8, or characters. */
  userName: { maxLength: number; unit: 'bytes' | 'characters' }
  /** The longest password in bytes, where one of the lengths that the settings allow is too long. */
  maxPasswordBytes?: number
  /** What a value means that leaves `port` or `dbname` out; no database is an empty text. */
  defaultPort: number
  defaultDatabase: string
  /** Its servers can lock an account after a few refused logins in a row. */
  locksAccounts?: true
  /** The strategies that it allows; docs/strategies.md shows them as a table. */
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

/** What can be known of an engine without loading its driver. */
export const engineTraits: Record<EngineName, EngineTraits> = {
  postgres: {
    userName: { maxLength: 63, unit: 'bytes' },
    defaultPort: 5432,
    defaultDatabase: 'postgres',
    actorByStrategy: RDS_STRATEGIES,
  },
  redshift: {
    userName: { maxLength: 127, unit: 'bytes' },
    defaultPort: 5439,
    defaultDatabase: 'dev',
    actorByStrategy: BASIC_STRATEGIES,
  },
  mysql: {
    fieldRules: { host: hostNameRule },
    userName: { maxLength: 32, unit: 'characters' },
    // With a longer one nobody logs in, though an admin may set it.
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
      // The driver escapes the first comma and the first `=` alone, and a server takes each =2C and =3D for an escape.
      username: {
        expected: 'a name that the driver can send: with no second comma, nor =2C or =3D after another =',
        accepts: name => !/,.*,|=.*=(2C|3D)/s.test(name),
      },
    },
    userName: { maxLength: 63, unit: 'bytes' },
    defaultPort: 27017,
    defaultDatabase: 'admin',
    actorByStrategy: BASIC_STRATEGIES,
  },
  redis: {
    fieldRules: {
      dbname: { expected: 'the number of a database, or left out', accepts: name => /^\d+$/.test(name) },
    },
    // It knows no limit.
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
