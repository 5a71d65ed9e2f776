import { mkdir, rm, writeFile } from 'node:fs/promises'
import { randomHex } from '../../local/servers/postgresDatabase.ts'
import type { RunningRedis } from '../../local/servers/redis.ts'
import { passwordDigest } from '../../rotation/engines/redis/redisAcl.ts'
import { connect, type RedisConnection } from '../../rotation/engines/redis/redisConnection.ts'
import type { Entry, World } from './world.ts'

const pairs = ['alternating-users', 'temporary-clone'] as const

/** Commands as the server's superuser, by one connection: some states let in no other. */
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

/** A user's rules and passwords, in words that ACL SETUSER takes; undefined, if there is none. */
async function told(run: Run, user: string): Promise<string[] | undefined> {
  const line = (await run<string[]>(['ACL', 'LIST'])).find(line => line.startsWith(`user ${user} `))
  return line?.slice(`user ${user} `.length).match(/\(.*?\)(?= \(|$)|[^ ]+/g) ?? undefined
}

const isPassword = (word: string) => word.startsWith('#') || word === 'nopass'

/** Has an account as it was, with whatever password it got meanwhile; but current's, if it is current's. */
async function mend(run: Run, world: World, user: string, before: string[]): Promise<void> {
  const current = await world.current()
  const now = (await told(run, user)) ?? []
  const passwords =
    user === current.username
      ? [`#${passwordDigest(current.password)}`]
      : now.filter(word => word.startsWith('#'))
  const rules = before.filter(word => !isPassword(word))
  await run(['ACL', 'SETUSER', user, 'reset', ...rules, 'on', ...passwords])
}

/** The account that was changed, and, if a rotation has made the other of the two equal to it, that as well. */
async function mendBoth(run: Run, world: World, user: string): Promise<void> {
  const before = world.kept as string[] | undefined
  const { username } = await world.current()
  if (!before) {
    if (user !== username) await run(['ACL', 'DELUSER', user])
    return
  }
  for (const name of new Set([user, username])) await mend(run, world, name, before)
}

const takes = (rules: string[]) => rules.some(rule => rule === '-@all')

/** What a DBA may do to one account, told by what of ACL GETUSER it is about. */
const changes: {
  name: string
  about: string
  rules: string[]
  locksOut?: true
  blind?: Entry['isUndecidable']
}[] = [
  { name: 'is turned off', about: 'flags off', rules: ['off'], locksOut: true },
  {
    name: 'takes any password',
    about: 'flags nopass',
    rules: ['nopass'],
    blind: ({ strategy }) => strategy !== 'single-user',
  },
  { name: 'loses all passwords', about: 'passwords', rules: ['resetpass'], locksOut: true },
  { name: 'gets a password besides', about: 'passwords', rules: [`#${passwordDigest('besides')}`] },
  { name: 'is reset', about: 'flags on', rules: ['reset'], locksOut: true },
  {
    name: 'is reset but for its password',
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
    name: 'has what it writes not checked',
    about: 'flags skip-sanitize-payload',
    rules: ['skip-sanitize-payload'],
  },
  { name: 'has what it writes checked', about: 'flags sanitize-payload', rules: ['sanitize-payload'] },
]

/** Every field of ACL GETUSER, and every flag of it, that an entry changes. */
export const coveredFields = new Set(changes.flatMap(({ about }) => [about, about.split(' ')[0] ?? '']))

function accountEntries(run: Run): Entry[] {
  const whose = [
    { who: 'the account in use', of: (world: World) => world.inUse, one: true },
    { who: 'the other account', of: (world: World) => world.next, one: false },
  ]
  return whose.flatMap(({ who, of, one }) =>
    changes.map(
      ({ name, rules, locksOut, blind }): Entry => ({
        name: `${who} ${name}`,
        ...(!one && { strategies: pairs }),
        async make(world: World) {
          world.kept = await told(run, of(world))
          await run(['ACL', 'SETUSER', of(world), ...rules])
        },
        undo: world => mendBoth(run, world, of(world)),
        // Once the password of a single user was changed, it takes rights to set it back.
        locksOut: ({ strategy }) => locksOut === true || (one && strategy === 'single-user' && takes(rules)),
        ...(blind && { isUndecidable: blind }),
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
        world.kept = await told(run, of(world))
        await run(['ACL', 'DELUSER', of(world)])
      },
      async undo(world) {
        if (world.kept) await mend(run, world, of(world), world.kept as string[])
      },
      locksOut,
    }),
  )

/** What the admin, or a single user, may no longer do. */
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
        // It cannot set its password back once it was changed.
        locksOut: true,
      },
    ]
  })

const adminIsOff = (run: Run): Entry => ({
  name: 'the admin is turned off',
  make: world => run(['ACL', 'SETUSER', world.app.admin.username, 'off']),
  // A value that was refused is not tried again for minutes.
  async undo(world) {
    world.admin = world.app.admin.with({ password: `opened-${randomHex()}` })
    await run(['ACL', 'SETUSER', world.admin.username, 'on'])
    await world.testServer.setPassword(world.admin)
  },
  strategies: [...pairs, 'dual-password'],
  expectedEnd: () => /^(rotated|Forced|AdminRefused)$/,
})

/** States of the server as a whole. */
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
    // Nobody new is let in, whoever it is.
    { ...configure('maxclients', '1'), locksOut: true, isUndecidable: true },
    {
      name: 'the server becomes a replica of one that is not there',
      make: () => run(['CONFIG', 'SET', 'replica-serve-stale-data', 'no'], ['REPLICAOF', '127.0.0.1', '1']),
      undo: () => run(['REPLICAOF', 'NO', 'ONE'], ['CONFIG', 'SET', 'replica-serve-stale-data', 'yes']),
      expectedEnd: () => /^(rotated|Forced)$/,
    },
    {
      name: 'the server starts again',
      make: () => run(['ACL', 'SAVE']).then(() => server.restart()),
      undo: async () => {},
      endsByItself: true,
      expectedEnd: () => /^(rotated|Forced)$/,
    },
    {
      name: 'the users are read from their file again',
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
      // A single user's password is set back, and a restart would take it away again: that is told.
      isUndecidable: ({ strategy }) => strategy === 'single-user',
    },
  ]
}

/** What a Redis or a DBA of it may have or do. */
export function redisEntries(server: RunningRedis, run: Run): Entry[] {
  return [
    ...accountEntries(run),
    ...dropEntries(run),
    ...rightEntries(run),
    adminIsOff(run),
    ...serverEntries(server, run),
  ]
}
