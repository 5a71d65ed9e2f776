import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, inject, test } from 'vitest'
import { type App, randomHex, rejectRds } from '../../../../local/servers/postgresDatabase.ts'
import { type RunningRedis, startRedis } from '../../../../local/servers/redis.ts'
import { admits, credentialFor, makeApp, runCommands } from '../../../../local/servers/redisDatabase.ts'
import { Redis } from '../../../../rotation/engines/redis/redis.ts'
import { passwordDigest } from '../../../../rotation/engines/redis/redisAcl.ts'
import { AlternatingUsers } from '../../../../rotation/strategies/alternatingUsers.ts'
import { DualPassword } from '../../../../rotation/strategies/dualPassword.ts'
import { SingleUser } from '../../../../rotation/strategies/singleUser.ts'
import { withChange } from '../../../support/contracts/engine.ts'

const { pairOf } = new AlternatingUsers()
const servers = inject('redis')

/** Servers of their own, as these tests restart them or bring them to a halt. */
describe.skipIf(!servers.length).each(servers)('$name, on a server of its own', ({ packages }) => {
  const started: RunningRedis[] = []
  afterEach(async () => {
    await Promise.all(started.splice(0).map(server => server.stop()))
  })
  async function start(options: Parameters<typeof startRedis>[1] = {}) {
    const server = await startRedis(packages, options)
    started.push(server)
    const run = <T = unknown>(...commands: string[][]) => runCommands<T>(server, commands)
    return { server, run, engine: new Redis({ caFile: server.caFile, testMayWrite: true }) }
  }

  describe('a restart of the server', () => {
    test.each(['aclfile', 'config file'] as const)(
      'keeps what every strategy did, with users in the %s',
      async users => {
        const { server, run, engine } = await start({ usersIn: users })
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
          const pending = app.current.with({ username, password: `next-${randomHex()}` })
          return {
            current: app.current,
            pending,
            readPrevious: async () => undefined,
            async *storedValues() {},
            readAdmin: async () => app.admin,
            rds: rejectRds,
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
          reusedBy: async () => undefined,
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

    test('is foreseen where it would undo a change, and throws NotPermitted before the change', async () => {
      const { server, run, engine } = await start({ usersIn: 'memory' })
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

    test('needs the aclfile: if it cannot be written, DatabaseFailed is thrown before anything changes', async () => {
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

    test('needs the config file: without the right to write it, or if it cannot be written, NotPermitted', async () => {
      const { server, run, engine } = await start({ usersIn: 'config file' })
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
    'a rollback that cannot save the %s makes current log in, and throws %s',
    async (users, name) => {
      const { server, run, engine } = await start({ usersIn: users })
      const app = await makeApp(server)
      await run(['ACL', 'SETUSER', app.user, '+config|rewrite'])
      const change = {
        current: app.current,
        pending: app.current.with({ password: 'pending' }),
        readPrevious: async () => undefined,
        async *storedValues() {},
        rds: rejectRds,
        readAdmin: async () => app.admin,
      }
      await new SingleUser().apply(engine, change)
      const [, aclfile = ''] = await run<string[]>(['CONFIG', 'GET', 'aclfile'])
      const file = aclfile || (/config_file:(.*)\r/.exec(await run<string>(['INFO', 'server']))?.[1] ?? '')
      await rm(file)
      await mkdir(file)
      const undone = new SingleUser().undo(engine, {
        ...change,
        otherRotation: async () => undefined,
        isPreviousOpen: async () => false,
        hasChangedNothing: async () => false,
      })
      await expect(undone).rejects.toMatchObject({ name })
      expect([await admits(server, app.current), await admits(server, change.pending)]).toEqual([true, false])
    },
  )

  test('a server that accepts no more connections throws Unreachable, over TLS and in clear text', async () => {
    const { server, run, engine } = await start()
    const app = await makeApp(server)
    const plain = withChange(app.current, { ssl: false, port: server.plainPort })
    // The log's own connection, and one more.
    await run(['CONFIG', 'SET', 'maxclients', '2'])
    await using _ = await engine.login(app.current)
    for (const value of [app.current, plain])
      await expect(engine.login(value)).rejects.toMatchObject({ name: 'Unreachable' })
  })

  test('a server that is busy throws Unreachable', async () => {
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

  test('isStandby asks HELLO, which every user may, and ROLE where HELLO is missing', async () => {
    const master = await start({ settings: { repl_diskless_sync_delay: ['0'] } })
    const replica = await start({
      settings: {
        replicaof: ['127.0.0.1', `${master.server.plainPort}`],
        masteruser: [master.server.superuser.username],
        masterauth: [master.server.superuser.password],
        // As Redis 6.0, which asks for a right to it.
        rename_command: ['HELLO', ''],
      },
    })
    await master.run(['SET', 'from', 'the master'])
    await expect.poll(() => replica.run(['GET', 'from']), { timeout: 20_000 }).toBe('the master')
    const narrow = async ({ server, run }: typeof replica, ...rules: string[]) => {
      const user = `user_${randomHex()}`
      await run(['ACL', 'SETUSER', user, 'on', `#${passwordDigest('p')}`, ...rules])
      return credentialFor(server, user, 'p')
    }
    {
      await using session = await master.engine.login(await narrow(master))
      expect(await session.isStandby()).toBe(false)
      expect(await master.run(['ACL', 'LOG'])).toEqual([])
    }
    {
      await using session = await replica.engine.login(await narrow(replica))
      await expect(session.isStandby()).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining("'role'"),
      })
    }
    await using session = await replica.engine.login(await narrow(replica, '+role'))
    expect(await session.isStandby()).toBe(true)
    await replica.run(['REPLICAOF', 'NO', 'ONE'])
    expect(await session.isStandby()).toBe(false)
  })

  test('a replica changes its own users, and refuses test queries that write', async () => {
    const { server, run, engine } = await start({ settings: { replicaof: ['127.0.0.1', '1'] } })
    const app = await makeApp(server)
    await using session = await engine.login(app.current)
    await expect(session.runTestQuery('SET shared:key 1')).rejects.toMatchObject({
      name: 'TestFailed',
      message: expect.stringContaining('READONLY'),
    })
    await run(['CONFIG', 'SET', 'replica-serve-stale-data', 'no'])
    await expect(session.runTestQuery('GET shared:key')).rejects.toMatchObject({
      name: 'Unreachable',
      message: expect.stringContaining('MASTERDOWN'),
    })
    await session.setPassword(app.user, 'next')
    expect(await admits(server, app.current.with({ password: 'next' }))).toBe(true)
  })

  test('a rollback of a single user succeeds on a server whose memory is full', async () => {
    const { server, run, engine } = await start()
    const app = await makeApp(server)
    const change = {
      current: app.current,
      pending: app.current.with({ password: 'pending' }),
      readPrevious: async () => undefined,
      async *storedValues() {},
      rds: rejectRds,
      readAdmin: async () => app.admin,
      otherRotation: async () => undefined,
      isPreviousOpen: async () => false,
      hasChangedNothing: async () => false,
    }
    await new SingleUser().apply(engine, change)
    await run(['CONFIG', 'SET', 'maxmemory', '1'])
    await using session = await engine.login(change.pending)
    await expect(session.runTestQuery('SET shared:key 1')).rejects.toMatchObject({
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
      await expect(session.runTestQuery('SET shared:key 1')).rejects.toMatchObject({
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
    'a clone gets its user’s channels where new users get %s by default',
    async channels => {
      const { server, run, engine } = await start({ settings: { acl_pubsub_default: [channels] } })
      for (const rules of [['resetchannels'], ['allchannels'], ['resetchannels', '&news']]) {
        const { username, password } = server.superuser
        const both = pairOf(`app_${randomHex()}`)
        await run(['ACL', 'SETUSER', both.user, 'on', ...rules, '+get'])
        await using session = await engine.login(credentialFor(server, username, password))
        await session.openUser(both, { user: both.clone, password: 'turn' })
        expect(await session.differences(both)).toEqual([])
      }
    },
  )

  test.each(['MULTI', 'EXEC'])(
    'a server without the command %s throws NotPermitted, and nothing changes',
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

  test('the default user, which everybody is before a login, is rotated with a password and refused without', async () => {
    const { server, run, engine } = await start()
    const { username, password } = server.superuser
    const current = credentialFor(server, username, password)
    {
      await using session = await engine.login(current)
      await session.requirePasswordCheck()
    }
    await run(['ACL', 'SETUSER', username, 'nopass'])
    await using session = await engine.login(current.with({ password: 'any' }))
    await expect(session.requirePasswordCheck()).rejects.toMatchObject({ name: 'NotPermitted' })
  })

  test('a server whose provider withholds ACL throws NotPermitted', async () => {
    const { server, engine } = await start({
      usersIn: 'memory',
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
