import { Credential } from '../../rotation/credential.ts'
import { passwordDigest } from '../../rotation/engines/redis/redisAcl.ts'
import { createClient } from '../../rotation/engines/redis/redisConnection.ts'
import { ADMIN_ARN, type App, randomHex } from './postgresDatabase.ts'
import type { RedisServer } from './redis.ts'

/** Runs commands one after the other, as the server's superuser or as `login`. @returns the reply to the last one */
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

/** A credential for a user of this server. */
export function credentialFor(
  { host, port }: Pick<RedisServer, 'host' | 'port'>,
  username: string,
  password: string,
  more: Record<string, unknown> = {},
): Credential {
  return Credential.parse(JSON.stringify({ engine: 'redis', host, port, username, password, ...more }))
}

/** The ACL rules that a user needs to change users and to save the changes. They let the user give itself every right. */
const ADMIN_RULES = ['+acl|setuser', '+acl|list', '+acl|save', '+multi', '+exec']

/**
 * Makes an application's user, which may use keys with a prefix of its own and the keys `shared:*`, and an admin. The user may
 * change all users, as Redis has no narrower right to change one's own password; with `ordinary` it may not.
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
  const keyPrefix = `db_${randomHex()}`
  const admin = { username: `admin_${randomHex()}`, password: `admin-${randomHex(12)}` }
  const rules = [
    `~${keyPrefix}:*`,
    '~shared:*',
    `&${keyPrefix}:*`,
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

/** Whether a login with this user and password succeeds, without Keyturn's engines. @throws any other error than a refused login */
export async function admits(server: RedisServer, { username, password }: Credential): Promise<boolean> {
  try {
    await runCommands(server, [], { username, password })
    return true
  } catch (error) {
    if ((error as Error).message.startsWith('WRONGPASS')) return false
    throw error
  }
}
