import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, inject, test } from 'vitest'
import type { App } from '../../../../local/servers/postgresDatabase.ts'
import { REDIS_PACKAGES, startRedis } from '../../../../local/servers/redis.ts'
import { makeApp } from '../../../../local/servers/redisDatabase.ts'
import { AlternatingUsers } from '../../../../rotation/strategies/alternatingUsers.ts'
import { type Change, change, resultOrError, wouldChange } from '../../../support/engines/changes.ts'
import { sceneOf } from '../../../support/engines/redisScene.ts'

const { pairOf } = new AlternatingUsers()
const servers = inject('redis')

/** All changes that a state is tried with, if it does not name some. */
const deeds: Change[] = ['clone', 'user', 'admin', 'own', 'add', 'drop']

type State = {
  name: string
  rules?: string[]
  of?: (app: App) => string
  only?: Change[]
  /** What the message of each refused change has in it. */
  says?: RegExp
  /** The changes that are refused. If it is unset, all go well. */
  refused?: Change[]
}

const byAdmin: Change[] = ['clone', 'user', 'admin', 'add']
const admin = ({ admin }: App) => admin.username
const user = ({ user }: App) => user
const clone = (app: App) => pairOf(user(app)).clone
const states: State[] = [
  { name: 'nothing is in the way' },
  ...['acl|setuser', 'acl|save', 'multi', 'exec'].flatMap((command): State[] => [
    {
      name: `the admin lacks ${command}`,
      of: admin,
      rules: [`-${command}`],
      refused: command === 'acl|setuser' ? byAdmin : [...byAdmin, 'drop'],
      says: /NOPERM/,
    },
    {
      name: `the user lacks ${command}`,
      of: user,
      rules: [`-${command}`],
      only: [...byAdmin, 'own'],
      refused: ['own'],
      says: /NOPERM/,
    },
  ]),
  {
    name: 'the admin lacks acl|list',
    of: admin,
    rules: ['-acl|list'],
    refused: [...byAdmin, 'drop'],
    says: /NOPERM.*acl\|list/,
  },
  {
    name: 'the admin lacks acl|deluser',
    of: admin,
    rules: ['-acl|deluser'],
    refused: ['drop'],
    says: /NOPERM.*acl\|deluser/,
  },
  {
    name: 'the admin has the rights by a selector alone',
    of: admin,
    rules: ['-@all', '+acl|list', '(+acl|setuser +acl|deluser +acl|save +multi +exec)'],
  },
  {
    name: 'the user accepts any password',
    of: user,
    rules: ['nopass'],
    only: ['clone'],
    refused: ['clone'],
    says: /nopass/,
  },
  {
    name: 'another user has the name of the clone',
    of: clone,
    rules: ['on', '~stranger:*', '+publish'],
    only: ['clone', 'user'],
    refused: ['clone', 'user'],
    says: /no clone of/,
  },
  {
    name: 'there is a clone already',
    of: clone,
    rules: ['on', '~shared:*', '+@read'],
    only: ['clone'],
  },
]

describe.skipIf(!servers.length).each(servers)('$name: a check foresees how a change ends', server => {
  const { engine, run, alter } = sceneOf(server)
  const usersOf = async (app: App) => {
    const all = await run<string[]>(['ACL', 'LIST'])
    const mine = [user, clone, admin].map(of => ` ${of(app)} `)
    return all.filter(line => mine.some(name => line.includes(name)))
  }

  test.each(states)('$name', async ({ rules, of, only = deeds, refused = [], says = /./ }) => {
    const told: string[] = []
    for (const deed of only) {
      const app = await makeApp(server)
      if (deed === 'drop') {
        await using session = await engine.login(app.admin)
        await change.clone(session, app)
      }
      if (rules && of) await alter(of(app), ...rules)
      await using session = await engine.login(deed === 'own' ? app.current : app.admin)
      const before = await usersOf(app)
      const foreseen = await resultOrError(async () => wouldChange[deed](session, app))
      expect(await usersOf(app), `${deed} changes nothing`).toEqual(before)
      await using anew = await engine.login(deed === 'own' ? app.current : app.admin)
      const real = await resultOrError(async () => change[deed](anew, app))
      expect(foreseen.name, `${deed}: ${foreseen.message}; then ${real.message}`).toBe(real.name)
      if (foreseen.name) expect(`${deed}: ${foreseen.message}`).toMatch(says)
      if (foreseen.name) told.push(deed)
    }
    expect(told).toEqual(refused)
  })

  test('a session can make the change after it was checked', async () => {
    const app = await makeApp(server)
    await using session = await engine.login(app.admin)
    await wouldChange.clone(session, app)
    await wouldChange.admin(session, app)
    expect(await change.clone(session, app)).toEqual([])
  })

  test('countFreeConnections returns a number to a user that may run INFO, and undefined to others', async () => {
    const app = await makeApp(server)
    await using session = await engine.login(app.current)
    expect(await session.countFreeConnections()).toBeUndefined()
    await alter(app.user, '+info')
    const free = (await session.countFreeConnections()) ?? 0
    expect(free).toBeGreaterThan(100)
    expect(free).toBeLessThan(10_000)
  })
})

describe.skipIf(!servers.length)('whether a check sees that users cannot be saved', () => {
  const stops: (() => Promise<void>)[] = []
  afterAll(() => Promise.all(stops.map(stop => stop())))
  const packages = REDIS_PACKAGES.at(-1)
  if (!packages) throw new Error('there is no Redis')

  test.each(['aclfile', 'config file', 'memory'] as const)(
    'on a server that keeps users in: %s',
    async users => {
      const server = await startRedis(packages, { usersIn: users })
      stops.push(() => server.stop())
      const { engine, alter, run } = sceneOf(server)
      const app = await makeApp(server)
      // Changes that nobody has saved are not in the file, and a check does not save them.
      const told = async () => {
        const config = await run<string[]>(['CONFIG', 'GET', '*'])
        const file = join(config[config.indexOf('dir') + 1] ?? '', 'users')
        return [config, await run(['ACL', 'LIST']), readFileSync(file, 'utf8')]
      }
      const look = async (...rules: string[]) => {
        if (rules.length) await alter(app.admin.username, ...rules)
        const before = await told()
        await using session = await engine.login(app.admin)
        const found = await resultOrError(async () => wouldChange.clone(session, app))
        expect(await told()).toEqual(before)
        return found
      }
      const missing = {
        name: 'NotPermitted',
        message: expect.stringMatching(/config\|rewrite|neither an aclfile/),
      }
      expect(await look()).toEqual({ says: [expect.stringMatching(/could not be looked at.*aclfile/)] })
      const asked = await look('+config|get', '+info')
      if (users === 'aclfile') expect(asked).toEqual({ says: [] })
      else expect(asked).toMatchObject(missing)
      const allowed = await look('+config|rewrite')
      if (users === 'memory') expect(allowed).toMatchObject(missing)
      else expect(allowed).toEqual({ says: [] })
      await using session = await engine.login(app.admin)
      const done = await resultOrError(async () => change.clone(session, app))
      expect(done.name).toBe(users === 'memory' ? 'NotPermitted' : undefined)
    },
  )
})
