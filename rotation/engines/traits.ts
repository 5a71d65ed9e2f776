import type { EngineName } from '../credential.ts'

export type Traits = {
  /** The longest user name, in bytes of UTF-8. */
  userNameBytes: number
  /** What a value means that leaves `port` or `dbname` out. */
  port: number
  database: string
}

/** What can be known of an engine without loading its driver. */
export const traits: Record<EngineName, Traits> = {
  postgres: { userNameBytes: 63, port: 5432, database: 'postgres' },
  opaque: { userNameBytes: 0, port: 0, database: '' },
}
