import type { Engine, EngineOptions } from './engine.ts'
import type { EngineName } from './traits.ts'

/** A function for each engine that loads the engine's driver and constructs the engine. */
export const engineLoaders: Record<EngineName, (options: EngineOptions) => Promise<Engine>> = {
  postgres: async options => new (await import('./postgres/postgres.ts')).Postgres(options),
  redshift: async options => new (await import('./redshift/redshift.ts')).Redshift(options),
  mongo: async options => new (await import('./mongodb/mongodb.ts')).Mongodb(options),
  opaque: async () => new (await import('./opaque.ts')).Opaque(),
  mysql: async options => new (await import('./mysql/mysql.ts')).Mysql(options),
  mariadb: async options => new (await import('./mysql/mariadb.ts')).Mariadb(options),
  redis: async options => new (await import('./redis/redis.ts')).Redis(options),
}
