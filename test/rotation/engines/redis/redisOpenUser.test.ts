import { createHash } from 'node:crypto'
import { createClient, type RedisArgument } from '@redis/client'
import { describe, expect, inject, test } from 'vitest'
import { randomHex, rejectRds } from '../../../../local/servers/postgresDatabase.ts'
import { admits, makeApp } from '../../../../local/servers/redisDatabase.ts'
import { Redis } from '../../../../rotation/engines/redis/redis.ts'
import { passwordDigest } from '../../../../rotation/engines/redis/redisAcl.ts'
import { connect } from '../../../../rotation/engines/redis/redisConnection.ts'
import { AlternatingUsers } from '../../../../rotation/strategies/alternatingUsers.ts'
import { sceneOf } from '../../../support/engines/redisScene.ts'

const servers = inject('redis')

describe.skipIf(!servers.length).each(servers)('$name', server => {
  const { engine, run, alter, lineOf, makeClone, watched } = sceneOf(server)

  describe('openUser', () => {
    /** @returns a user's flags and rules, as the server reports them by ACL GETUSER, sorted */
    const told = async (user: string) => {
      const fields = await run<unknown[]>(['ACL', 'GETUSER', user])
      const words = (value: unknown): unknown =>
        Array.isArray(value) ? value.map(words) : String(value).split(' ').toSorted().join(' ')
      const flags = (fields[1] as string[]).filter(flag => flag !== 'sanitize-payload').toSorted()
      return JSON.stringify([flags, words(fields.slice(4))])
    }

    test('a clone gets any rules that the server accepts', async () => {
      const app = await makeApp(server, { ordinary: true })
      const { both, sync } = await makeClone(app)
      const seed = randomHex()
      let drawn = 0
      /** From 0 to 1, the same again for the same seed. */
      const random = () => createHash('sha256').update(`${seed} ${drawn++}`).digest().readUInt32BE() / 2 ** 32
      const some = <T>(list: T[], most: number) =>
        Array.from(
          { length: Math.floor(random() * most) },
          () => list[Math.floor(random() * list.length)] as T,
        )
      const commands = [
        'get',
        'set',
        'config',
        'config|get',
        'client|list',
        'acl|whoami',
        'select|0',
        'function|list',
        'xgroup|create',
        'object',
      ]
      const either = (name: string) => `${random() < 0.6 ? '+' : '-'}${name}`
      const categories = (await run<string[]>(['ACL', 'CAT'])).map(name => `@${name}`)
      const about = () => some([...categories, ...commands, ...commands], 9).map(either)
      const keys = () =>
        some(
          ['~app:*', '%R~read:*', '%W~write[a-c]:?', '~ü\u00a0{x}', '~with)', '~#hash', '~nopass', '~on'],
          4,
        )
      const seen = new Set<string>()
      for (let n = 0; n < 40; n++) {
        const selectors = some([0, 0], 3).map(
          () => `(${[...keys(), ...some(['&c*'], 2), ...about()].join(' ') || '+get'})`,
        )
        const rules = [
          ...some(['allkeys', 'allchannels', 'skip-sanitize-payload', '&news.*', 'off'], 3),
          ...keys(),
          ...about(),
          ...selectors,
        ]
        // The server refuses a pattern of keys beside all keys, and two equal rules.
        const taken = await alter(app.user, 'reset', 'on', '+select|0', ...rules).then(
          () => true,
          () => false,
        )
        if (!taken) continue
        await run(['ACL', 'DELUSER', both.clone])
        await sync()
        expect((await told(both.clone)).replace('"on"', '"off"'), `seed ${seed}: ${rules.join(' ')}`).toBe(
          (await told(both.user)).replace('"on"', '"off"'),
        )
        await sync()
        seen.add(rules.join(' '))
      }
      expect(seen.size, `seed ${seed}`).toBeGreaterThan(15)
    })

    test('an open session of a clone goes on while user and clone are changed', async () => {
      const app = await makeApp(server, { ordinary: true })
      const { clone, sync } = await makeClone(app)
      await sync()
      const socket = { host: server.host, port: server.plainPort, reconnectStrategy: false as const }
      const open = async () => {
        const client = createClient({ username: clone.username, password: clone.password, socket })
        client.on('error', () => {})
        await client.connect()
        return client
      }
      await alter(app.user, '+subscribe')
      await sync()
      const [client, subscriber] = [await open(), await open()]
      const [, channel = ''] = /&(\S+):\*/.exec((await lineOf(app.user)) ?? '') ?? []
      const heard: string[] = []
      await subscriber.subscribe(`${channel}:news`, message => heard.push(message))
      let done = false
      const asking = (async () => {
        let asked = 0
        for (; !done; asked++) await client.get(`${channel}:key`)
        return asked
      })()
      for (let n = 0; n < 20; n++) await sync(app.current.with({ password: `next-${n}` }))
      done = true
      expect(await asking).toBeGreaterThan(20)
      await run(['PUBLISH', `${channel}:news`, 'still here'])
      await client.get(`${channel}:key`)
      expect(heard).toEqual(['still here'])
      client.destroy()
      subscriber.destroy()
    })

    test('a user that is off is switched on when it is opened, and its clone stays on meanwhile', async () => {
      const app = await makeApp(server)
      const { both, clone, sync } = await makeClone(app)
      await sync()
      await alter(both.user, 'off')
      const next = app.current.with({ password: 'next' })
      await sync(next)
      for (const credential of [clone, next]) expect(await admits(server, credential)).toBe(true)
      await alter(both.user, 'off')
      await sync()
      expect(await admits(server, clone)).toBe(true)
      expect(await lineOf(both.user)).toContain(`user ${both.user} off `)
    })

    test('rules that change between reading and writing them throw Conflict, and the next try gets them', async () => {
      const app = await makeApp(server)
      let late: string[] = ['~late:*']
      const { watching } = watched(([command]) => {
        if (command !== 'MULTI' || !late.length) return undefined
        const rules = late
        late = []
        return alter(app.user, ...rules)
      })
      const { sync, differences } = await makeClone(app, watching)
      await expect(sync()).rejects.toMatchObject({ name: 'Conflict' })
      await sync()
      expect(await differences()).toEqual([])
    })

    test('rules that the server reports in another form than they were given throw DatabaseFailed', async () => {
      const app = await makeApp(server)
      const odd = new Redis({
        caFile: server.caFile,
        async connect(target) {
          const connection = await connect(target)
          const send = connection.sendCommand.bind(connection)
          connection.sendCommand = async <T>(command: readonly RedisArgument[]) => {
            const answer = await send<unknown>(command)
            const told = JSON.stringify(answer).replace(/(_clone [^"]*?)~shared:/g, '$1%RW~shared:')
            return (command[0] === 'EXEC' ? JSON.parse(told) : answer) as T
          }
          return connection
        },
      })
      const { both, sync } = await makeClone(app, odd)
      for (let n = 0; n < 2; n++)
        await expect(sync()).rejects.toMatchObject({
          name: 'DatabaseFailed',
          message: expect.stringContaining(`give ~shared:* to ${both.clone}`),
        })
    })

    test('opening the user leaves the clone as it is, and opening the clone brings it up to date', async () => {
      const app = await makeApp(server, { ordinary: true })
      const { both, clone, sync, differences } = await makeClone(app)
      await sync()
      const before = await lineOf(both.clone)
      await alter(
        both.user,
        'off',
        'resetkeys',
        '~shared:*',
        '~more:*',
        '-@all',
        '+get',
        '+ping',
        '+acl|list',
      )
      await sync(app.current.with({ password: 'next' }))
      expect(await lineOf(both.clone)).toBe(before)
      expect(await admits(server, app.current.with({ password: 'next' }))).toBe(true)
      await sync()
      expect(await differences()).toEqual([])
      expect(await admits(server, clone)).toBe(true)
    })

    test('a clone whose rules are not UTF-8 can be closed and dropped, and a user with such rules has no clone made', async () => {
      const app = await makeApp(server)
      const { both, sync } = await makeClone(app)
      await sync()
      const binary = async (user: string) => {
        const where = { host: server.host, port: server.plainPort, database: 0 }
        const timeouts = { connectTimeout: 5_000, commandTimeout: 5_000 }
        const connection = await connect({ ...server.superuser, ...where, ...timeouts })
        await connection.sendCommand(['ACL', 'SETUSER', user, Buffer.from('~\xff*', 'latin1')])
        connection.destroy()
      }
      await binary(both.clone)
      await sync(app.current.with({ password: 'next' }))
      await using session = await engine.login(app.admin)
      await session.closeUser(both.clone, both)
      await session.dropClone(both)
      await binary(both.user)
      await expect(sync()).rejects.toMatchObject({ name: 'DatabaseFailed' })
      await session.closeUser(both.user, both)
    })

    test.each([
      ['has no rights', []],
      ['has no rights and is off', ['off']],
      ['has no rights and no password', ['resetpass']],
    ])('a clone of an earlier tool that %s can be opened, closed and rolled back', async (_, rules) => {
      const app = await makeApp(server, { ordinary: true })
      const { both, clone, sync } = await makeClone(app)
      const change = {
        current: app.current,
        pending: clone,
        readPrevious: async () => undefined,
        async *storedValues() {},
        rds: rejectRds,
        readAdmin: async () => app.admin,
        otherRotation: async () => undefined,
        isPreviousOpen: async () => false,
        hasChangedNothing: async () => false,
      }
      await alter(both.clone, 'on', `#${passwordDigest(clone.password)}`, ...rules)
      expect(await new AlternatingUsers().undo(engine, change)).toBe('intact')
      expect(await admits(server, clone)).toBe(false)
      await sync()
      expect(await admits(server, clone)).toBe(true)
      await using session = await engine.login(app.admin)
      await session.closeUser(both.clone, both)
      expect(await admits(server, clone)).toBe(false)
    })

    const strangers: [string, string[]][] = [
      ['shares nothing with the user', ['~other:*', '+publish']],
      ['has all rights', ['~*', '&*', '+@all']],
      ['shares a key, and may change users', ['~shared:*', '+acl|setuser']],
      ['shares a key, and has all rights by a selector', ['~shared:*', '(~* +@all)']],
      ['shares a key, and may administer', ['~shared:*', '+@admin']],
    ]
    test.each(strangers)(
      'a user with the clone’s name that %s is neither taken over nor dropped',
      async (_, rules) => {
        const app = await makeApp(server, { ordinary: true })
        const { both, sync } = await makeClone(app)
        await alter(both.clone, 'on', `#${passwordDigest('its own')}`, ...rules)
        const before = await lineOf(both.clone)
        const stranger = { name: 'NotPermitted', message: expect.stringContaining('no clone') }
        await expect(sync()).rejects.toMatchObject(stranger)
        await using session = await engine.login(app.admin)
        await expect(session.dropClone(both)).rejects.toMatchObject(stranger)
        expect(await lineOf(both.clone)).toBe(before)
      },
    )

    test.each([
      ['was given nothing yet', []],
      ['shares a key with the user', ['~shared:*', '~more:*', '+publish']],
      ['shares a channel', ['+ping']],
    ])('a user with the clone’s name that %s is taken for the clone', async (_, rules) => {
      const app = await makeApp(server)
      const { both, sync, differences } = await makeClone(app)
      await alter(both.clone, 'on', `#${passwordDigest('its own')}`, ...rules)
      await sync()
      expect(await differences()).toEqual([])
    })

    test.each([
      ['nothing but what everybody has', ['~own:*', '&*', '+ping', '+geoadd']],
      ['one rule of several', ['~shared:*', '~own:*', '+geoadd']],
      ['nothing', []],
    ])(
      'a user that shares %s with its clone’s name, and whose password was proven, is not trusted',
      async (_, rules) => {
        const app = await makeApp(server, { ordinary: true })
        await alter(app.user, 'allchannels')
        const { both, sync } = await makeClone(app)
        await alter(both.clone, 'on', `#${passwordDigest('its own')}`, ...rules)
        const before = [await lineOf(both.user), await lineOf(both.clone)]
        const stranger = { name: 'NotPermitted', message: expect.stringContaining('no clone') }
        await expect(sync(app.current.with({ password: 'taken' }))).rejects.toMatchObject(stranger)
        await using session = await engine.login(app.admin)
        await expect(session.closeUser(both.user, both)).rejects.toMatchObject(stranger)
        expect([await lineOf(both.user), await lineOf(both.clone)]).toEqual(before)
      },
    )

    test('a user that has only the rights that everybody has takes turns with its clone', async () => {
      const user = `app_${randomHex()}`
      const app = await makeApp(server, { user })
      await alter(user, 'reset', 'on', `#${passwordDigest(app.current.password)}`, '~*', '&*', '+ping')
      const { both, clone, sync } = await makeClone(app)
      await sync()
      await sync(app.current.with({ password: 'next' }))
      await using session = await engine.login(app.admin)
      await session.closeUser(both.clone, both)
      expect(await admits(server, clone)).toBe(false)
    })

    test('another order of the rules about categories is reported as a difference', async () => {
      const app = await makeApp(server)
      const { both, sync, differences } = await makeClone(app)
      await sync()
      await alter(both.user, '-@all', '+@geo', '-@write', '+acl|list')
      await alter(both.clone, '-@all', '-@write', '+@geo', '+acl|list')
      expect(await differences()).not.toEqual([])
    })

    test('dropClone closes the clone’s connections', async () => {
      const app = await makeApp(server)
      const { both, clone, sync } = await makeClone(app)
      await sync()
      await using theirs = await engine.login(clone)
      await using session = await engine.login(app.admin)
      await session.dropClone(both)
      await expect(theirs.runTestQuery('PING')).rejects.toMatchObject({ name: 'Unreachable' })
    })
  })
})
