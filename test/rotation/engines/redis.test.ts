import { createHash } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, type RedisArgument } from '@redis/client'
import { afterEach, describe, expect, inject, test } from 'vitest'
import { type App, hex, noRds } from '../../../local/servers/postgresDatabase.ts'
import { type RunningRedis, startRedis } from '../../../local/servers/redis.ts'
import { admits, asSuperuser, credentialFor, makeApp } from '../../../local/servers/redisDatabase.ts'
import type { Credential } from '../../../rotation/credential.ts'
import { Redis } from '../../../rotation/engines/redis.ts'
import { digest } from '../../../rotation/engines/redisAcl.ts'
import { connect } from '../../../rotation/engines/redisConnection.ts'
import { AlternatingUsers } from '../../../rotation/strategies/alternatingUsers.ts'
import { DualPassword } from '../../../rotation/strategies/dualPassword.ts'
import { SingleUser } from '../../../rotation/strategies/singleUser.ts'
import { engineContract, other } from '../../support/contracts/engine.ts'
import { subjectOf } from '../../support/engines/redisSubject.ts'

const { pair } = new AlternatingUsers()
const servers = inject('redis')

describe.skipIf(!servers.length).each(servers)('$name', server => {
  engineContract(subjectOf(server))

  const engine = new Redis({ caFile: server.caFile, testMayWrite: true })
  const run = <T = unknown>(...commands: string[][]) => asSuperuser<T>(server, commands)
  const alter = (user: string, ...rules: string[]) => run(['ACL', 'SETUSER', user, ...rules])
  const lineOf = async (user: string) =>
    (await run<string[]>(['ACL', 'LIST'])).find(line => line.startsWith(`user ${user} `))

  /** A user with these rules, and a value for it. */
  async function makeUser(...rules: string[]): Promise<Credential> {
    const user = `user_${hex()}`
    await alter(user, 'on', `#${digest('first')}`, ...rules)
    return credentialFor(server, user, 'first')
  }

  async function makeClone(app: App, by = engine) {
    const both = pair(app.user)
    const clone = app.current.with({ username: both.clone, password: `clone-${hex(8)}` })
    const sync = async (open = clone) => {
      await using session = await by.login(app.admin)
      await session.cloneUser(both, { user: open.username, password: open.password })
    }
    const differences = async () => {
      await using session = await engine.login(clone)
      return await session.differences(both)
    }
    return { both, clone, sync, differences }
  }

  /** An engine that keeps what it sends, and does `before` each command. */
  function watched(before: (command: string[]) => Promise<unknown> | undefined = () => undefined) {
    const sent: string[][] = []
    const watching = new Redis({
      caFile: server.caFile,
      async connect(target) {
        const connection = await connect(target)
        const send = connection.sendCommand.bind(connection)
        connection.sendCommand = async <T>(command: readonly RedisArgument[]) => {
          const words = command.map(String)
          sent.push(words)
          await before(words)
          return send<T>(command)
        }
        return connection
      },
    })
    return { sent, watching }
  }

  describe('login', () => {
    test('sends AUTH alone, so that a user who may do nothing logs in; and SELECT for another database than 0', async () => {
      const current = await makeUser()
      for (const value of [current, other(current, { dbname: '0' })]) {
        await using _ = await engine.login(value)
      }
      expect(JSON.stringify(await run(['ACL', 'LOG']))).not.toContain(current.username)
      await expect(engine.login(other(current, { dbname: '3' }))).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining("'select'"),
      })
      await alter(current.username, '+select', '+set', '+exists', '~*')
      const key = hex()
      {
        await using session = await engine.login(other(current, { dbname: '3' }))
        await session.run(`SET ${key} 1`)
      }
      expect(await run(['SELECT', '3'], ['EXISTS', key])).toBe(1)
      expect(await run(['EXISTS', key])).toBe(0)
    })

    test('a database that there is not is InvalidCredential, and names the field', async () => {
      const current = await makeUser('+select')
      await expect(engine.login(other(current, { dbname: '16' }))).rejects.toMatchObject({
        name: 'InvalidCredential',
        field: 'dbname',
      })
    })

    test('a user that is off is LoginRefused', async () => {
      const current = await makeUser()
      await alter(current.username, 'off')
      await expect(engine.login(current)).rejects.toMatchObject({ name: 'LoginRefused' })
    })

    test('a server that speaks no TLS is silent: Unreachable, and the message says what that may be', async () => {
      const current = await makeUser()
      const hasty = new Redis({ caFile: server.caFile, connectTimeout: 500 })
      await expect(hasty.login(other(current, { port: server.plainPort }))).rejects.toMatchObject({
        name: 'Unreachable',
        message: expect.stringContaining('"ssl": false'),
      })
      await expect(engine.login(other(current, { ssl: false }))).rejects.toMatchObject({
        name: 'Unreachable',
      })
    })
  })

  test('a password is sent by AUTH alone; all else knows its digest, and no log of the server more than that', async () => {
    const app = await makeApp(server)
    const { sent, watching } = watched()
    const { both } = await makeClone(app)
    const passwords = Array.from({ length: 5 }, () => `Secret-${hex()}`)
    const [first = '', second = '', third = '', fourth = '', wrong = ''] = passwords
    {
      await using session = await watching.login(app.admin)
      await session.setPassword(both.user, first)
      await session.passwords.add(both.user, second, first)
      await session.passwords.keep(both.user, second)
      await session.cloneUser(both, { user: both.clone, password: third })
      await session.cloneUser(both, { user: both.user, password: fourth })
      await session.lockUser(both.user, both)
      await session.dropUser(both)
    }
    await expect(watching.login(app.current.with({ password: wrong }))).rejects.toMatchObject({
      name: 'LoginRefused',
    })
    await expect(
      watching.login(await makeUser()).then(session => session.setPassword(both.user, first)),
    ).rejects.toMatchObject({ name: 'NotPermitted' })
    // EXEC runs the rest of a transaction also after one of its commands failed, so there is one that changes something.
    const order = sent.map(([first, second]) => (first === 'ACL' ? second : first)).join(' ')
    expect(order.replaceAll(/MULTI (SETUSER|DELUSER) (LIST )?SAVE EXEC/g, '')).not.toMatch(
      /SETUSER|DELUSER|EXEC/,
    )
    expect(order.match(/EXEC/g)).toHaveLength(7)
    const others = JSON.stringify(sent)
    const told =
      JSON.stringify(await run(['SLOWLOG', 'GET', '-1'])) + JSON.stringify(await run(['ACL', 'LOG']))
    expect(told).toContain('SETUSER')
    expect(told).toContain(both.user)
    for (const password of passwords) {
      expect(others).not.toContain(password)
      expect(told + subjectOf(server).logged()).not.toContain(password)
    }
    for (const password of [first, second, third, fourth]) expect(others).toContain(`#${digest(password)}`)
  })

  describe('what a user may not', () => {
    test.each(['+acl|save', '+multi', '+acl|setuser', '+acl|list', '+exec'])(
      'an admin without %s is NotPermitted, and nothing changes',
      async missing => {
        const app = await makeApp(server)
        await alter(app.admin.username, missing.replace('+', '-'))
        const before = await lineOf(app.user)
        const { both, clone } = await makeClone(app)
        for (const change of [
          (session: Awaited<ReturnType<Redis['login']>>) => session.setPassword(app.user, 'x'),
          (session: Awaited<ReturnType<Redis['login']>>) => session.lockUser(app.user, pair(app.user)),
          (session: Awaited<ReturnType<Redis['login']>>) => session.passwords.add(app.user, 'x', 'y'),
          (session: Awaited<ReturnType<Redis['login']>>) =>
            session.cloneUser(both, { user: both.clone, password: 'x' }),
        ]) {
          await using session = await engine.login(app.admin)
          await expect(change(session)).rejects.toMatchObject({
            name: 'NotPermitted',
            message: expect.stringContaining(`'${missing.slice(1)}'`),
          })
        }
        expect(await lineOf(app.user)).toBe(before)
        expect(await lineOf(clone.username)).toBeUndefined()
      },
    )

    test('a session goes on after it was refused', async () => {
      const app = await makeApp(server)
      await alter(app.admin.username, '-acl|deluser')
      const { both } = await makeClone(app)
      await using session = await engine.login(app.admin)
      await session.cloneUser(both, { user: both.clone, password: 'x' })
      await expect(session.dropUser(both)).rejects.toMatchObject({ name: 'NotPermitted' })
      await session.setPassword(app.user, 'next')
      expect(await admits(server, app.current.with({ password: 'next' }))).toBe(true)
    })

    test('a user that is not there is not made, whatever its name', async () => {
      const app = await makeApp(server)
      const before = await run<string[]>(['ACL', 'USERS'])
      await using session = await engine.login(app.admin)
      for (const name of [`nobody_${hex()}`, 'two words', `${app.user} on`, 'line\nfeed', ''])
        for (const change of [
          session.setPassword(name, 'x'),
          session.lockUser(name, pair(name)),
          session.passwords.add(name, 'x', 'y'),
        ])
          await expect(change).rejects.toMatchObject({
            name: 'NotPermitted',
            message: expect.stringContaining('there is no'),
          })
      expect((await run<string[]>(['ACL', 'USERS'])).filter(user => !before.includes(user))).toEqual([])
    })

    test('an ordinary user sees no differences: that the clone is equal was proven when it was made', async () => {
      const app = await makeApp(server, { ordinary: true })
      const { both, clone, sync, differences } = await makeClone(app)
      await sync()
      await alter(both.clone, '~stray:*')
      expect(await differences()).toEqual([])
      await alter(both.clone, '+acl|list')
      expect(await differences()).toEqual([
        expect.stringContaining('revoke ~stray:*'),
        expect.stringContaining('revoke +acl|list'),
      ])
      expect(await admits(server, clone)).toBe(true)
    })
  })

  describe('a rollback of alternating users where the clone’s name is', () => {
    async function undo(...rules: string[]) {
      const app = await makeApp(server, { ordinary: true })
      const { both, clone } = await makeClone(app)
      await alter(both.clone, 'on', ...rules, `~cache:*`, '+publish')
      const before = await lineOf(both.clone)
      const change = {
        current: app.current,
        pending: clone.with({ password: 'pending' }),
        previous: async () => undefined,
        async *stored() {},
        rds: noRds,
        admin: async () => app.admin,
      }
      await expect(new AlternatingUsers().apply(engine, change)).rejects.toMatchObject({
        name: 'NotPermitted',
      })
      const outcome = await new AlternatingUsers().undo(engine, {
        ...change,
        rival: async () => undefined,
        previousIsOpen: async () => false,
        untouched: async () => false,
      })
      expect(await lineOf(both.clone)).toBe(before)
      return outcome
    }

    test('somebody’s who takes any password: there is nothing to close', async () => {
      expect(await undo('nopass')).toBe('intact')
    })

    test('no clone’s any more, but has the password that was to be closed', async () => {
      expect(await undo(`#${digest('pending')}`)).toBe('open')
    })
  })

  describe('a rollback of alternating users whose current was taken away', () => {
    async function undo(pending: (clone: Credential) => Credential) {
      const app = await makeApp(server, { ordinary: true })
      const { both, clone, sync } = await makeClone(app)
      await sync()
      const current = clone.with({ password: 'lost' })
      let asked = 0
      const outcome = await new AlternatingUsers()
        .undo(engine, {
          current,
          pending: pending(clone),
          previous: async () => undefined,
          async *stored() {},
          rds: noRds,
          admin: async () => {
            asked++
            return app.admin
          },
          rival: async () => undefined,
          previousIsOpen: async () => false,
          untouched: async () => false,
        })
        .catch(error => error.name)
      return { outcome, asked, back: await admits(server, current), made: await lineOf(both.clone) }
    }

    test('the admin sets it back for who logs in as the same user, as that may not itself', async () => {
      expect(await undo(clone => clone)).toMatchObject({ outcome: 'restored', back: true })
    })

    test('the admin is not asked for who does not', async () => {
      expect(await undo(clone => clone.with({ password: 'wrong' }))).toMatchObject({
        outcome: 'LockedOut',
        asked: 0,
        back: false,
      })
    })
  })

  describe('a login that proves nothing', () => {
    const unproven = { name: 'NotPermitted', message: expect.stringContaining('nopass') }
    const noted = async (user: string) => JSON.stringify(await run(['ACL', 'LOG'])).includes(user)

    test.each([
      ['may ask for its own rules', ['+acl|getuser'], false],
      ['may ask for nothing', [], true],
    ])(
      'is told of a user that %s, and of one that has a password, no matter what',
      async (_, rules, asked) => {
        const current = await makeUser(...rules)
        await using session = await engine.login(current)
        await session.proven()
        expect(await noted(current.username)).toBe(asked)
        await alter(current.username, 'nopass')
        await expect(session.proven()).rejects.toMatchObject(unproven)
        await alter(current.username, 'resetpass', `#${digest('second')}`, '+acl|whoami', '+ping')
        await session.proven()
        await session.run('PING')
      },
    )

    test('a wrong password leaves the session as the user that it is', async () => {
      const current = await makeUser('+acl|setuser', '+acl|save', '+multi', '+exec')
      await using session = await engine.login(current)
      await session.proven()
      await session.setPassword(current.username, 'next')
      expect(await admits(server, current.with({ password: 'next' }))).toBe(true)
    })

    test('is refused before the first change under every strategy', async () => {
      const app = await makeApp(server)
      await alter(app.user, 'nopass')
      const before = await lineOf(app.user)
      const change = (username = app.user) => ({
        current: app.current,
        pending: app.current.with({ username, password: 'pending' }),
        previous: async () => undefined,
        async *stored() {},
        rds: noRds,
        admin: async () => app.admin,
      })
      const failed = {
        rival: async () => undefined,
        previousIsOpen: async () => false,
        untouched: async () => false,
      }
      for (const [strategy, asked] of [
        [new SingleUser(), change()],
        [new DualPassword(), change()],
        [new AlternatingUsers(), change(pair(app.user).clone)],
      ] as const) {
        await expect(strategy.apply(engine, asked)).rejects.toMatchObject(unproven)
        await expect(strategy.undo(engine, { ...asked, ...failed })).rejects.toMatchObject(unproven)
      }
      expect(await lineOf(app.user)).toBe(before)
      expect(await lineOf(pair(app.user).clone)).toBeUndefined()
    })

    test('comes after a single user’s password was set: it gets back the one that it had', async () => {
      const { current, user, admin } = await makeApp(server)
      const pending = current.with({ password: 'pending' })
      const change = {
        ...{ current, pending, rds: noRds },
        previous: async () => undefined,
        async *stored() {},
        admin: async () => admin,
      }
      await new SingleUser().apply(engine, change)
      await alter(user, 'nopass')
      const failed = {
        ...change,
        rival: async () => undefined,
        previousIsOpen: async () => false,
        untouched: async () => false,
        wasSet: async () => true,
      }
      const busy = { ...failed, rival: async () => ({ pending: false }) }
      await expect(new SingleUser().undo(engine, busy)).rejects.toMatchObject({ name: 'Conflict' })
      expect(await new SingleUser().undo(engine, failed)).toBe('restored')
      expect([await admits(server, current), await admits(server, pending)]).toEqual([true, false])
    })

    test('is seen by an admin who is to open the other of the two', async () => {
      const app = await makeApp(server)
      const { both, clone, sync } = await makeClone(app)
      await sync()
      await alter(both.clone, 'nopass')
      await expect(sync(app.current.with({ password: 'next' }))).rejects.toMatchObject(unproven)
      await sync()
      expect(await admits(server, clone.with({ password: 'any' }))).toBe(false)
      await alter(both.user, 'nopass')
      await expect(sync()).rejects.toMatchObject(unproven)
      await sync(app.current.with({ password: 'next' }))
      expect(await admits(server, app.current)).toBe(false)
    })
  })

  describe('passwords', () => {
    test('a user that takes any password takes one when it was set', async () => {
      const current = await makeUser('nopass', '+acl|setuser', '+acl|save', '+multi', '+exec')
      expect(await admits(server, current.with({ password: 'whatever' }))).toBe(true)
      {
        await using session = await engine.login(current)
        await session.setPassword(current.username, 'next')
      }
      expect(await admits(server, current.with({ password: 'whatever' }))).toBe(false)
      expect(await admits(server, current.with({ password: 'next' }))).toBe(true)
    })

    test('its rules, whether it is on, and open connections stay as they are', async () => {
      const app = await makeApp(server)
      await alter(app.user, '(%R~x* +get)', 'skip-sanitize-payload')
      await using admin = await engine.login(app.admin)
      await using session = await engine.login(app.current)
      const rules = async () => (await lineOf(app.user))?.replaceAll(/#\w+/g, '#')
      const before = await rules()
      await admin.setPassword(app.user, 'next')
      expect(await rules()).toBe(before)
      await admin.passwords.add(app.user, 'another', 'next')
      await admin.passwords.keep(app.user, 'another')
      expect(await rules()).toBe(before)
      await admin.lockUser(app.user, pair(app.user))
      expect(await rules()).toBe(before?.replace('# ', ''))
      await session.run('PING')
      await alter(app.user, 'off')
      await admin.setPassword(app.user, 'next')
      expect(await lineOf(app.user)).toContain(`user ${app.user} off `)
    })
  })

  describe('cloneUser', () => {
    /** What the server says of a user by itself, in no order. */
    const told = async (user: string) => {
      const fields = await run<unknown[]>(['ACL', 'GETUSER', user])
      const words = (value: unknown): unknown =>
        Array.isArray(value) ? value.map(words) : String(value).split(' ').toSorted().join(' ')
      const flags = (fields[1] as string[]).filter(flag => flag !== 'sanitize-payload').toSorted()
      return JSON.stringify([flags, words(fields.slice(4))])
    }

    test('any rules that the server takes are the clone’s', async () => {
      const app = await makeApp(server, { ordinary: true })
      const { both, sync } = await makeClone(app)
      const seed = hex()
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
        // What is of every key takes no other besides, and two that are equal are refused.
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

    test('an open session of a clone that is in use goes on, also while its rules are written anew', async () => {
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

    test('a user that is off is opened by its turn, and its clone stays on meanwhile', async () => {
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

    test('rules that change between the look and the change are a Conflict, and the next try takes them', async () => {
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

    test('rules that the server tells otherwise than it was given them are no race, and are named', async () => {
      const app = await makeApp(server)
      const odd = new Redis({
        caFile: server.caFile,
        async connect(target) {
          const connection = await connect(target)
          const send = connection.sendCommand.bind(connection)
          connection.sendCommand = async <T>(command: readonly RedisArgument[]) => {
            const answer = await send<unknown>(command)
            const told = JSON.stringify(answer).replace(/(_clone .*?)~shared:/g, '$1%RW~shared:')
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

    test('opening the user leaves the clone, which may be in use, as it is; its own turn brings it up to date', async () => {
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

    test('a clone whose rules are not UTF-8 is opened, locked and dropped; a user whose are is not copied', async () => {
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
      await session.lockUser(both.clone, both)
      await session.dropUser(both)
      await binary(both.user)
      await expect(sync()).rejects.toMatchObject({ name: 'DatabaseFailed' })
      await session.lockUser(both.user, both)
    })

    test.each([
      ['may nothing', []],
      ['may nothing and is off', ['off']],
      ['may nothing and takes no password', ['resetpass']],
    ])(
      'a clone that an earlier tool left so that it %s is opened, locked and rolled back',
      async (_, rules) => {
        const app = await makeApp(server, { ordinary: true })
        const { both, clone, sync } = await makeClone(app)
        const change = {
          current: app.current,
          pending: clone,
          previous: async () => undefined,
          async *stored() {},
          rds: noRds,
          admin: async () => app.admin,
          rival: async () => undefined,
          previousIsOpen: async () => false,
          untouched: async () => false,
        }
        await alter(both.clone, 'on', `#${digest(clone.password)}`, ...rules)
        expect(await new AlternatingUsers().undo(engine, change)).toBe('intact')
        expect(await admits(server, clone)).toBe(false)
        await sync()
        expect(await admits(server, clone)).toBe(true)
        await using session = await engine.login(app.admin)
        await session.lockUser(both.clone, both)
        expect(await admits(server, clone)).toBe(false)
      },
    )

    const strangers: [string, string[]][] = [
      ['shares nothing with the user', ['~other:*', '+publish']],
      ['may do all', ['~*', '&*', '+@all']],
      ['shares a key, and may change users', ['~shared:*', '+acl|setuser']],
      ['shares a key, and may do all by a selector', ['~shared:*', '(~* +@all)']],
      ['shares a key, and may administer', ['~shared:*', '+@admin']],
    ]
    test.each(strangers)('who %s is a stranger: neither taken over nor dropped', async (_, rules) => {
      const app = await makeApp(server, { ordinary: true })
      const { both, sync } = await makeClone(app)
      await alter(both.clone, 'on', `#${digest('its own')}`, ...rules)
      const before = await lineOf(both.clone)
      const stranger = { name: 'NotPermitted', message: expect.stringContaining('no clone') }
      await expect(sync()).rejects.toMatchObject(stranger)
      await using session = await engine.login(app.admin)
      await expect(session.dropUser(both)).rejects.toMatchObject(stranger)
      expect(await lineOf(both.clone)).toBe(before)
    })

    test.each([
      ['was given nothing yet', []],
      ['shares a key with the user', ['~shared:*', '~more:*', '+publish']],
      ['shares a channel', ['+ping']],
    ])('who %s is taken for a clone', async (_, rules) => {
      const app = await makeApp(server)
      const { both, sync, differences } = await makeClone(app)
      await alter(both.clone, 'on', `#${digest('its own')}`, ...rules)
      await sync()
      expect(await differences()).toEqual([])
    })

    test.each([
      ['what everybody has', ['~own:*', '&*', '+ping', '+geoadd']],
      ['one rule of several', ['~shared:*', '~own:*', '+geoadd']],
      ['nothing', []],
    ])(
      'a clone that shares %s, and whose password was proven, gets nothing of the user’s',
      async (_, rules) => {
        const app = await makeApp(server, { ordinary: true })
        await alter(app.user, 'allchannels')
        const { both, sync } = await makeClone(app)
        await alter(both.clone, 'on', `#${digest('its own')}`, ...rules)
        const before = [await lineOf(both.user), await lineOf(both.clone)]
        const stranger = { name: 'NotPermitted', message: expect.stringContaining('no clone') }
        await expect(sync(app.current.with({ password: 'taken' }))).rejects.toMatchObject(stranger)
        await using session = await engine.login(app.admin)
        await expect(session.lockUser(both.user, both)).rejects.toMatchObject(stranger)
        expect([await lineOf(both.user), await lineOf(both.clone)]).toEqual(before)
      },
    )

    test('a user whose rules are everybody’s takes turns with its clone', async () => {
      const user = `app_${hex()}`
      const app = await makeApp(server, { user })
      await alter(user, 'reset', 'on', `#${digest(app.current.password)}`, '~*', '&*', '+ping')
      const { both, clone, sync } = await makeClone(app)
      await sync()
      await sync(app.current.with({ password: 'next' }))
      await using session = await engine.login(app.admin)
      await session.lockUser(both.clone, both)
      expect(await admits(server, clone)).toBe(false)
    })

    test('the order of rules that are about categories is one of the differences', async () => {
      const app = await makeApp(server)
      const { both, sync, differences } = await makeClone(app)
      await sync()
      await alter(both.user, '-@all', '+@geo', '-@write', '+acl|list')
      await alter(both.clone, '-@all', '-@write', '+@geo', '+acl|list')
      expect(await differences()).not.toEqual([])
    })

    test('dropUser closes what the clone has open', async () => {
      const app = await makeApp(server)
      const { both, clone, sync } = await makeClone(app)
      await sync()
      await using theirs = await engine.login(clone)
      await using session = await engine.login(app.admin)
      await session.dropUser(both)
      await expect(theirs.run('PING')).rejects.toMatchObject({ name: 'Unreachable' })
    })
  })
})

/** Servers of their own, as these tests restart them or bring them to a halt. */
describe.skipIf(!servers.length).each(servers)('$name alone', ({ packages }) => {
  const started: RunningRedis[] = []
  afterEach(async () => {
    await Promise.all(started.splice(0).map(server => server.stop()))
  })
  async function start(options: Parameters<typeof startRedis>[1] = {}) {
    const server = await startRedis(packages, options)
    started.push(server)
    const run = <T = unknown>(...commands: string[][]) => asSuperuser<T>(server, commands)
    return { server, run, engine: new Redis({ caFile: server.caFile, testMayWrite: true }) }
  }

  describe('a restart', () => {
    test.each(['aclfile', 'config file'] as const)(
      'with users in the %s: what every strategy did is still there',
      async users => {
        const { server, run, engine } = await start({ users })
        const [single, dual, turns, retired] = [
          await makeApp(server),
          await makeApp(server),
          await makeApp(server),
          await makeApp(server),
        ]
        for (const { admin } of [dual, turns, retired])
          await run(['ACL', 'SETUSER', admin.username, '+config|rewrite'])
        await run(['ACL', 'SETUSER', single.user, '+config|rewrite'])
        const change = (app: App, username: string) => {
          const pending = app.current.with({ username, password: `next-${hex()}` })
          return {
            current: app.current,
            pending,
            previous: async () => undefined,
            async *stored() {},
            admin: async () => app.admin,
            rds: noRds,
          }
        }
        const changes = [
          change(single, single.user),
          change(dual, dual.user),
          change(turns, `${turns.user}_clone`),
          change(retired, `${retired.user}_clone`),
        ] as const
        await new SingleUser().apply(engine, changes[0])
        await new DualPassword().apply(engine, changes[1])
        await new AlternatingUsers().apply(engine, changes[2])
        await new AlternatingUsers().apply(engine, changes[3])
        await new AlternatingUsers().retire(engine, {
          ...changes[3],
          current: changes[3].pending,
          drop: false,
          takenUp: async () => undefined,
        })
        const before = await run<string[]>(['ACL', 'LIST'])
        await server.restart()
        expect((await run<string[]>(['ACL', 'LIST'])).map(line => line.split(' ').toSorted())).toEqual(
          before.map(line => line.split(' ').toSorted()),
        )
        for (const { pending } of changes) expect(await admits(server, pending)).toBe(true)
        const stillOpen = await Promise.all(changes.map(({ current }) => admits(server, current)))
        expect(stillOpen).toEqual([false, true, true, false])
      },
    )

    test('that would undo a change is NotPermitted before there is one', async () => {
      const { server, run, engine } = await start({ users: 'memory' })
      const app = await makeApp(server)
      await run(['ACL', 'SETUSER', app.user, '+config|rewrite'])
      const before = await run(['ACL', 'LIST'])
      await using session = await engine.login(app.current)
      await expect(session.setPassword(app.user, 'next')).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining('neither an aclfile nor a config file'),
      })
      expect(await run(['ACL', 'LIST'])).toEqual(before)
    })

    test('an aclfile that cannot be written is DatabaseFailed before anything changes', async () => {
      const { server, run, engine } = await start()
      const app = await makeApp(server)
      const [, file = ''] = await run<string[]>(['CONFIG', 'GET', 'aclfile'])
      await rm(file)
      await mkdir(file)
      await using session = await engine.login(app.current)
      await expect(session.setPassword(app.user, 'next', { reversibly: true })).rejects.toMatchObject({
        name: 'DatabaseFailed',
        message: expect.stringContaining('save the ACLs'),
      })
      expect(await admits(server, app.current)).toBe(true)
    })

    test('a config file that cannot be written is NotPermitted, without the right to write it too', async () => {
      const { server, run, engine } = await start({ users: 'config file' })
      const app = await makeApp(server)
      await using session = await engine.login(app.current)
      await expect(session.setPassword(app.user, 'next')).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining('config|rewrite'),
      })
      await run(['ACL', 'SETUSER', app.user, '+config|rewrite'])
      const file = /config_file:(.*)\r/.exec(await run<string>(['INFO', 'server']))?.[1] ?? ''
      await rm(file)
      await mkdir(file)
      await expect(session.setPassword(app.user, 'next', { reversibly: true })).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining('Rewriting config file'),
      })
      expect(await admits(server, app.current)).toBe(true)
    })
  })

  test.each([
    ['aclfile', 'DatabaseFailed'],
    ['config file', 'NotPermitted'],
  ] as const)(
    'a rollback that cannot save the %s: current logs in all the same, and %s',
    async (users, name) => {
      const { server, run, engine } = await start({ users })
      const app = await makeApp(server)
      await run(['ACL', 'SETUSER', app.user, '+config|rewrite'])
      const change = {
        current: app.current,
        pending: app.current.with({ password: 'pending' }),
        previous: async () => undefined,
        async *stored() {},
        rds: noRds,
        admin: async () => app.admin,
      }
      await new SingleUser().apply(engine, change)
      const [, aclfile = ''] = await run<string[]>(['CONFIG', 'GET', 'aclfile'])
      const file = aclfile || (/config_file:(.*)\r/.exec(await run<string>(['INFO', 'server']))?.[1] ?? '')
      await rm(file)
      await mkdir(file)
      const undone = new SingleUser().undo(engine, {
        ...change,
        rival: async () => undefined,
        previousIsOpen: async () => false,
        untouched: async () => false,
      })
      await expect(undone).rejects.toMatchObject({ name })
      expect([await admits(server, app.current), await admits(server, change.pending)]).toEqual([true, false])
    },
  )

  test('a server without room is Unreachable, over TLS and without', async () => {
    const { server, run, engine } = await start()
    const app = await makeApp(server)
    const plain = other(app.current, { ssl: false, port: server.plainPort })
    // The log's own connection, and one more.
    await run(['CONFIG', 'SET', 'maxclients', '2'])
    await using _ = await engine.login(app.current)
    for (const value of [app.current, plain])
      await expect(engine.login(value)).rejects.toMatchObject({ name: 'Unreachable' })
  })

  test('a server that is busy is Unreachable', async () => {
    const { server, run, engine } = await start({ settings: { lua_time_limit: ['50'] } })
    const app = await makeApp(server)
    await using session = await engine.login(app.current)
    const script = run(['EVAL', 'while true do end', '0']).catch(() => {})
    await sleep(200)
    await using late = await engine.login(app.current)
    for (const each of [session, late])
      await expect(each.setPassword(app.user, 'next')).rejects.toMatchObject({
        name: 'Unreachable',
        message: expect.stringContaining('BUSY'),
      })
    await run(['SCRIPT', 'KILL'])
    await script
    await session.setPassword(app.user, 'next')
  })

  test('a replica changes its own users; it refuses test queries that write, and all without its master', async () => {
    const { server, run, engine } = await start({ settings: { replicaof: ['127.0.0.1', '1'] } })
    const app = await makeApp(server)
    await using session = await engine.login(app.current)
    await expect(session.run('SET shared:key 1')).rejects.toMatchObject({
      name: 'TestFailed',
      message: expect.stringContaining('READONLY'),
    })
    await run(['CONFIG', 'SET', 'replica-serve-stale-data', 'no'])
    await expect(session.run('GET shared:key')).rejects.toMatchObject({
      name: 'Unreachable',
      message: expect.stringContaining('MASTERDOWN'),
    })
    await session.setPassword(app.user, 'next')
    expect(await admits(server, app.current.with({ password: 'next' }))).toBe(true)
  })

  test('a server whose memory is full takes back the password of a single user; what it refuses is Unreachable', async () => {
    const { server, run, engine } = await start()
    const app = await makeApp(server)
    const change = {
      current: app.current,
      pending: app.current.with({ password: 'pending' }),
      previous: async () => undefined,
      async *stored() {},
      rds: noRds,
      admin: async () => app.admin,
      rival: async () => undefined,
      previousIsOpen: async () => false,
      untouched: async () => false,
    }
    await new SingleUser().apply(engine, change)
    await run(['CONFIG', 'SET', 'maxmemory', '1'])
    await using session = await engine.login(change.pending)
    await expect(session.run('SET shared:key 1')).rejects.toMatchObject({
      name: 'Unreachable',
      message: expect.stringContaining('OOM'),
    })
    expect(await new SingleUser().undo(engine, change)).toBe('restored')
    await server.restart()
    expect(await admits(server, app.current)).toBe(true)
    expect(await admits(server, change.pending)).toBe(false)
  })

  test('a server that cannot save its data changes users all the same', async () => {
    const { server, run, engine } = await start()
    const app = await makeApp(server)
    const [, folder = ''] = await run<string[]>(['CONFIG', 'GET', 'dir'])
    await mkdir(join(folder, 'dump.rdb'))
    await run(['CONFIG', 'SET', 'save', '3600 1'])
    try {
      await run(['BGSAVE'])
      while (/rdb_bgsave_in_progress:1/.test(await run<string>(['INFO', 'persistence']))) await sleep(20)
      await using session = await engine.login(app.current)
      await expect(session.run('SET shared:key 1')).rejects.toMatchObject({
        name: 'TestFailed',
        message: expect.stringContaining('MISCONF'),
      })
      await session.setPassword(app.user, 'next')
      expect(await admits(server, app.current.with({ password: 'next' }))).toBe(true)
    } finally {
      // Else it would not stop.
      await run(['CONFIG', 'SET', 'save', ''])
    }
  })

  test.each(['resetchannels', 'allchannels'])(
    'where new users may by default %s, a clone may what its user may',
    async channels => {
      const { server, run, engine } = await start({ settings: { acl_pubsub_default: [channels] } })
      for (const rules of [['resetchannels'], ['allchannels'], ['resetchannels', '&news']]) {
        const { username, password } = server.superuser
        const both = pair(`app_${hex()}`)
        await run(['ACL', 'SETUSER', both.user, 'on', ...rules, '+get'])
        await using session = await engine.login(credentialFor(server, username, password))
        await session.cloneUser(both, { user: both.clone, password: 'turn' })
        expect(await session.differences(both)).toEqual([])
      }
    },
  )

  test.each(['MULTI', 'EXEC'])(
    'a server that withholds %s is NotPermitted, and nothing changes',
    async command => {
      const { server, engine } = await start({ settings: { rename_command: [command, 'hidden'] } })
      const { user, current } = await makeApp(server)
      await using session = await engine.login(current)
      await expect(session.setPassword(user, 'next')).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining('withholds'),
      })
      expect(await admits(server, current)).toBe(true)
    },
  )

  test('the user that everybody is before a login, with a password and without', async () => {
    const { server, run, engine } = await start()
    const { username, password } = server.superuser
    const current = credentialFor(server, username, password)
    {
      await using session = await engine.login(current)
      await session.proven()
    }
    await run(['ACL', 'SETUSER', username, 'nopass'])
    await using session = await engine.login(current.with({ password: 'any' }))
    await expect(session.proven()).rejects.toMatchObject({ name: 'NotPermitted' })
  })

  test('a server whose provider withholds ACL is NotPermitted', async () => {
    const { server, engine } = await start({
      users: 'memory',
      settings: { rename_command: ['ACL', 'hidden'] },
    })
    const admin = credentialFor(server, server.superuser.username, server.superuser.password)
    await using session = await engine.login(admin)
    await expect(session.setPassword('default', 'next')).rejects.toMatchObject({
      name: 'NotPermitted',
      message: expect.stringContaining('withholds'),
    })
  })
})
