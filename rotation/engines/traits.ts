import type { EngineName } from '../credential.ts'

export type Traits = {
  /** The longest user name, and what the server counts: bytes of UTF-8, or characters. */
  userName: { longest: number; unit: 'bytes' | 'characters' }
  /** What a value means that leaves `port` or `dbname` out; no database is an empty text. */
  port: number
  database: string
}

/** What can be known of an engine without loading its driver. */
export const traits: Record<EngineName, Traits> = {
  postgres: { userName: { longest: 63, unit: 'bytes' }, port: 5432, database: 'postgres' },
  mysql: { userName: { longest: 32, unit: 'characters' }, port: 3306, database: '' },
  mariadb: { userName: { longest: 80, unit: 'characters' }, port: 3306, database: '' },
  opaque: { userName: { longest: 0, unit: 'bytes' }, port: 0, database: '' },
}
