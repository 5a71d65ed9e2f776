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

const deeds: Change[] = ['clone', 'user', 'admin', 'own', 'add', 'drop']

type State = {
  name: string
  rules?: string[]
  of?: (app: App) => string
  only?: Change[]
  /** Which deeds are refused, with which words; all go well if it is unset. */
  says?: RegExp
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
      name: `the admin has not ${command}`,
      of: admin,
      rules: [`-${command}`],
      refused: command === 'acl|setuser' ? byAdmin : [...byAdmin, 'drop'],
      says: /NOPERM/,
    },
    {
      name: `the user has not ${command}`,
      of: user,
      rules: [`-${command}`],
      only: [...byAdmin, 'own'],
      refused: ['own'],
      says: /NOPERM/,
    },
  ]),
  {
    name: 'the admin has not acl|list',
    of: admin,
    rules: ['-acl|list'],
    refused: [...byAdmin, 'drop'],
    says: /NOPERM.*acl\|list/,
  },
  {
    name: 'the admin has not acl|deluser',
    of: admin,
    rules: ['-acl|deluser'],
    refused: ['drop'],
    says: /NOPERM.*acl\|deluser/,
  },
  {
    name: 'the admin may do it by a selector alone',
    of: admin,
    rules: ['-@all', '+acl|list', '(+acl|setuser +acl|deluser +acl|save +multi +exec)'],
  },
  {
    name: 'the user takes any password',
    of: user,
    rules: ['nopass'],
    only: ['clone'],
    refused: ['clone'],
    says: /nopass/,
  },
  {
    name: 'a stranger with the name of the clone',
    of: clone,
    rules: ['on', '~stranger:*', '+publish'],
    only: ['clone', 'user'],
    refused: ['clone', 'user'],
    says: /no clone of/,
  },
  {
    name: 'a clone that there is',
    of: clone,
    rules: ['on', '~shared:*', '+@read'],
    only: ['clone'],
  },
]

describe.skipIf(!servers.length).each(servers)('$name: what a change would end with', server => {
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

  test('a session can go on to make the change after it was told', async () => {
    const app = await makeApp(server)
    await using session = await engine.login(app.admin)
    await wouldChange.clone(session, app)
    await wouldChange.admin(session, app)
    expect(await change.clone(session, app)).toEqual([])
  })

  test('how many connections are free, to who may ask', async () => {
    const app = await makeApp(server)
    await using session = await engine.login(app.current)
    expect(await session.countFreeConnections()).toBeUndefined()
    await alter(app.user, '+info')
    const free = (await session.countFreeConnections()) ?? 0
    expect(free).toBeGreaterThan(100)
    expect(free).toBeLessThan(10_000)
  })
})

describe.skipIf(!servers.length)('whether users can be saved', () => {
  const stops: (() => Promise<void>)[] = []
  afterAll(() => Promise.all(stops.map(stop => stop())))
  const packages = REDIS_PACKAGES.at(-1)
  if (!packages) throw new Error('there is no Redis')

  test.each(['aclfile', 'config file', 'memory'] as const)(
    'a server that keeps users in: %s',
    async users => {
      const server = await startRedis(packages, { usersIn: users })
      stops.push(() => server.stop())
      const { engine, alter, run } = sceneOf(server)
      const app = await makeApp(server)
      // What nobody has saved is not in the file, and does not get there by a look.
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
