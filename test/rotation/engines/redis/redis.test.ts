import { describe, expect, inject, test } from 'vitest'
import { randomHex, rejectRds } from '../../../../local/servers/postgresDatabase.ts'
import { admits, makeApp } from '../../../../local/servers/redisDatabase.ts'
import type { Credential } from '../../../../rotation/credential.ts'
import { Redis } from '../../../../rotation/engines/redis/redis.ts'
import { passwordDigest } from '../../../../rotation/engines/redis/redisAcl.ts'
import { AlternatingUsers } from '../../../../rotation/strategies/alternatingUsers.ts'
import { DualPassword } from '../../../../rotation/strategies/dualPassword.ts'
import { SingleUser } from '../../../../rotation/strategies/singleUser.ts'
import { certificateContract } from '../../../support/contracts/certificate.ts'
import { engineContract, withChange } from '../../../support/contracts/engine.ts'
import { sceneOf } from '../../../support/engines/redisScene.ts'
import { subjectOf } from '../../../support/engines/redisSubject.ts'

const { pairOf } = new AlternatingUsers()
const servers = inject('redis')

describe.skipIf(!servers.length).each(servers)('$name', server => {
  engineContract(subjectOf(server))
  certificateContract(subjectOf(server))

  const { engine, run, alter, lineOf, makeUser, makeClone, watched } = sceneOf(server)

  describe('login', () => {
    test('login sends nothing but AUTH, and SELECT for a database other than 0, so that any user can log in', async () => {
      const current = await makeUser()
      for (const value of [current, withChange(current, { dbname: '0' })]) {
        await using _ = await engine.login(value)
      }
      expect(JSON.stringify(await run(['ACL', 'LOG']))).not.toContain(current.username)
      await expect(engine.login(withChange(current, { dbname: '3' }))).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringContaining("'select'"),
      })
      await alter(current.username, '+select', '+set', '+exists', '~*')
      const key = randomHex()
      {
        await using session = await engine.login(withChange(current, { dbname: '3' }))
        await session.runTestQuery(`SET ${key} 1`)
      }
      expect(await run(['SELECT', '3'], ['EXISTS', key])).toBe(1)
      expect(await run(['EXISTS', key])).toBe(0)
    })

    test('a database that does not exist throws InvalidCredential, which names the field', async () => {
      const current = await makeUser('+select')
      await expect(engine.login(withChange(current, { dbname: '16' }))).rejects.toMatchObject({
        name: 'InvalidCredential',
        field: 'dbname',
      })
    })

    test('a user that is off throws LoginRefused', async () => {
      const current = await makeUser()
      await alter(current.username, 'off')
      await expect(engine.login(current)).rejects.toMatchObject({ name: 'LoginRefused' })
    })

    test('a server without TLS, which stays silent, throws Unreachable, which says what the cause may be', async () => {
      const current = await makeUser()
      const hasty = new Redis({ caFile: server.caFile, connectTimeout: 500 })
      await expect(hasty.login(withChange(current, { port: server.plainPort }))).rejects.toMatchObject({
        name: 'Unreachable',
        message: expect.stringContaining('"ssl": false'),
      })
      await expect(engine.login(withChange(current, { ssl: false }))).rejects.toMatchObject({
        name: 'Unreachable',
      })
    })
  })

  test('a password is sent by AUTH alone, all other commands have its digest, and no log has the password', async () => {
    const app = await makeApp(server)
    const { sent, watching } = watched()
    const { both } = await makeClone(app)
    const passwords = Array.from({ length: 5 }, () => `Secret-${randomHex()}`)
    const [first = '', second = '', third = '', fourth = '', wrong = ''] = passwords
    {
      await using session = await watching.login(app.admin)
      await session.setPassword(both.user, first)
      await session.dualPassword.add(both.user, second, first)
      await session.dualPassword.keepOnly(both.user, second)
      await session.openUser(both, { user: both.clone, password: third })
      await session.openUser(both, { user: both.user, password: fourth })
      await session.closeUser(both.user, both)
      await session.dropClone(both)
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
    for (const password of [first, second, third, fourth])
      expect(others).toContain(`#${passwordDigest(password)}`)
  })

  describe('lacking rights', () => {
    test.each(['+acl|save', '+multi', '+acl|setuser', '+acl|list', '+exec'])(
      'an admin without %s throws NotPermitted, and nothing changes',
      async missing => {
        const app = await makeApp(server)
        await alter(app.admin.username, missing.replace('+', '-'))
        const before = await lineOf(app.user)
        const { both, clone } = await makeClone(app)
        for (const change of [
          (session: Awaited<ReturnType<Redis['login']>>) => session.setPassword(app.user, 'x'),
          (session: Awaited<ReturnType<Redis['login']>>) => session.closeUser(app.user, pairOf(app.user)),
          (session: Awaited<ReturnType<Redis['login']>>) => session.dualPassword.add(app.user, 'x', 'y'),
          (session: Awaited<ReturnType<Redis['login']>>) =>
            session.openUser(both, { user: both.clone, password: 'x' }),
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

    test('a session can be used after a refused command', async () => {
      const app = await makeApp(server)
      await alter(app.admin.username, '-acl|deluser')
      const { both } = await makeClone(app)
      await using session = await engine.login(app.admin)
      await session.openUser(both, { user: both.clone, password: 'x' })
      await expect(session.dropClone(both)).rejects.toMatchObject({ name: 'NotPermitted' })
      await session.setPassword(app.user, 'next')
      expect(await admits(server, app.current.with({ password: 'next' }))).toBe(true)
    })

    test('no method makes a user that does not exist, whatever its name', async () => {
      const app = await makeApp(server)
      const before = await run<string[]>(['ACL', 'USERS'])
      await using session = await engine.login(app.admin)
      for (const name of [`nobody_${randomHex()}`, 'two words', `${app.user} on`, 'line\nfeed', ''])
        for (const change of [
          session.setPassword(name, 'x'),
          session.closeUser(name, pairOf(name)),
          session.dualPassword.add(name, 'x', 'y'),
        ])
          await expect(change).rejects.toMatchObject({
            name: 'NotPermitted',
            message: expect.stringContaining('there is no'),
          })
      // Other files make users on this server meanwhile.
      const others = /^(app|admin|user|plain)_[0-9a-f]+(_clone)?$/
      const made = (await run<string[]>(['ACL', 'USERS'])).filter(user => !before.includes(user))
      expect(made.filter(user => !others.test(user))).toEqual([])
    })

    test('an ordinary user without the right to look sees no differences to its clone', async () => {
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

  describe('a rollback of alternating users, where the clone’s name belongs to', () => {
    async function undo(...rules: string[]) {
      const app = await makeApp(server, { ordinary: true })
      const { both, clone } = await makeClone(app)
      await alter(both.clone, 'on', ...rules, `~cache:*`, '+publish')
      const before = await lineOf(both.clone)
      const change = {
        current: app.current,
        pending: clone.with({ password: 'pending' }),
        readPrevious: async () => undefined,
        async *storedValues() {},
        rds: rejectRds,
        readAdmin: async () => app.admin,
      }
      await expect(new AlternatingUsers().apply(engine, change)).rejects.toMatchObject({
        name: 'NotPermitted',
      })
      const outcome = await new AlternatingUsers().undo(engine, {
        ...change,
        otherRotation: async () => undefined,
        isPreviousOpen: async () => false,
        hasChangedNothing: async () => false,
      })
      expect(await lineOf(both.clone)).toBe(before)
      return outcome
    }

    test('another user, which accepts any password, reports that nothing is left open', async () => {
      expect(await undo('nopass')).toBe('intact')
    })

    test('another user, which has the pending password, reports that this password is still open', async () => {
      expect(await undo(`#${passwordDigest('pending')}`)).toBe('open')
    })
  })

  describe('a rollback of alternating users, whose current password was removed from the clone', () => {
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
          readPrevious: async () => undefined,
          async *storedValues() {},
          rds: rejectRds,
          readAdmin: async () => {
            asked++
            return app.admin
          },
          otherRotation: async () => undefined,
          isPreviousOpen: async () => false,
          hasChangedNothing: async () => false,
        })
        .catch(error => error.name)
      return { outcome, asked, back: await admits(server, current), made: await lineOf(both.clone) }
    }

    test('has the admin set it again if the pending password logs in as the clone', async () => {
      expect(await undo(clone => clone)).toMatchObject({ outcome: 'restored', back: true })
    })

    test('does not ask the admin if the pending password does not log in either', async () => {
      expect(await undo(clone => clone.with({ password: 'wrong' }))).toMatchObject({
        outcome: 'LockedOut',
        asked: 0,
        back: false,
      })
    })
  })

  describe('a user that accepts any password', () => {
    const unproven = { name: 'NotPermitted', message: expect.stringContaining('nopass') }
    const noted = async (user: string) => JSON.stringify(await run(['ACL', 'LOG'])).includes(user)

    test.each([
      ['may ask for its own rules', ['+acl|getuser'], false],
      ['may ask for nothing', [], true],
    ])('is recognised by a session that %s, and a user with a password never is', async (_, rules, asked) => {
      const current = await makeUser(...rules)
      await using session = await engine.login(current)
      await session.requirePasswordCheck()
      expect(await noted(current.username)).toBe(asked)
      await alter(current.username, 'nopass')
      await expect(session.requirePasswordCheck()).rejects.toMatchObject(unproven)
      await alter(current.username, 'resetpass', `#${passwordDigest('second')}`, '+acl|whoami', '+ping')
      await session.requirePasswordCheck()
      await session.runTestQuery('PING')
    })

    test('is looked for by a login with a wrong password, which leaves the session as it was', async () => {
      const current = await makeUser('+acl|setuser', '+acl|save', '+multi', '+exec')
      await using session = await engine.login(current)
      await session.requirePasswordCheck()
      await session.setPassword(current.username, 'next')
      expect(await admits(server, current.with({ password: 'next' }))).toBe(true)
    })

    test('throws NotPermitted before the first change, under every strategy', async () => {
      const app = await makeApp(server)
      await alter(app.user, 'nopass')
      const before = await lineOf(app.user)
      const change = (username = app.user) => ({
        current: app.current,
        pending: app.current.with({ username, password: 'pending' }),
        readPrevious: async () => undefined,
        async *storedValues() {},
        rds: rejectRds,
        readAdmin: async () => app.admin,
      })
      const failed = {
        otherRotation: async () => undefined,
        isPreviousOpen: async () => false,
        hasChangedNothing: async () => false,
      }
      for (const [strategy, asked] of [
        [new SingleUser(), change()],
        [new DualPassword(), change()],
        [new AlternatingUsers(), change(pairOf(app.user).clone)],
      ] as const) {
        await expect(strategy.apply(engine, asked)).rejects.toMatchObject(unproven)
        await expect(strategy.undo(engine, { ...asked, ...failed })).rejects.toMatchObject(unproven)
      }
      expect(await lineOf(app.user)).toBe(before)
      expect(await lineOf(pairOf(app.user).clone)).toBeUndefined()
    })

    test('gets the current password back by a rollback if its own was set before', async () => {
      const { current, user, admin } = await makeApp(server)
      const pending = current.with({ password: 'pending' })
      const change = {
        ...{ current, pending, rds: rejectRds },
        readPrevious: async () => undefined,
        async *storedValues() {},
        readAdmin: async () => admin,
      }
      await new SingleUser().apply(engine, change)
      await alter(user, 'nopass')
      const failed = {
        ...change,
        otherRotation: async () => undefined,
        isPreviousOpen: async () => false,
        hasChangedNothing: async () => false,
        wasSet: async () => true,
      }
      const busy = { ...failed, otherRotation: async () => ({ isPending: false }) }
      await expect(new SingleUser().undo(engine, busy)).rejects.toMatchObject({ name: 'Conflict' })
      expect(await new SingleUser().undo(engine, failed)).toBe('restored')
      expect([await admits(server, current), await admits(server, pending)]).toEqual([true, false])
    })

    test('is recognised by an admin that is about to open the other one of user and clone', async () => {
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

  describe('setPassword', () => {
    test('a user that accepted any password accepts only the one that was set', async () => {
      const current = await makeUser('nopass', '+acl|setuser', '+acl|save', '+multi', '+exec')
      expect(await admits(server, current.with({ password: 'whatever' }))).toBe(true)
      {
        await using session = await engine.login(current)
        await session.setPassword(current.username, 'next')
      }
      expect(await admits(server, current.with({ password: 'whatever' }))).toBe(false)
      expect(await admits(server, current.with({ password: 'next' }))).toBe(true)
    })

    test('a new password leaves the user’s rules, its being on or off, and its open connections as they are', async () => {
      const app = await makeApp(server)
      await alter(app.user, '(%R~x* +get)', 'skip-sanitize-payload')
      await using admin = await engine.login(app.admin)
      await using session = await engine.login(app.current)
      const rules = async () => (await lineOf(app.user))?.replaceAll(/#\w+/g, '#')
      const before = await rules()
      await admin.setPassword(app.user, 'next')
      expect(await rules()).toBe(before)
      await admin.dualPassword.add(app.user, 'another', 'next')
      await admin.dualPassword.keepOnly(app.user, 'another')
      expect(await rules()).toBe(before)
      await admin.closeUser(app.user, pairOf(app.user))
      expect(await rules()).toBe(before?.replace('# ', ''))
      await session.runTestQuery('PING')
      await alter(app.user, 'off')
      await admin.setPassword(app.user, 'next')
      expect(await lineOf(app.user)).toContain(`user ${app.user} off `)
    })
  })
})
