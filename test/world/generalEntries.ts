import { setTimeout as sleep } from 'node:timers/promises'
import { randomHex } from '../../local/servers/postgresDatabase.ts'
import { Credential } from '../../rotation/credential.ts'
import { engineTraits } from '../../rotation/engines/traits.ts'
import type { Entry, World } from './world.ts'

/** Whether somebody else than the user changes the database. */
const byAdmin = ({ app, strategy }: World) =>
  engineTraits[app.current.engine].actorByStrategy[strategy] === 'admin'

/** A value that differs from current in this, which no reader would take for its own. */
async function edit(world: World, change: Record<string, unknown>): Promise<void> {
  const value = JSON.parse((await world.current()).serialize())
  world.kept = await world.store.describe(world.id)
  await world.edit(Credential.parse(JSON.stringify({ ...value, ...change })))
}

/** Current is again the version that it was, as an operator does who sees the mistake. */
const moveBack = async ({ store, id, kept }: World) => {
  const { current } = kept as { current: string }
  store.move(id, 'current', current)
}

const turnAdmin = async (world: World) => {
  const { admin } = world.app
  world.kept = admin.with({ password: `turned-${randomHex()}` })
  await world.testServer.setPassword(world.kept as Credential)
}

/** What can be on every engine: the states of the values, of the stores, and of the admin that they name. */
export function generalEntries(): Entry[] {
  return [
    {
      name: 'nothing',
      make: async () => {},
      undo: async () => {},
      expectedEnd: () => /^(rotated|Forced)$/,
    },
    {
      name: "the admin's password turns, and its secret follows",
      async make(world) {
        await turnAdmin(world)
        sleep(200).then(() => {
          world.admin = world.kept as Credential
        })
      },
      undo: () => sleep(250),
      endsByItself: true,
      expectedEnd: () => /^(rotated|Forced)$/,
    },
    {
      name: "the admin's password turns, and its secret does not follow",
      make: turnAdmin,
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
      // Who logs in with an older value has had its password set to this one.
      undo: async world => (await world.testServer.admits(await world.current())) || moveBack(world),
      moments: ['before'],
      locksOut: true,
    },
    {
      name: 'current is edited to a user that there is not',
      make: world => edit(world, { username: 'mistyped' }),
      undo: moveBack,
      moments: ['before'],
      locksOut: true,
    },
    {
      name: 'current is edited to a host that is none',
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
