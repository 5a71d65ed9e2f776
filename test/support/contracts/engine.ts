import dns from 'node:dns'
import { createServer, type Server } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type App, randomHex } from '../../../local/servers/postgresDatabase.ts'
import { freePort } from '../../../local/servers/spawn.ts'
import type { Credential } from '../../../rotation/credential.ts'
import type { DualPasswordCalls, Engine, EngineOptions, Session } from '../../../rotation/engines/engine.ts'
import { NoSuchUser } from '../../../rotation/engines/noSuchUser.ts'
import { engineTraits } from '../../../rotation/engines/traits.ts'
import { generatePassword } from '../../../rotation/password.ts'
import { AlternatingUsers } from '../../../rotation/strategies/alternatingUsers.ts'

/** One engine on one real server, and what its tests do on that server without the engine. */
export type EngineSubject = {
  /** What a server of this kind does not have, so that the contract does not test it (docs/engines.md). */
  lacks?: readonly ('missing databases' | 'answers without TLS' | 'superusers')[]
  /** Makes an engine that trusts the server's certificate, if the options do not say otherwise. */
  engine(options?: Partial<EngineOptions>): Engine
  /** Makes a user. An `ordinary` one may not change other users; on some servers it may then not change itself either. */
  makeApp(options?: { user?: string; password?: string; ordinary?: boolean }): Promise<App>
  /** @returns whether user and password log in now, by a client that is not Keyturn's engine */
  admits(credential: Credential): Promise<boolean>
  /** Has the server log a statement in which `text` is a value. */
  logText(text: string): Promise<void>
  /** @returns all that the server has logged about statements, from wherever it logs */
  logged(): string
  /** The path of a CA file that does not have this server's CA. */
  strangeCaFile: string
  /**
   * The length of the longest password that the server accepts, and the longest names: `name` of a user without a clone,
   * `cloned` of a user whose clone's name must fit too.
   */
  maxLengths: { password: number; name: () => string; cloned: () => string }
  /** Set if a name cannot contain a space. */
  noSpaces?: true
  /** @returns whether this user's session is encrypted, as the server says */
  isEncrypted(user: string): Promise<boolean>
  /** Makes a user that may log in without TLS, and whose value asks for that. */
  plainTextUser(): Promise<Credential>
  /** Makes a server that answers as one without TLS. It passes what the client sends to `received`, then closes. */
  withoutTls(received: (bytes: Buffer) => void): Server
  /** Limits a user's connections. Missing where a user cannot have a limit of its own. */
  limitConnections?(user: string, to: number): Promise<void>
  /** Closes all connections of this user on the server's side. */
  disconnect(user: string): Promise<void>
  /**
   * Test queries: one that succeeds, one that takes seconds, one that reads something that does not exist (with the code of
   * the server's error), and one that the user may not run.
   */
  queries: { good: string; slow: string; absent: [query: string, code: string]; forbidden: string }
  /** Changes everything about the user that its clone must get too. `changeBack` undoes this. */
  change(app: App): Promise<void>
  changeBack(app: App): Promise<void>
  /** Gives the clone a role that the user does not have, and that the admin may take away. */
  giveStrayRole(app: App, clone: string): Promise<void>
  /** Set where a user may have two passwords. `allow` grants the right to set them, where that needs a grant. */
  twoPasswords?: { allow?(app: App): Promise<void> }
  /** Starts a read-only standby, where the engine has those. `current` is the value of a user there without rights. */
  standby?(): Promise<{ engine: Engine; current: Credential; stop(): Promise<void> }>
  /** Makes a user that is no clone of the app's user, but has the clone's name. `makeSuperuser` makes it a superuser. */
  makeStranger(app: App, clone: string, password: string): Promise<void>
  makeSuperuser(app: App, clone: string): Promise<void>
}

const { pairOf } = new AlternatingUsers()
const printable = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('')
const rejection = (name: string, more = {}) => expect.objectContaining({ name, ...more })

/** @returns the value with other fields, also those that `Credential.with` does not change, such as host and port */
export function withChange(credential: Credential, change: Record<string, unknown>): Credential {
  const Class = credential.constructor as typeof Credential
  return Class.parse(JSON.stringify({ ...JSON.parse(credential.serialize()), ...change }))
}

