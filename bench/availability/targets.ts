import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { Admin } from '../../local/client/users.ts'
import type { Embedded } from '../../local/embedded/embedded.ts'
import type { MysqlServer } from '../../local/servers/mysql.ts'
import * as family from '../../local/servers/mysqlDatabase.ts'
import type { App } from '../../local/servers/postgresDatabase.ts'
import type { RedisServer } from '../../local/servers/redis.ts'
import * as redis from '../../local/servers/redisDatabase.ts'
import { createClient } from '../../rotation/engines/redis/redisConnection.ts'
import type { StrategyName } from '../../rotation/strategies/strategyNames.ts'
import type { Target } from './measureAvailability.ts'
import { makeMysqlQuery, makePostgresQuery } from './queries.ts'

/** Makes a user of PostgreSQL, its secret, and an application's query. */
export async function makePostgresTarget(
  { users, postgres }: Embedded,
  admin: Admin,
  strategy: StrategyName,
): Promise<Target> {
  const tags = { 'keyturn:strategy': strategy }
  const user = `app_${randomUUID().slice(0, 8)}`
  return {
    strategy,
    server: `PostgreSQL ${postgres.version}`,
    secret: await users.enrol(user, { tags, ...(strategy !== 'single-user' && { admin }) }),
    query: makePostgresQuery(postgres.caFile),
  }
}

/** Makes a user with dual passwords of MySQL, which sets them itself, or of MariaDB, where an admin sets them. */
export async function makeMysqlTarget(embedded: Embedded, server: MysqlServer): Promise<Target> {
  const { caFile, engine, name } = server
  const app = await family.makeApp(server)
  if (engine === 'mysql')
    await family.runStatements(server, `grant application_password_admin on *.* to ${app.user}`)
  return makeDualPasswordTarget(embedded, name, app, makeMysqlQuery(caFile))
}

/** Makes a user of Redis with dual passwords, which an admin sets. */
export async function makeRedisTarget(embedded: Embedded, server: RedisServer): Promise<Target> {
  const secureContext = createSecureContext({ ca: readFileSync(server.caFile, 'utf8') })
  const app = await redis.makeApp(server, { ordinary: true })
  return makeDualPasswordTarget(embedded, server.name, app, async ({ host, port, username, password }) => {
    const socket = { host, port, tls: true as const, secureContext, reconnectStrategy: false as const }
    const client = createClient({ username, password, socket })
    client.on('error', () => {})
    try {
      await client.connect()
      await client.sendCommand(['PING'])
      return true
    } catch (error) {
      if ((error as Error).message.startsWith('WRONGPASS')) return false
      throw error
    } finally {
      client.destroy()
    }
  })
}

async function makeDualPasswordTarget(
  embedded: Embedded,
  server: string,
  app: App,
  query: Target['query'],
): Promise<Target> {
  return {
    strategy: 'dual-password',
    server,
    secret: await enrolApp(embedded, app, { 'keyturn:strategy': 'dual-password' }),
    query,
  }
}

/** Stores the credentials of an application's user and its admin. @returns the ARN of the user's secret */
export async function enrolApp(
  { users }: Embedded,
  { current, admin }: App,
  tags: Record<string, string>,
): Promise<string> {
  const masterarn = await users.valueStore.put(`bench/${admin.username}`, admin.serialize(), {
    'keyturn:admin': 'true',
  })
  const value = { ...JSON.parse(current.serialize()), masterarn }
  return users.valueStore.put(`bench/${current.username}`, JSON.stringify(value), {
    'keyturn:managed': 'true',
    ...tags,
  })
}
