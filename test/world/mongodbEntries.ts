import { escapeIdentifier as name } from 'pg'
import type { GatewayOptions } from '../../local/servers/documentdbGateway.ts'
import type { MongodbServer } from '../../local/servers/mongodb.ts'
import {
  createUserStatement,
  hasUser,
  runBehindGateway,
  updateUserStatement,
} from '../../local/servers/mongodbDatabase.ts'
import { randomHex } from '../../local/servers/postgresDatabase.ts'
import type { Entry, World } from './world.ts'

const pairs = ['alternating-users', 'temporary-clone'] as const
const reader = 'documentdb_readonly_role, pg_read_all_data'
const writer = 'documentdb_readwrite_role'
const all = `${reader}, ${writer}, documentdb_admin_role`

/** The fields of usersInfo that an entry changes. */
export const coveredFields = ['user', 'db', 'roles']
/** Why no entry changes the other fields. mongodb.test.ts tests what only MongoDB has, on the commands that are sent. */
export const excusedFields: Record<string, string> = {
  _id: 'the database and the name',
  userId: 'a number that the server gives a user and never changes, and that nothing uses',
  customData: 'the engine of the tests refuses it; in MongoDB it follows the user',
  mechanisms: 'the engine of the tests has SCRAM-SHA-256 alone; in MongoDB a user keeps those that it has',
  authenticationRestrictions: 'the engine of the tests has none; in MongoDB they follow the user',
  inheritedPrivileges: 'returned only on request; they follow from the roles',
}

/** What a DBA may change about one account. */
const changes: { name: string; statement: (user: string) => string; locksOut?: true }[] = [
  { name: 'gets a role', statement: user => `grant ${writer} to ${user}` },
  { name: 'loses all roles', statement: user => `revoke ${all} from ${user}` },
  {
    name: 'has other roles',
    statement: user => `revoke ${all} from ${user}; grant ${writer} to ${user}`,
  },
  { name: 'loses its password', statement: user => `alter role ${user} password null`, locksOut: true },
  { name: 'is dropped', statement: user => `drop role ${user}`, locksOut: true },
]

/** Gives both accounts their roles again, makes a dropped user again, and sets current's password. */
async function restore(server: MongodbServer, world: World): Promise<void> {
  const { username, password } = await world.current()
  for (const user of [world.user, world.clone]) {
    const there = await hasUser(server, user)
    if (!there && user !== username && user !== world.user) continue
    const statement = there
      ? `revoke ${all} from ${name(user)}; grant ${reader} to ${name(user)}`
      : createUserStatement(user, `mended-${randomHex()}`, 'readAnyDatabase')
    await runBehindGateway(server, statement, world.app.admin.username)
    if (user === username) await runBehindGateway(server, updateUserStatement(user, password))
  }
}

function accountEntries(server: MongodbServer): Entry[] {
  const whose = [
    { who: 'the account in use', of: (world: World) => world.inUse, isInUse: true },
    { who: 'the other account', of: (world: World) => world.next, isInUse: false },
  ]
  return whose.flatMap(({ who, of, isInUse }) =>
    changes.map(
      ({ name: what, statement, locksOut = false }): Entry => ({
        name: `${who} ${what}`,
        ...(!isInUse && { strategies: pairs }),
        async make(world) {
          const user = of(world)
          const { admin } = world.app
          if (!(await hasUser(server, user)))
            await runBehindGateway(
              server,
              createUserStatement(user, `made-${randomHex()}`, 'readAnyDatabase'),
              admin.username,
            )
          await runBehindGateway(server, statement(name(user)), admin.username)
        },
        undo: world => restore(server, world),
        locksOut,
      }),
    ),
  )
}

const adminEntries = (server: MongodbServer): Entry[] => [
  {
    name: 'the admin may no longer manage users',
    make: ({ app }) => runBehindGateway(server, `alter role ${name(app.admin.username)} nocreaterole`),
    undo: ({ app }) => runBehindGateway(server, `alter role ${name(app.admin.username)} createrole`),
    strategies: pairs,
  },
  {
    name: 'the admin loses its password',
    make: ({ app }) => runBehindGateway(server, `alter role ${name(app.admin.username)} password null`),
    // A value of an admin that was refused is not tried again for two minutes, so the admin gets another.
    async undo(world) {
      world.admin = world.app.admin.with({ password: `opened-${randomHex()}` })
      await world.testServer.setPassword(world.admin)
    },
    strategies: pairs,
    expectedEnd: () => /^(rotated|Forced|AdminRefused)$/,
  },
]

/** States of the whole server, which the gateway plays as its options say. */
function serverEntries(server: MongodbServer, options: GatewayOptions): Entry[] {
  return [
    {
      name: 'the server becomes a replica whose primary answers',
      async make() {
        options.primary = `127.0.0.1:${server.port}`
      },
      async undo() {
        delete options.primary
      },
      expectedEnd: () => /^(rotated|Forced)$/,
    },
    {
      name: 'a failover is going on',
      async make() {
        options.primary = '127.0.0.1:1'
      },
      async undo() {
        delete options.primary
      },
      // A server that takes no writes may be about to change, so that a rollback tries no password there.
      isUndecidable: true,
    },
    {
      name: 'a failover takes seconds',
      async make() {
        options.primary = '127.0.0.1:1'
        setTimeout(() => delete options.primary, 500)
      },
      async undo() {},
      endsByItself: true,
      expectedEnd: () => /^(rotated|Forced)$/,
    },
    {
      name: 'the server has only SCRAM-SHA-1',
      async make(world) {
        const { app } = world
        const values = [...(await world.replaced()), await world.current(), app.admin]
        options.sha1Passwords = new Map(values.map(({ username, password }) => [username, password]))
      },
      async undo() {
        delete options.sha1Passwords
      },
      moments: ['before'],
      expectedEnd: () => /^rotated$/,
      admits: async ({ testServer }, credential) => {
        const engine = testServer.engine((_, effect) => effect())
        await using _ = await engine.login(credential)
        return true
      },
    },
    {
      name: 'every session is ended',
      make: ({ app }) =>
        runBehindGateway(
          server,
          `select pg_terminate_backend(pid) from pg_stat_activity
           where application_name in ('${app.user}', '${app.user}_clone', '${app.admin.username}')`,
        ),
      async undo() {},
      expectedEnd: () => /^(rotated|Forced)$/,
    },
  ]
}

/** The states of Amazon DocumentDB. */
export function mongodbEntries(server: MongodbServer, options: GatewayOptions): Entry[] {
  return [...accountEntries(server), ...adminEntries(server), ...serverEntries(server, options)]
}
