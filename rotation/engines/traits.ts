import { isIP, isIPv6 } from 'node:net'
import type { StrategyName } from '../strategies/names.ts'

/** The engines that a credential may name, by AWS's own names in the secret's JSON. */
export const engineNames = ['postgres', 'redshift', 'mysql', 'mariadb', 'mongo', 'redis'] as const
/** `opaque` stands for no database; only a tag can say so, never a value. */
export type EngineName = (typeof engineNames)[number] | 'opaque'

/** Who changes the database under a strategy: the user itself; an admin, whom the value then must name; or RDS. */
export type Actor = 'user' | 'admin' | 'rds'

/** What a field of a value has to be, in words, and whether a text is that. */
type Form = { should: string; fits(text: string, tls: boolean): boolean }

type Traits = {
  /** Where it takes less than others do. A value that is refused for it is refused before anything was written. */
  forms?: { host?: Form; dbname?: Form; username?: Form }
  /** The longest user name, and what the server counts: bytes of UTF-8, or characters. */
  userName: { longest: number; unit: 'bytes' | 'characters' }
  /** The longest password in bytes, where one of the lengths that the settings allow is too long. */
  longestPassword?: number
  /** What a value means that leaves `port` or `dbname` out; no database is an empty text. */
  port: number
  database: string
  /** Its servers can lock an account after a few refused logins in a row. */
  locks?: true
  /** The strategies that it allows; docs/strategies.md shows them as a table. */
  strategies: Partial<Record<StrategyName, Actor>> & { 'single-user': 'user' }
}

const oneOrTwoUsers = {
  'single-user': 'user',
  'alternating-users': 'admin',
  'temporary-clone': 'admin',
} as const
const name: Form = {
  should: 'a name: a certificate is not checked against an address',
  fits: (host, tls) => !tls || !isIP(host),
}
const ofRds = { ...oneOrTwoUsers, master: 'rds' } as const

/** What can be known of an engine without loading its driver. */
export const traits: Record<EngineName, Traits> = {
  postgres: {
    userName: { longest: 63, unit: 'bytes' },
    port: 5432,
    database: 'postgres',
    strategies: ofRds,
  },
  redshift: {
    userName: { longest: 127, unit: 'bytes' },
    port: 5439,
    database: 'dev',
    strategies: oneOrTwoUsers,
  },
  mysql: {
    forms: { host: name },
    userName: { longest: 32, unit: 'characters' },
    // With a longer one nobody logs in, though an admin may set it.
    longestPassword: 256,
    port: 3306,
    database: '',
    locks: true,
    strategies: { ...ofRds, 'dual-password': 'user' },
  },
  mariadb: {
    forms: { host: name },
    userName: { longest: 80, unit: 'characters' },
    port: 3306,
    database: '',
    locks: true,
    strategies: { ...ofRds, 'dual-password': 'admin' },
  },
  mongo: {
    forms: {
      host: {
        should: 'the name of one server, without scheme, port or path',
        fits: host => isIPv6(host) || /^[\w.-]+$/.test(host),
      },
      dbname: {
        should: 'the name of a database, or left out',
        fits: name => /^[^/\\. "$*<>:|?]{1,63}$/.test(name),
      },
      // The driver escapes the first comma and the first `=` alone, and a server takes each =2C and =3D for an escape.
      username: {
        should: 'a name that the driver can send: with no second comma, nor =2C or =3D after another =',
        fits: name => !/,.*,|=.*=(2C|3D)/s.test(name),
      },
    },
    userName: { longest: 63, unit: 'bytes' },
    port: 27017,
    database: 'admin',
    strategies: oneOrTwoUsers,
  },
  redis: {
    forms: {
      dbname: { should: 'the number of a database, or left out', fits: name => /^\d+$/.test(name) },
    },
    // It knows no limit.
    userName: { longest: Number.POSITIVE_INFINITY, unit: 'bytes' },
    port: 6379,
    database: '',
    strategies: { ...oneOrTwoUsers, 'dual-password': 'admin' },
  },
  opaque: {
    userName: { longest: 0, unit: 'bytes' },
    port: 0,
    database: '',
    strategies: { 'single-user': 'user' },
  },
}
