import { setTimeout as sleep } from 'node:timers/promises'
import { randomHex } from '../../local/servers/postgresDatabase.ts'
import { Credential } from '../../rotation/credential.ts'
import { engineTraits } from '../../rotation/engines/traits.ts'
import type { Entry, World } from './world.ts'

/** Whether an admin, not the user itself, changes the database. */
const byAdmin = ({ app, strategy }: World) =>
  engineTraits[app.current.engine].actorByStrategy[strategy] === 'admin'

/** Makes a changed copy of the current value current, as somebody does by hand. */
async function edit(world: World, change: Record<string, unknown>): Promise<void> {
  const value = JSON.parse((await world.current()).serialize())
  world.kept = await world.store.describe(world.id)
  await world.edit(Credential.parse(JSON.stringify({ ...value, ...change })))
}

/** Makes the earlier version current again, as an operator does who sees the mistake. */
const moveBack = async ({ store, id, kept }: World) => {
  const { current } = kept as { current: string }
  store.move(id, 'current', current)
}

/** Changes the admin's password in the database, and keeps its new value in `world.kept`. */
const changeAdminPassword = async (world: World) => {
  const { admin } = world.app
  world.kept = admin.with({ password: `turned-${randomHex()}` })
  await world.testServer.setPassword(world.kept as Credential)
}

/** The states that are possible with every engine: of the value, of the store, and of the admin that the value names. */
export function generalEntries(): Entry[] {
  return [
    {
      name: 'no special state',
      make: async () => {},
      undo: async () => {},
      expectedEnd: () => /^(rotated|Forced)$/,
    },
    {
      name: "the admin's password changes, and its secret follows",
      async make(world) {
        await changeAdminPassword(world)
        sleep(200).then(() => {
          world.admin = world.kept as Credential
        })
      },
      undo: () => sleep(250),
      endsByItself: true,
      expectedEnd: () => /^(rotated|Forced)$/,
    },
    {
      name: "the admin's password changes, and its secret does not follow",
      make: changeAdminPassword,
      async undo(world) {
        world.admin = world.kept as Credential
      },
      expectedEnd: world => (byAdmin(world) ? /^(rotated|Forced|AdminRefused)$/ : /^(rotated|Forced)$/),
    },
    {
      name: "the admin's secret is deleted",
      async make(world) {
        world.admin = undefined
      },
      async undo(world) {
        world.admin = world.app.admin
      },
    },
    {
      name: "the admin's secret names the user",
      async make(world) {
        world.admin = world.app.admin.with({ username: world.user })
      },
      async undo(world) {
        world.admin = world.app.admin
      },
      moments: ['before', 'after create'],
      expectedEnd: world => (byAdmin(world) ? /^InvalidCredential$/ : /^rotated$/),
    },
    {
      name: "the admin's secret names the clone",
      async make(world) {
        world.admin = world.app.admin.with({ username: world.clone })
      },
      async undo(world) {
        world.admin = world.app.admin
      },
      strategies: ['alternating-users', 'temporary-clone'],
      moments: ['before', 'after create'],
      expectedEnd: world => (byAdmin(world) ? /^InvalidCredential$/ : /^rotated$/),
    },
    {
      name: "current's password is changed in the database by hand",
      async make(world) {
        world.kept = await world.current()
        await world.testServer.setPassword((world.kept as Credential).with({ password: 'by hand' }))
      },
      undo: ({ testServer, kept }) => testServer.setPassword(kept as Credential),
      moments: ['before', 'after create'],
      locksOut: true,
      expectedEnd: () => /^LoginRefused$/,
    },
    {
      name: 'current is edited to a password that the database never had',
      make: world => edit(world, { password: 'never set' }),
      // If an older value logged in, the rotation may have set the user's password to the edited one.
      undo: async world => (await world.testServer.admits(await world.current())) || moveBack(world),
      moments: ['before'],
      locksOut: true,
    },
    {
      name: 'current is edited to a user that does not exist',
      make: world => edit(world, { username: 'mistyped' }),
      undo: moveBack,
      moments: ['before'],
      locksOut: true,
    },
    {
      name: 'current is edited to an invalid host',
      make: world => edit(world, { host: 'db.example.com:5432/shop' }),
      undo: moveBack,
      locksOut: true,
      isUndecidable: true,
    },
    {
      name: 'the secret is deleted',
      async make(world) {
        world.kept = world.store.delete(world.id)
      },
      async undo(world) {
        ;(world.kept as () => void)()
      },
      moments: ['before', 'after create'],
      locksOut: true,
      expectedEnd: () => /^InvalidCredential$/,
    },
  ]
}
