import { mkdir, rm, writeFile } from 'node:fs/promises'
import { randomHex } from '../../local/servers/postgresDatabase.ts'
import type { RunningRedis } from '../../local/servers/redis.ts'
import { passwordDigest } from '../../rotation/engines/redis/redisAcl.ts'
import { connect, type RedisConnection } from '../../rotation/engines/redis/redisConnection.ts'
import type { Entry, World } from './world.ts'

const pairs = ['alternating-users', 'temporary-clone'] as const

/** Opens a connection of the server's superuser and keeps it, as the server accepts no other in some states. */
export async function openCommander(server: RunningRedis) {
  const where = { host: server.host, port: server.plainPort, database: 0 }
  let connection: RedisConnection | undefined
  const open = () =>
    connect({ ...where, ...server.superuser, connectTimeout: 5_000, commandTimeout: 600_000 })
  return {
    async run<T = unknown>(...commands: string[][]): Promise<T> {
      if (!connection?.isOpen) connection = await open()
      let answer: unknown
      for (const command of commands) answer = await connection.sendCommand(command)
      return answer as T
    },
    end: () => connection?.destroy(),
  }
}

type Run = Awaited<ReturnType<typeof openCommander>>['run']

/** @returns a user's rules and passwords, as arguments of ACL SETUSER; undefined if there is no such user */
async function readRules(run: Run, user: string): Promise<string[] | undefined> {
  const line = (await run<string[]>(['ACL', 'LIST'])).find(line => line.startsWith(`user ${user} `))
  return line?.slice(`user ${user} `.length).match(/\(.*?\)(?= \(|$)|[^ ]+/g) ?? undefined
}

const isPassword = (word: string) => word.startsWith('#') || word === 'nopass'

/** Gives an account its earlier rules again. It keeps its present passwords, or gets current's if it is current's user. */
async function restore(run: Run, world: World, user: string, before: string[]): Promise<void> {
  const current = await world.current()
  const now = (await readRules(run, user)) ?? []
  const passwords =
    user === current.username
      ? [`#${passwordDigest(current.password)}`]
      : now.filter(word => word.startsWith('#'))
  const rules = before.filter(word => !isPassword(word))
  await run(['ACL', 'SETUSER', user, 'reset', ...rules, 'on', ...passwords])
}

/** Restores the account that was changed, and current's user too, as a rotation may have made it equal to that account. */
async function restoreBoth(run: Run, world: World, user: string): Promise<void> {
  const before = world.kept as string[] | undefined
  const { username } = await world.current()
  if (!before) {
    if (user !== username) await run(['ACL', 'DELUSER', user])
    return
  }
  for (const name of new Set([user, username])) await restore(run, world, name, before)
}

const losesAllCommands = (rules: string[]) => rules.some(rule => rule === '-@all')

/** What a DBA may change about one account. `about` is the field of ACL GETUSER, and the flag, that it changes. */
const changes: {
  name: string
  about: string
  rules: string[]
  locksOut?: true
  isUndecidable?: Entry['isUndecidable']
}[] = [
  { name: 'is turned off', about: 'flags off', rules: ['off'], locksOut: true },
  {
    name: 'accepts any password',
    about: 'flags nopass',
    rules: ['nopass'],
    isUndecidable: ({ strategy }) => strategy !== 'single-user',
  },
  { name: 'loses all passwords', about: 'passwords', rules: ['resetpass'], locksOut: true },
  { name: 'gets a second password', about: 'passwords', rules: [`#${passwordDigest('besides')}`] },
  { name: 'is reset', about: 'flags on', rules: ['reset'], locksOut: true },
  {
    name: 'is reset except for its password',
    about: 'commands',
    rules: ['-@all', 'resetkeys', 'resetchannels'],
  },
  { name: 'gets all commands', about: 'flags allcommands', rules: ['+@all'] },
  { name: 'gets a command', about: 'commands', rules: ['+publish', '-get', '+config|get'] },
  { name: 'loses all commands', about: 'commands', rules: ['-@all'] },
  { name: 'gets all keys', about: 'flags allkeys', rules: ['~*'] },
  { name: 'gets keys', about: 'keys', rules: ['~more:*', '%R~read:*'] },
  { name: 'loses all keys', about: 'keys', rules: ['resetkeys'] },
  { name: 'gets all channels', about: 'flags allchannels', rules: ['allchannels'] },
  { name: 'gets a channel', about: 'channels', rules: ['resetchannels', '&news'] },
  { name: 'loses all channels', about: 'channels', rules: ['resetchannels'] },
  { name: 'gets a selector', about: 'selectors', rules: ['(~own:* +@hash)'] },
  { name: 'loses its selectors', about: 'selectors', rules: ['clearselectors'] },
  {
    name: 'writes without a check of the payload',
    about: 'flags skip-sanitize-payload',
    rules: ['skip-sanitize-payload'],
  },
  {
    name: 'writes with a check of the payload',
    about: 'flags sanitize-payload',
    rules: ['sanitize-payload'],
  },
]

/** Every field and every flag of ACL GETUSER that an entry changes. */
export const coveredFields = new Set(changes.flatMap(({ about }) => [about, about.split(' ')[0] ?? '']))

function accountEntries(run: Run): Entry[] {
  const whose = [
    { who: 'the account in use', of: (world: World) => world.inUse, isInUse: true },
    { who: 'the other account', of: (world: World) => world.next, isInUse: false },
  ]
  return whose.flatMap(({ who, of, isInUse }) =>
    changes.map(
      ({ name, rules, locksOut, isUndecidable }): Entry => ({
        name: `${who} ${name}`,
        ...(!isInUse && { strategies: pairs }),
        async make(world: World) {
          world.kept = await readRules(run, of(world))
          await run(['ACL', 'SETUSER', of(world), ...rules])
        },
        undo: world => restoreBoth(run, world, of(world)),
        // A single user without commands cannot set its password back once that was changed.
        locksOut: ({ strategy }) =>
          locksOut === true || (isInUse && strategy === 'single-user' && losesAllCommands(rules)),
        ...(isUndecidable && { isUndecidable }),
      }),
    ),
  )
}

const dropEntries = (run: Run): Entry[] =>
  (
    [
      ['the account in use is dropped', (world: World) => world.inUse, true],
      ['the other account is dropped', (world: World) => world.next, false],
    ] as const
  ).map(
    ([name, of, locksOut]): Entry => ({
      name,
      ...(!locksOut && { strategies: pairs }),
      async make(world) {
        world.kept = await readRules(run, of(world))
        await run(['ACL', 'DELUSER', of(world)])
      },
      async undo(world) {
        if (world.kept) await restore(run, world, of(world), world.kept as string[])
      },
      locksOut,
    }),
  )

/** Commands that the admin, or a single user, may no longer run. */
const rightEntries = (run: Run): Entry[] =>
  ['-acl|setuser', '-acl|list', '-acl|save', '-multi', '-exec', '-acl|deluser'].flatMap(rule => {
    const entry = (whom: (world: World) => string) => ({
      make: (world: World) => run(['ACL', 'SETUSER', whom(world), rule]),
      undo: (world: World) => run(['ACL', 'SETUSER', whom(world), rule.replace('-', '+')]),
    })
    return [
      {
        name: `the admin has ${rule}`,
        ...entry(world => world.app.admin.username),
        strategies: [...pairs, 'dual-password'],
      },
      {
        name: `the user, who sets its own password, has ${rule}`,
        ...entry(world => world.user),
        strategies: ['single-user'],
        // The user cannot set its password back once that was changed.
        locksOut: true,
      },
    ]
  })

const adminIsOff = (run: Run): Entry => ({
  name: 'the admin is turned off',
  make: world => run(['ACL', 'SETUSER', world.app.admin.username, 'off']),
  // A value of an admin that was refused is not tried again for two minutes, so the admin gets another.
  async undo(world) {
    world.admin = world.app.admin.with({ password: `opened-${randomHex()}` })
    await run(['ACL', 'SETUSER', world.admin.username, 'on'])
    await world.testServer.setPassword(world.admin)
  },
  strategies: [...pairs, 'dual-password'],
  expectedEnd: () => /^(rotated|Forced|AdminRefused)$/,
})

/** States of the whole server. */
function serverEntries(server: RunningRedis, run: Run): Entry[] {
  const configure = (name: string, value: string): Entry => ({
    name: `${name} is ${value}`,
    async make(world) {
      ;[, world.kept] = await run<string[]>(['CONFIG', 'GET', name])
      await run(['CONFIG', 'SET', name, value])
    },
    async undo(world) {
      await run(['CONFIG', 'SET', name, String(world.kept)])
    },
  })
  return [
    configure('maxmemory', '1'),
    configure('acl-pubsub-default', 'allchannels'),
    configure('acllog-max-len', '0'),
    configure('timeout', '1'),
    configure('replica-serve-stale-data', 'no'),
    // The server accepts no new connection.
    { ...configure('maxclients', '1'), locksOut: true, isUndecidable: true },
    {
      name: 'the server becomes a replica of a server that does not exist',
      make: () => run(['CONFIG', 'SET', 'replica-serve-stale-data', 'no'], ['REPLICAOF', '127.0.0.1', '1']),
      undo: () => run(['REPLICAOF', 'NO', 'ONE'], ['CONFIG', 'SET', 'replica-serve-stale-data', 'yes']),
      expectedEnd: () => /^(rotated|Forced)$/,
    },
    {
      name: 'the server restarts',
      make: () => run(['ACL', 'SAVE']).then(() => server.restart()),
      undo: async () => {},
      endsByItself: true,
      expectedEnd: () => /^(rotated|Forced)$/,
    },
    {
      name: 'the server reads its users from their file again',
      make: () => run(['ACL', 'SAVE'], ['ACL', 'LOAD']),
      undo: async () => {},
      expectedEnd: () => /^(rotated|Forced)$/,
    },
    {
      name: 'every connection is closed',
      make: world => run(['CLIENT', 'KILL', 'USER', world.inUse]),
      undo: async () => {},
      expectedEnd: () => /^(rotated|Forced)$/,
    },
    {
      name: 'the file of the users cannot be written',
      async make() {
        const [, file = ''] = await run<string[]>(['CONFIG', 'GET', 'aclfile'])
        await rm(file, { recursive: true, force: true })
        await mkdir(file)
      },
      async undo() {
        const [, file = ''] = await run<string[]>(['CONFIG', 'GET', 'aclfile'])
        await rm(file, { recursive: true, force: true })
        await writeFile(file, '')
        await run(['ACL', 'SAVE'])
      },
      // A single user's password is set back, but a restart would lose that, so the rotation reports a lockout.
      isUndecidable: ({ strategy }) => strategy === 'single-user',
    },
  ]
}

/** The states of a Redis or Valkey. */
export function redisEntries(server: RunningRedis, run: Run): Entry[] {
  return [
    ...accountEntries(run),
    ...dropEntries(run),
    ...rightEntries(run),
    adminIsOff(run),
    ...serverEntries(server, run),
  ]
}
