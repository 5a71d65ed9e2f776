import { Credential } from '../../rotation/credential.ts'
import { passwordDigest } from '../../rotation/engines/redis/redisAcl.ts'
import { createClient } from '../../rotation/engines/redis/redisConnection.ts'
import { ADMIN_ARN, type App, randomHex } from './postgresDatabase.ts'
import type { RedisServer } from './redis.ts'

/** Runs commands, one after the other, as the server's superuser or as `login`. Gives back the last one's reply. */
export async function runCommands<T>(
  { host, plainPort, superuser }: RedisServer,
  commands: string[][],
  login: { username: string; password: string } = superuser,
): Promise<T> {
  const socket = { host, port: plainPort, reconnectStrategy: false as const }
  const client = createClient({ ...login, socket, disableClientInfo: true })
  client.on('error', () => {})
  await client.connect()
  try {
    let reply: unknown
    for (const command of commands) reply = await client.sendCommand(command)
    return reply as T
  } finally {
    client.destroy()
  }
}

/** A value for `username` on this server. */
export function credentialFor(
  { host, port }: Pick<RedisServer, 'host' | 'port'>,
  username: string,
  password: string,
  more: Record<string, unknown> = {},
): Credential {
  return Credential.parse(JSON.stringify({ engine: 'redis', host, port, username, password, ...more }))
}

/** What it takes to change users and to have the changes saved. Whoever has it may do everything. */
const ADMIN_RULES = ['+acl|setuser', '+acl|list', '+acl|save', '+multi', '+exec']

/**
 * An application's user, for the keys `<database>:*`, and an admin. As nobody may change a password who may not change
 * all, the user may, unless it is to be an ordinary one.
 */
export async function makeApp(
  server: RedisServer,
  {
    user = `app_${randomHex()}`,
    password = `first-${randomHex(12)}`,
    ordinary = false,
    more = {} as Record<string, unknown>,
  } = {},
): Promise<App> {
  const database = `db_${randomHex()}`
  const admin = { username: `admin_${randomHex()}`, password: `admin-${randomHex(12)}` }
  const rules = [
    `~${database}:*`,
    '~shared:*',
    `&${database}:*`,
    '+@read',
    '+@write',
    '+ping',
    '-@dangerous',
    '+command|info',
  ]
  await runCommands(server, [
    [
      'ACL',
      'SETUSER',
      admin.username,
      'on',
      `#${passwordDigest(admin.password)}`,
      ...ADMIN_RULES,
      '+acl|deluser',
      '+client|list',
    ],
    [
      'ACL',
      'SETUSER',
      user,
      'on',
      `#${passwordDigest(password)}`,
      ...rules,
      ...(ordinary ? [] : ADMIN_RULES),
    ],
  ])
  return {
    database: '0',
    user,
    current: credentialFor(server, user, password, { masterarn: ADMIN_ARN, ...more }),
    admin: credentialFor(server, admin.username, admin.password, more),
    drop: async () => {},
  }
}

/** True if user and password log in now, seen from outside Keyturn. */
export async function admits(server: RedisServer, { username, password }: Credential): Promise<boolean> {
  try {
    await runCommands(server, [], { username, password })
    return true
  } catch (error) {
    if ((error as Error).message.startsWith('WRONGPASS')) return false
    throw error
  }
}