/** Makes the tests of what rotation/engines/engine.ts promises for every engine. */
export function engineContract(subject: EngineSubject): void {
  const engine = subject.engine()
  const { makeApp, admits } = subject
  const lacks = new Set(subject.lacks)

  /** Opens the admin's session as a strategy does, after a login as the user. */
  async function adminSessionFor({ current, admin, database }: Pick<App, 'current' | 'admin' | 'database'>) {
    await using proof = await engine.login(current)
    return await engine.login(admin.with({ dbname: database }), proof.accountQualifier)
  }

  /** Starts the server. @returns its port */
  async function portOf(server: Server): Promise<number> {
    server.listen(0, '127.0.0.1')
    await new Promise(resolve => server.once('listening', resolve))
    return (server.address() as { port: number }).port
  }

  test('the server logs statements, so that its log would show a password', async () => {
    const mark = randomHex()
    await subject.logText(mark)
    expect(subject.logged()).toContain(mark)
  })

  describe('login', () => {
    afterEach(() => {
      vi.restoreAllMocks()
    })

    test('opens a session over TLS', async () => {
      const { current } = await makeApp()
      await using _ = await engine.login(current)
      expect(await subject.isEncrypted(current.username)).toBe(true)
    })

    test('a wrong password, an unknown user and a locked user throw LoginRefused', async () => {
      const app = await makeApp()
      const { current } = app
      for (const wrong of [current.with({ password: 'wrong' }), current.with({ username: 'nobody' })])
        await expect(engine.login(wrong)).rejects.toEqual(rejection('LoginRefused'))
      await using session = await adminSessionFor(app)
      await session.closeUser(current.username, pairOf(app.user))
      await session.closeUser(current.username, pairOf(app.user))
      await expect(engine.login(current)).rejects.toEqual(rejection('LoginRefused'))
    })

    test('a new password alone opens a locked user', async () => {
      const app = await makeApp()
      await using session = await adminSessionFor(app)
      await session.closeUser(app.user, pairOf(app.user))
      await session.setPassword(app.user, 'opened')
      expect(await admits(app.current.with({ password: 'opened' }))).toBe(true)
    })

    if (!lacks.has('missing databases'))
      test('an unknown database throws InvalidCredential, which names the field', async () => {
        const { current } = await makeApp()
        await expect(engine.login(current.with({ dbname: 'nowhere' }))).rejects.toEqual(
          rejection('InvalidCredential', { field: 'dbname' }),
        )
      })

    test('a closed port and an unknown host throw Unreachable', async () => {
      const { current } = await makeApp()
      const closed = withChange(current, { port: await freePort() })
      await expect(engine.login(closed)).rejects.toEqual(rejection('Unreachable'))
      const unknown = withChange(current, { host: 'no.such.host.invalid' })
      await expect(engine.login(unknown)).rejects.toEqual(rejection('Unreachable'))
    })

    test('a server that never answers throws Unreachable after the timeout, and so does one that closes', async () => {
      const { current } = await makeApp()
      const hasty = subject.engine({ connectTimeout: 200 })
      const silent = createServer(() => {})
      const port = await portOf(silent)
      await expect(hasty.login(withChange(current, { port }))).rejects.toEqual(rejection('Unreachable'))
      silent.close()
      const rude = createServer(socket => socket.destroy())
      const next = await portOf(rude)
      await expect(hasty.login(withChange(current, { port: next }))).rejects.toEqual(rejection('Unreachable'))
      rude.close()
    })

    const { limitConnections } = subject
    if (limitConnections)
      test('too many connections throw Unreachable', async () => {
        const { current } = await makeApp()
        await limitConnections(current.username, 1)
        await using _ = await engine.login(current)
        await expect(engine.login(current)).rejects.toEqual(rejection('Unreachable'))
      })

    test('a certificate of an untrusted CA throws TlsFailed, and so does an unreadable CA file', async () => {
      const { current } = await makeApp()
      for (const caFile of [subject.strangeCaFile, '/no/such/file.pem'])
        await expect(subject.engine({ caFile }).login(current)).rejects.toEqual(rejection('TlsFailed'))
    })

    test('a certificate for another host name throws TlsFailed', async () => {
      const { current } = await makeApp()
      const here = { address: '127.0.0.1', family: 4 }
      const lookup = (_: string, { all }: dns.LookupOptions, done: (...result: unknown[]) => void) =>
        all ? done(null, [here]) : done(null, here.address, here.family)
      vi.spyOn(dns, 'lookup').mockImplementation(lookup as typeof dns.lookup)
      await using _ = await engine.login(withChange(current, { host: 'localhost' }))
      await expect(engine.login(withChange(current, { host: 'elsewhere.test' }))).rejects.toEqual(
        rejection('TlsFailed'),
      )
    })

    test('a session is in clear text only if the value says so', async () => {
      const plain = await subject.plainTextUser()
      await using _ = await engine.login(plain)
      expect(await subject.isEncrypted(plain.username)).toBe(false)
    })

    test('a server without TLS gets neither user nor password, and throws TlsFailed if it answers', async () => {
      const { current } = await makeApp()
      let sent = Buffer.alloc(0)
      const server = subject.withoutTls(bytes => {
        sent = Buffer.concat([sent, bytes])
      })
      const port = await portOf(server)
      const failed = lacks.has('answers without TLS') ? 'Unreachable' : 'TlsFailed'
      await expect(engine.login(withChange(current, { port }))).rejects.toEqual(rejection(failed))
      for (const secret of [current.username, current.password]) expect(sent.includes(secret)).toBe(false)
      server.close()
    })
  })

  const { standby } = subject
  if (standby)
    describe('isStandby', () => {
      test('is false on a server that accepts changes, for any user', async () => {
        const { current, admin } = await makeApp({ ordinary: true })
        for (const credential of [current, admin]) {
          await using session = await engine.login(credential)
          expect(await session.isStandby?.()).toBe(false)
        }
      })

      test('is true on a read-only server, also for a user with few rights, and a wrong password is refused there', async () => {
        const { engine, current, stop } = await standby()
        try {
          await using session = await engine.login(current)
          expect(await session.isStandby?.()).toBe(true)
          await expect(engine.login(current.with({ password: 'wrong' }))).rejects.toEqual(
            rejection('LoginRefused'),
          )
        } finally {
          await stop()
        }
      })
    })
  else
    test('a session has no isStandby', async () => {
      const { current } = await makeApp()
      await using session = await engine.login(current)
      expect(session.isStandby).toBeUndefined()
    })

  describe('setPassword', () => {
    test.each([
      ['every printable character', printable],
      ['quotes and backslashes', `'; drop role x; --\\'"$$\``],
      [
        'another script, with characters that Unicode normalization changes',
        'pässwörd ﬁ Ⅸ ａ\u00a0\u200b日本語 a\u0308',
      ],
      ['the longest', 'x'.repeat(subject.maxLengths.password)],
    ])('a password of %s logs in, the old one does not, and the log shows neither', async (_, password) => {
      const app = await makeApp()
      const next = app.current.with({ password })
      const third = `third-${randomHex(8)}`
      {
        await using session = await engine.login(app.current)
        await session.setPassword(app.user, password)
        await session.setPassword(app.user, password)
      }
      {
        await using _session = await engine.login(next)
        expect(await admits(next)).toBe(true)
        expect(await admits(app.current)).toBe(false)
      }
      {
        await using session = await adminSessionFor({ ...app, current: next })
        await session.setPassword(app.user, third)
        await session.setPassword(app.user, password)
      }
      expect(await admits(next)).toBe(true)
      const log = subject.logged()
      for (const written of [password, password.replace(/[\\']/g, '\\$&'), password.replaceAll("'", "''")])
        expect(log).not.toContain(written)
      expect(log).not.toContain(third)
    })

    test('for another user without the right to throws NotPermitted, and changes nothing', async () => {
      const { current } = await makeApp({ ordinary: true })
      const { current: victim } = await makeApp()
      await using session = await engine.login(current)
      await expect(session.setPassword(victim.username, 'taken')).rejects.toEqual(rejection('NotPermitted'))
      await expect(session.closeUser(victim.username, pairOf(victim.username))).rejects.toEqual(
        rejection('NotPermitted'),
      )
      expect(await admits(victim)).toBe(true)
    })

    test('by four sessions at once succeeds or throws Conflict', async () => {
      const { current } = await makeApp()
      const sessions = await Promise.all([1, 2, 3, 4].map(() => engine.login(current)))
      const results = await Promise.allSettled(
        sessions.map((session, i) => session.setPassword(current.username, `next-${i}`)),
      )
      await Promise.all(sessions.map(session => session[Symbol.asyncDispose]()))
      expect(results.some(({ status }) => status === 'fulfilled')).toBe(true)
      for (const result of results)
        if (result.status === 'rejected') expect(result.reason).toEqual(rejection('Conflict'))
    })

    test('a connection that is cut throws Unreachable', async () => {
      const { current } = await makeApp()
      await using session = await engine.login(current)
      await subject.disconnect(current.username)
      await expect(session.setPassword(current.username, 'x')).rejects.toEqual(rejection('Unreachable'))
    })
  })

  describe('runTestQuery', () => {
    test('a query that is refused throws TestFailed with the code or the reason', async () => {
      const { current } = await makeApp()
      await using session = await engine.login(current)
      await session.runTestQuery(subject.queries.good)
      const [absent, code] = subject.queries.absent
      await expect(session.runTestQuery(absent)).rejects.toEqual(
        rejection('TestFailed', { message: expect.stringContaining(code) }),
      )
      await expect(session.runTestQuery(subject.queries.forbidden)).rejects.toEqual(rejection('TestFailed'))
    })

    test('a query that takes too long throws Unreachable', async () => {
      const { current } = await makeApp()
      await using session = await subject.engine({ statementTimeout: 200 }).login(current)
      await expect(session.runTestQuery(subject.queries.slow)).rejects.toEqual(rejection('Unreachable'))
    })
  })

  /** Kinds of user names, each with a function that makes a new one: a user can be made only once. */
  const names: [string, () => string][] = [
    ['plain', () => `user_${randomHex()}`],
    ['quotes', () => `o'brien "the" ${randomHex()}`],
    ['spaces', () => `one and another ${randomHex(4)}`],
    ['capitals', () => `MixedCase${randomHex()}`],
    ['umlauts', () => `käsespätzle_${randomHex()}`],
    ['backslash and dollar', () => `back\\slash$$${randomHex()}`],
    ['percent, backtick and at', () => `a\`%@'%'_${randomHex()}`],
    ['a comma and equals signs', () => `uid=2C=a,b_${randomHex()}`],
    ['the greatest length that leaves room for a clone', subject.maxLengths.cloned],
  ]
  const permitted = (name: string) => (subject.noSpaces ? name.replaceAll(' ', '_') : name)
  test.each([...names, ['the greatest length', subject.maxLengths.name] as const])(
    'setPassword works for a name with %s',
    async (_, nameOf) => {
      const user = permitted(nameOf())
      const { current } = await makeApp({ user })
      await using session = await engine.login(current)
      await session.setPassword(user, 'next')
      expect(await admits(current.with({ password: 'next' }))).toBe(true)
      expect(await admits(current)).toBe(false)
    },
  )

  describe('openUser', () => {
    /** What the tests need for the clone of an app's user. `sync` makes it equal to the user, as a rotation does. */
    const makeClone = async (app: App) => {
      const both = pairOf(app.user)
      const clone = app.current.with({ username: both.clone, password: `clone-${randomHex(8)}` })
      const sync = async (open = clone) => {
        await using session = await adminSessionFor(app)
        await session.openUser(both, { user: open.username, password: open.password })
      }
      const differences = async () => {
        await using session = await engine.login(clone)
        return await session.differences(both, async () => app.current)
      }
      return { both, clone, sync, differences }
    }

    test.each(names)('the clone of a name with %s logs in and equals the user', async (_, nameOf) => {
      const app = await makeApp({ user: permitted(nameOf()) })
      const { both, clone, sync, differences } = await makeClone(app)
      await sync()
      await sync()
      expect(await admits(clone)).toBe(true)
      expect(await admits(app.current)).toBe(true)
      expect(await differences()).toEqual([])
      await using user = await engine.login(app.current)
      expect(await user.differences(both, async () => clone)).toEqual([])
      await using session = await engine.login(clone)
      await session.setPassword(both.clone, 'changed by itself')
      expect(await admits(clone.with({ password: 'changed by itself' }))).toBe(true)
      expect(subject.logged()).not.toContain(clone.password)
    })

    test('the turn back gives the user the password, and leaves the clone as it is', async () => {
      const app = await makeApp()
      const { clone, sync } = await makeClone(app)
      await sync()
      const next = app.current.with({ password: `back-${randomHex(8)}` })
      await sync(next)
      for (const credential of [next, clone]) expect(await admits(credential)).toBe(true)
      expect(await admits(app.current)).toBe(false)
    })

    test('the clone gets what the user was given or lost since, at every rotation', async () => {
      const app = await makeApp()
      const { sync, differences } = await makeClone(app)
      await sync()
      await subject.change(app)
      expect(await differences()).not.toEqual([])
      await sync()
      expect(await differences()).toEqual([])
      await subject.changeBack(app)
      expect(await differences()).not.toEqual([])
      await sync()
      expect(await differences()).toEqual([])
    })

    test('a role that the user does not have is revoked from the clone', async () => {
      const app = await makeApp()
      const { both, sync, differences } = await makeClone(app)
      await sync()
      await subject.giveStrayRole(app, both.clone)
      expect(await differences()).toContainEqual(expect.stringContaining('revoke'))
      await sync()
      expect(await differences()).toEqual([])
    })

    test('it is a difference if user or clone no longer exists', async () => {
      const app = await makeApp()
      const orphan = app.current.with({ username: `orphan_${randomHex()}` })
      await using session = await engine.login(app.current)
      for (const both of [
        { user: app.user, clone: orphan.username },
        { user: orphan.username, clone: app.user },
      ])
        expect(await session.differences(both, async () => orphan)).toEqual([
          expect.stringContaining(`${orphan.username} is not there any more`),
        ])
    })

    test('a locked clone can log in again', async () => {
      const app = await makeApp()
      const { both, clone, sync, differences } = await makeClone(app)
      await sync()
      {
        await using session = await adminSessionFor(app)
        await session.closeUser(both.clone, both)
      }
      expect(await admits(clone)).toBe(false)
      await sync()
      expect(await differences()).toEqual([])
    })

    test('dropping a clone is idempotent, and it can be made again', async () => {
      const app = await makeApp()
      const { both, clone, sync, differences } = await makeClone(app)
      const drop = async () => {
        await using session = await adminSessionFor(app)
        await session.dropClone(both)
      }
      await drop()
      await sync()
      await subject.change(app)
      await sync()
      await drop()
      await drop()
      expect(await admits(clone)).toBe(false)
      expect(await admits(app.current)).toBe(true)
      await sync()
      expect(await admits(clone)).toBe(true)
      expect(await differences()).toEqual([])
    })

    test('a user that only has the clone’s name is not dropped, and a drop needs the right to', async () => {
      const app = await makeApp({ ordinary: true })
      const { both, clone, sync } = await makeClone(app)
      await sync()
      {
        await using session = await engine.login(app.current)
        await expect(session.dropClone(both)).rejects.toEqual(rejection('NotPermitted'))
      }
      expect(await admits(clone)).toBe(true)
      const other = await makeApp()
      const stranger = pairOf(other.user)
      await subject.makeStranger(other, stranger.clone, 'its own')
      await using session = await adminSessionFor(other)
      await expect(session.dropClone(stranger)).rejects.toEqual(
        rejection('NotPermitted', { message: expect.stringContaining('no clone') }),
      )
      await expect(session.dropClone(pairOf(`orphan_${randomHex()}`))).resolves.toBeUndefined()
    })

    test('locking a clone that does not exist throws NoSuchUser', async () => {
      const app = await makeApp()
      const both = pairOf(app.user)
      await using session = await adminSessionFor(app)
      await expect(session.closeUser(both.clone, both)).rejects.toBeInstanceOf(NoSuchUser)
    })

    test('where another user has the clone’s name, neither it nor the user is locked', async () => {
      const app = await makeApp()
      const both = pairOf(app.user)
      const stranger = withChange(app.current, {
        username: both.clone,
        password: 'its own',
        dbname: undefined,
      })
      await subject.makeStranger(app, both.clone, stranger.password)
      await using session = await adminSessionFor(app)
      for (const name of [both.clone, both.user])
        await expect(session.closeUser(name, both)).rejects.toEqual(
          rejection('NotPermitted', { message: expect.stringContaining('no clone') }),
        )
      for (const credential of [stranger, app.current]) expect(await admits(credential)).toBe(true)
    })

    test('another user with the clone’s name throws NotPermitted, and nothing changes', async () => {
      const app = await makeApp()
      const { clone, sync } = await makeClone(app)
      await subject.makeStranger(app, clone.username, 'its own')
      await expect(sync()).rejects.toEqual(
        rejection('NotPermitted', { message: expect.stringContaining('no clone') }),
      )
      expect(await admits(withChange(clone, { password: 'its own', dbname: undefined }))).toBe(true)
    })

    if (!lacks.has('superusers'))
      test('a superuser with the clone’s name throws NotPermitted', async () => {
        const app = await makeApp()
        const { clone, sync } = await makeClone(app)
        await subject.makeSuperuser(app, clone.username)
        await expect(sync()).rejects.toEqual(rejection('NotPermitted'))
      })

    test('cloning a user that does not exist throws NotPermitted', async () => {
      const app = await makeApp()
      await using session = await adminSessionFor(app)
      const orphan = pairOf(`orphan_${randomHex()}`)
      await expect(session.openUser(orphan, { user: orphan.user, password: 'x' })).rejects.toEqual(
        rejection('NotPermitted', { message: expect.stringContaining('there is no') }),
      )
    })

    test('an admin that may not create users throws NotPermitted', async () => {
      const app = await makeApp({ ordinary: true })
      const { both, clone } = await makeClone(app)
      await using session: Session = await engine.login(app.current)
      await expect(
        session.openUser(both, { user: clone.username, password: clone.password }),
      ).rejects.toEqual(rejection('NotPermitted'))
    })
  })

  test('the longest password that the settings allow logs in', async () => {
    const app = await makeApp()
    const { maxPasswordBytes = 1024 } = engineTraits[app.current.engine]
    const password = generatePassword({ PASSWORD_LENGTH: maxPasswordBytes }, maxPasswordBytes)
    await using session = await adminSessionFor(app)
    await session.setPassword(app.user, password)
    const changed = app.current.with({ password })
    await using _ = await engine.login(changed)
    expect(await admits(changed)).toBe(true)
  })

  test('a session has dualPassword if the engine has the strategy dual-password', async () => {
    const { current } = await makeApp()
    await using session = await engine.login(current)
    expect(session.dualPassword !== undefined).toBe(
      'dual-password' in engineTraits[current.engine].actorByStrategy,
    )
  })

  const { twoPasswords } = subject
  if (twoPasswords)
    describe('two passwords', () => {
      /** An app that may have two passwords. `admitted` names those of `current`, `next` and `third` that log in now. */
      const makeDual = async () => {
        const app = await makeApp()
        await twoPasswords.allow?.(app)
        const { current } = app
        const actor = engineTraits[current.engine].actorByStrategy['dual-password']
        const sessionAs = async (credential: Credential) =>
          actor === 'admin' ? adminSessionFor({ ...app, current: credential }) : engine.login(credential)
        const passwords = async (
          credential: Credential,
          act: (passwords: DualPasswordCalls) => Promise<void>,
        ) => {
          await using session = await sessionAs(credential)
          if (!session.dualPassword) throw new Error('the session has no dualPassword')
          await act(session.dualPassword)
        }
        const next = current.with({ password: `next-${randomHex(8)}` })
        const third = current.with({ password: `third-${randomHex(8)}` })
        const admitted = async () => {
          const all = [current, next, third]
          const admitted = await Promise.all(all.map(admits))
          return ['current', 'next', 'third'].filter((_, i) => admitted[i])
        }
        return { app, user: app.user, current, next, third, passwords, admitted }
      }

      test('add lets both log in, keepOnly one; both are idempotent, and the log shows neither', async () => {
        const { user, current, next, passwords, admitted } = await makeDual()
        const add = (credential: Credential) =>
          passwords(credential, all => all.add(user, next.password, current.password))
        await add(current)
        expect(await admitted()).toEqual(['current', 'next'])
        await add(current)
        await add(next)
        expect(await admitted()).toEqual(['current', 'next'])
        await passwords(next, all => all.keepOnly(user, next.password))
        expect(await admitted()).toEqual(['next'])
        await passwords(next, all => all.keepOnly(user, next.password))
        expect(await admitted()).toEqual(['next'])
        for (const { password } of [current, next]) expect(subject.logged()).not.toContain(password)
      })

      test('keepOnly of the older password removes the newer one', async () => {
        const { user, current, next, passwords, admitted } = await makeDual()
        await passwords(current, all => all.add(user, next.password, current.password))
        await passwords(next, all => all.keepOnly(user, current.password))
        expect(await admitted()).toEqual(['current'])
        await passwords(current, all => all.add(user, next.password, current.password))
        expect(await admitted()).toEqual(['current', 'next'])
      })

      test('keepOnly of the older password by a session that knows only this one works, or throws Conflict', async () => {
        const { user, current, next, passwords, admitted } = await makeDual()
        await passwords(current, all => all.add(user, next.password, current.password))
        const kept = passwords(current, all => all.keepOnly(user, current.password))
        if (engineTraits[current.engine].actorByStrategy['dual-password'] === 'admin') {
          await kept
          expect(await admitted()).toEqual(['current'])
        } else {
          await expect(kept).rejects.toEqual(rejection('Conflict'))
          expect(await admitted()).toEqual(['current', 'next'])
        }
      })

      test('a third password replaces the oldest of two', async () => {
        const { user, current, next, third, passwords, admitted } = await makeDual()
        await passwords(current, all => all.add(user, next.password, current.password))
        await passwords(next, all => all.add(user, third.password, next.password))
        expect(await admitted()).toEqual(['next', 'third'])
        await passwords(third, all => all.keepOnly(user, third.password))
        expect(await admitted()).toEqual(['third'])
      })

      test.each([
        ['every printable character', printable],
        ['quotes and backslashes', `'; drop role x; --\\'"$$\``],
        ['another script', 'pässwörd 日本語'],
      ])(
        'a second password of %s logs in, and so does the first until it is removed',
        async (_, password) => {
          const { user, current, passwords } = await makeDual()
          const odd = current.with({ password })
          await passwords(current, all => all.add(user, password, current.password))
          expect([await admits(odd), await admits(current)]).toEqual([true, true])
          await passwords(odd, all => all.keepOnly(user, password))
          expect([await admits(odd), await admits(current)]).toEqual([true, false])
          expect(subject.logged()).not.toContain(password)
        },
      )

      test('add without the right to throws NotPermitted, and changes nothing', async () => {
        const app = await makeApp({ ordinary: true })
        const { current, user } = app
        await using session = await engine.login(current)
        await expect(session.dualPassword?.add(user, 'next', current.password)).rejects.toEqual(
          rejection('NotPermitted'),
        )
        expect(await admits(current)).toBe(true)
      })

      test('after two sessions added one at once, current logs in, and at least one has not thrown Conflict', async () => {
        const { user, current, next, third, passwords, admitted } = await makeDual()
        const results = await Promise.allSettled(
          [next, third].map(({ password }) =>
            passwords(current, all => all.add(user, password, current.password)),
          ),
        )
        expect(await admitted()).toContain('current')
        expect(results.some(({ status }) => status === 'fulfilled')).toBe(true)
        for (const result of results)
          if (result.status === 'rejected') expect(result.reason).toEqual(rejection('Conflict'))
      })
    })
}
