import {
  BSON,
  type Document,
  MongoClient,
  MongoCompatibilityError,
  MongoNetworkError,
  MongoParseError,
  MongoRuntimeError,
  MongoServerError,
} from 'mongodb'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { startGateway } from '../../../../local/servers/documentdbGateway.ts'
import {
  admits,
  createUserStatement,
  lockSlowCollection,
  makeApp,
  runBehindGateway,
} from '../../../../local/servers/mongodbDatabase.ts'
import { Credential } from '../../../../rotation/credential.ts'
import { Mongodb } from '../../../../rotation/engines/mongodb/mongodb.ts'
import { translate, translateLogin } from '../../../../rotation/engines/mongodb/mongodbErrors.ts'
import { Standby } from '../../../../rotation/engines/standby.ts'
import { certificateContract } from '../../../support/contracts/certificate.ts'
import { engineContract, withChange } from '../../../support/contracts/engine.ts'
import { subjectOf } from '../../../support/engines/mongodbSubject.ts'

const both = { user: 'shop', clone: 'shop_clone' }

describe.each(inject('mongodb'))('$name', server => {
  beforeAll(() => lockSlowCollection(server))
  engineContract(subjectOf(server))
  certificateContract(subjectOf(server))

  const engine = new Mongodb({ caFile: server.caFile })

  test('a login at a replica goes on to its primary, and tries the password only there', async () => {
    const app = await makeApp(server)
    const replica = await startGateway({ ...server.gatewayOptions, primary: `localhost:${server.port}` })
    const before = subjectOf(server).logged().length
    const there = withChange(app.current, { port: replica.port })
    {
      await using session = await engine.login(there)
      await session.setPassword(app.user, 'next')
    }
    expect(await admits(server, app.current.with({ password: 'next' }))).toBe(true)
    const logins = subjectOf(server)
      .logged()
      .slice(before)
      .match(/^login of .*$/gm)
    expect(logins).toEqual(Array(2).fill(`login of ${app.user}, TLS`))
    replica.stop()
  })

  test('a replica whose primary is unknown, or is no primary, throws Unreachable', async () => {
    const { current } = await makeApp(server)
    const lost = await startGateway({ ...server.gatewayOptions, primary: 'localhost:1' })
    const astray = await startGateway({ ...server.gatewayOptions, primary: `localhost:${lost.port}` })
    const odd = await startGateway({ ...server.gatewayOptions, primary: 'localhost:1/?authSource=x' })
    for (const { port } of [lost, astray, odd]) {
      const login = engine.login(withChange(current, { port }))
      await expect(login).rejects.toMatchObject({ name: 'Unreachable' })
      // So that it is told from a server that is not there at all.
      await expect(login).rejects.toBeInstanceOf(Standby)
    }
    await expect(engine.login(withChange(current, { port: lost.port }))).rejects.toThrow(
      'its primary, localhost:1: ECONNREFUSED',
    )
    await expect(engine.login(withChange(current, { port: 1 }))).rejects.not.toBeInstanceOf(Standby)
    lost.stop()
    astray.stop()
    odd.stop()
  })

  test('a server that knows SCRAM-SHA-1 alone lets users in, and a wrong password is tried once', async () => {
    const { user, current, admin } = await makeApp(server)
    const sha1 = new Map([current, admin].map(({ username, password }) => [username, password]))
    const old = await startGateway({ ...server.gatewayOptions, sha1Passwords: sha1 })
    const [app, boss] = [current, admin].map(value =>
      withChange(value, { port: old.port, dbname: undefined }),
    ) as [Credential, Credential]
    const before = subjectOf(server).logged().length
    const tried = () =>
      [
        ...subjectOf(server)
          .logged()
          .slice(before)
          .matchAll(/^\{"sasl(Start":1,"mechanism":"[^"]+|Continue)/gm),
      ]
        .map(([, what]) => what?.replace(/.*"/, ''))
        .join(' ')
    await expect(engine.login(app.with({ password: 'wrong' }))).rejects.toMatchObject({
      name: 'LoginRefused',
    })
    // A password was tried once.
    expect(tried()).toBe('SCRAM-SHA-256 SCRAM-SHA-1 Continue')
    const clone = `${user}_clone`
    {
      await using session = await engine.login(app)
      await session.setPassword(user, 'next')
      await using admin = await engine.login(boss)
      await admin.openUser({ user, clone }, { user: clone, password: 'turn' })
    }
    for (const [username, password] of [
      [user, 'next'],
      [clone, 'turn'],
    ] as const) {
      await using _ = await engine.login(app.with({ username, password }))
    }
    for (const username of ['a=b', 'a,b'])
      await expect(engine.login(app.with({ username }))).rejects.toMatchObject({
        name: 'InvalidCredential',
        field: 'username',
      })
    expect(subjectOf(server).logged().slice(before)).not.toContain('"mechanisms"')
    old.stop()
  })

  test('where the server knows SCRAM-SHA-256, a wrong password is tried once', async () => {
    const { current } = await makeApp(server)
    const before = subjectOf(server).logged().length
    await expect(
      engine.login(withChange(current, { password: 'wrong', dbname: undefined })),
    ).rejects.toMatchObject({ name: 'LoginRefused' })
    expect(
      subjectOf(server)
        .logged()
        .slice(before)
        .match(/^{"saslStart"/gm),
    ).toHaveLength(1)
  })

  test('a password that SCRAM-SHA-256 does not allow throws InvalidCredential, which names the field', async () => {
    const { current } = await makeApp(server)
    await expect(engine.login(current.with({ password: 'bell\u0007' }))).rejects.toMatchObject({
      name: 'InvalidCredential',
      field: 'password',
    })
  })

  test('wouldOpenUser and wouldDropClone say what they could not look at, and change nothing', async () => {
    const app = await makeApp(server)
    const pair = { user: app.user, clone: `${app.user}_clone` }
    await using session = await engine.login(app.admin)
    await using own = await engine.login(app.current)
    const before = subjectOf(server).logged().length
    for (const open of [pair.user, pair.clone])
      expect(await session.wouldOpenUser(pair, open)).toEqual([
        expect.stringMatching(/^could not be looked at: whether admin_\w+ may run (create|update)User/),
      ])
    expect(await session.wouldDropClone(pair)).toEqual([expect.stringMatching(/may run dropUser/)])
    await own.wouldSetPassword(app.user, 'never-used')
    expect(await own.countFreeConnections()).toBeUndefined()
    const sent = subjectOf(server).logged().slice(before)
    expect(sent).toContain('usersInfo')
    expect(sent).not.toMatch(/(create|update|drop)User"|never-used/)
    await runBehindGateway(
      server,
      createUserStatement(pair.clone, 'x', 'readWriteAnyDatabase', 'clusterAdmin'),
      app.admin.username,
    )
    for (const open of [pair.user, pair.clone])
      await expect(session.wouldOpenUser(pair, open)).rejects.toMatchObject({ name: 'NotPermitted' })
    await expect(session.wouldSetPassword('nobody', 'x')).rejects.toThrow('there is no user')
  })

  test('a test query that names no database and collection throws TestFailed, which says what it should be', async () => {
    const { current } = await makeApp(server)
    await using session = await engine.login(current)
    for (const query of ['health', '.health', 'keyturn.', '{"ping":1}'])
      await expect(session.runTestQuery(query)).rejects.toMatchObject({
        name: 'TestFailed',
        message: expect.stringContaining('shop.orders'),
      })
  })

  test('a clone that AWS’s templates made is taken over', async () => {
    const app = await makeApp(server)
    await runBehindGateway(
      server,
      createUserStatement(`${app.user}_clone`, 'theirs', 'readAnyDatabase'),
      app.admin.username,
    )
    const pair = { user: app.user, clone: `${app.user}_clone` }
    await using session = await engine.login(app.admin)
    await session.openUser(pair, { user: pair.clone, password: 'ours' })
    const clone = app.current.with({ username: pair.clone, password: 'ours' })
    expect(await admits(server, clone)).toBe(true)
  })
})

/**
 * A MongoDB in memory, for what DocumentDB's engine lacks. It returns the changes that it was asked for, and its clients.
 * `told` is its answer to usersInfo instead of the true one, `rights` are the privileges of the user that asks, and `free` is
 * how many connections it says are free.
 * `source` is the database of all users, or each user's database by its name; `refuse` has the error code of each command that
 * fails, or of `connect`.
 */
function mongodb(
  users: Document[],
  {
    refuse = {} as Record<string, number>,
    source = 'admin' as string | Record<string, string>,
    more = {} as Document,
    told = undefined as unknown,
    rights = undefined as Document[] | undefined,
    free = undefined as number | undefined,
  } = {},
) {
  const changes: Document[] = []
  const clients: MongoClient[] = []
  class Client extends MongoClient {
    override async connect() {
      clients.push(this)
      if (refuse.connect) throw new MongoServerError({ code: refuse.connect })
      const { source: asked, username = '' } = this.options.credentials ?? {}
      if (asked !== (typeof source === 'string' ? source : source[username]))
        throw new MongoServerError({ code: 18 })
      return this
    }
    override db(name: string) {
      const command = async (command: Document) => {
        const [verb = ''] = Object.keys(command)
        if (verb in refuse)
          throw new MongoServerError({ code: refuse[verb], message: JSON.stringify(command) })
        if (verb === 'connectionStatus') return { authInfo: { authenticatedUserPrivileges: rights } }
        if (verb === 'serverStatus') return { connections: { available: free } }
        const { writeConcern, ...change } = command
        // What a failover could undo would be no change.
        if (/user$/i.test(verb)) expect(writeConcern).toEqual({ w: 'majority', wtimeout: 15_000 })
        if (verb !== 'usersInfo') changes.push({ ...change, $db: name })
        const { usersInfo, showAuthenticationRestrictions } = command
        const found = users.filter(({ user, db }) => user === usersInfo?.user && db === usersInfo?.db)
        const shown = ({ authenticationRestrictions, ...rest }: Document) =>
          showAuthenticationRestrictions ? { authenticationRestrictions, ...rest } : rest
        return { users: told ?? found.map(shown) }
      }
      return { command } as never
    }
  }
  const engine = new Mongodb({ caFile: '', Client })
  const value = {
    engine: 'mongo',
    host: 'h',
    username: 'shop',
    password: 'p',
    dbname: 'shop',
    ssl: false,
    ...more,
  }
  const login = () => engine.login(Credential.parse(JSON.stringify(value)))
  return { login, changes, clients }
}

const user = (name: string, more: Document = {}) => ({
  user: name,
  db: 'admin',
  roles: [{ role: 'readWrite', db: 'shop' }],
  ...more,
})
const open = { user: 'shop_clone', password: 'open' }
const cloneCredential = Credential.parse(
  JSON.stringify({ engine: 'mongo', host: 'h', username: 'shop_clone', password: 'p', ssl: false }),
)

describe('on a double of MongoDB, for what DocumentDB’s engine lacks', () => {
  test('a user of the database that the value names is found there, and its clone is made there', async () => {
    const { login, changes } = mongodb([user('shop', { db: 'shop' })], { source: 'shop' })
    const session = await login()
    expect(session.accountQualifier).toBe('shop')
    await session.setPassword('shop', 'next')
    await session.openUser(both, open)
    expect(changes).toEqual([
      { updateUser: 'shop', pwd: 'next', $db: 'shop' },
      { createUser: 'shop_clone', roles: user('').roles, pwd: 'open', $db: 'shop' },
    ])
    await expect(mongodb([], { source: 'elsewhere' }).login()).rejects.toMatchObject({ name: 'LoginRefused' })
  })

  test('the database that the value names is tried only if the database `admin` does not know the user', async () => {
    const { login, clients } = mongodb([], { refuse: { connect: 91 }, source: 'shop' })
    await expect(login()).rejects.toMatchObject({ name: 'Unreachable' })
    expect(clients).toHaveLength(1)
  })

  test('a user and a clone in different databases are reported as a difference', async () => {
    const users = [user('shop', { db: 'shop' }), user('shop_clone')]
    const session = await mongodb(users, { source: { shop: 'shop', shop_clone: 'admin' } }).login()
    expect(await session.differences(both, async () => cloneCredential)).toEqual([
      'shop and shop_clone are users of different databases',
    ])
  })

  test('the driver uses one server, one connection and one try, with time limits that fit into a step', async () => {
    const { login, clients } = mongodb([user('shop')])
    await login()
    expect(clients[0]?.options).toMatchObject({
      ...{ directConnection: true, maxPoolSize: 1, serverMonitoringMode: 'poll' },
      ...{ retryReads: false, retryWrites: false },
      ...{ connectTimeoutMS: 5_000, serverSelectionTimeoutMS: 5_000, socketTimeoutMS: 16_000 },
    })
  })

  test('a test query tells the server when to give it up', async () => {
    const { login, changes } = mongodb([user('shop')])
    await (await login()).runTestQuery('shop.orders')
    const find = { find: 'orders', limit: 1, singleBatch: true, maxTimeMS: 15_000 }
    expect(changes).toEqual([{ ...find, $db: 'shop' }])
  })

  test('a host may be an address of IPv6', async () => {
    const { login, clients } = mongodb([user('shop')], { more: { host: '2001:db8::1' } })
    await login()
    expect(clients[0]?.options.hosts.map(String)).toEqual(['[2001:db8::1]:27017'])
  })

  test('a user and its clone keep the user’s only login mechanism when they get a password', async () => {
    const mechanisms = ['SCRAM-SHA-256']
    const { login, changes } = mongodb([user('shop', { mechanisms }), user('shop_clone')])
    const session = await login()
    await session.setPassword('shop', 'next')
    await session.closeUser('shop', both)
    await session.openUser(both, open)
    expect(changes).toMatchObject([
      { updateUser: 'shop', pwd: 'next', mechanisms },
      { updateUser: 'shop', mechanisms },
      { updateUser: 'shop_clone', pwd: 'open', mechanisms },
    ])
  })

  test('a clone gets and loses the user’s roles, restrictions and custom data in one command', async () => {
    const more = {
      roles: [
        { role: 'readWrite', db: 'shop' },
        { role: 'reports', db: 'admin' },
      ],
      customData: { team: 'a' },
      authenticationRestrictions: [{ clientSource: ['10.0.0.0/8'] }],
    }
    const given = mongodb([user('shop', more), user('shop_clone')])
    await (await given.login()).openUser(both, open)
    expect(given.changes).toEqual([{ updateUser: 'shop_clone', ...more, pwd: 'open', $db: 'admin' }])
    const taken = mongodb([user('shop'), user('shop_clone', more)])
    await (await taken.login()).openUser(both, open)
    const none = { roles: user('').roles, customData: {}, authenticationRestrictions: [] }
    expect(taken.changes).toEqual([{ updateUser: 'shop_clone', ...none, pwd: 'open', $db: 'admin' }])
    const made = mongodb([user('shop', more)])
    await (await made.login()).openUser(both, open)
    expect(made.changes).toEqual([{ createUser: 'shop_clone', ...more, pwd: 'open', $db: 'admin' }])
  })

  test('opening the user leaves the clone as it is, and makes none where there is none', async () => {
    const limited = { authenticationRestrictions: [{ clientSource: ['192.0.2.1'] }] }
    const back = { user: 'shop', password: 'back' }
    for (const users of [[user('shop', limited), user('shop_clone')], [user('shop', limited)]]) {
      const { login, changes } = mongodb(users)
      await (await login()).openUser(both, back)
      expect(changes).toEqual([{ updateUser: 'shop', pwd: 'back', $db: 'admin' }])
    }
  })

  /** What an admin needs for a pair whose roles are in the databases shop and reports. */
  const needed: Record<string, Document> = {
    createUser: { db: 'admin', collection: '' },
    changePassword: { db: 'admin', collection: '' },
    changeCustomData: { db: 'admin', collection: '' },
    revokeRole: { db: '', collection: '' },
    grantRole: { db: '', collection: '' },
    setAuthenticationRestriction: { db: 'admin', collection: '' },
  }
  const granted = (of: Record<string, Document>) =>
    Object.entries(of).map(([action, resource]) => ({ resource, actions: [action] }))
  const whole = user('shop', {
    roles: [
      { role: 'readWrite', db: 'shop' },
      { role: 'reports', db: 'reports' },
    ],
    customData: { team: 'a' },
    authenticationRestrictions: [{ clientSource: ['10.0.0.0/8'] }],
  })

  test('wouldOpenUser allows an admin with exactly the necessary rights, or with rights on everything', async () => {
    const equal = user('shop_clone', { roles: whole.roles })
    const cases = { shop_clone: [[whole], [whole, user('shop_clone')]], shop: [[whole], [whole, equal]] }
    for (const rights of [
      granted(needed),
      [{ resource: { anyResource: true }, actions: Object.keys(needed) }],
    ])
      for (const [opened, every] of Object.entries(cases))
        for (const users of every) {
          const { login, changes } = mongodb(users, { rights, more: { username: 'boss' } })
          expect(await (await login()).wouldOpenUser(both, opened)).toEqual([])
          expect(changes).toEqual([])
        }
  })

  test('wouldDropClone asks for the right dropUser on the user’s database, whether or not there is a clone', async () => {
    const rights = (db: string) => granted({ dropUser: { db, collection: '' } })
    for (const users of [[user('shop')], [user('shop'), user('shop_clone')]]) {
      const { login, changes } = mongodb(users, { rights: rights('admin') })
      expect(await (await login()).wouldDropClone(both)).toEqual([])
      expect(changes).toEqual([])
      const other = mongodb(users, { rights: rights('shop'), refuse: { dropUser: 13 } })
      await expect((await other.login()).wouldDropClone(both)).rejects.toMatchObject({
        name: 'NotPermitted',
        message: expect.stringMatching(/^dropUser as .*: for shop_clone it lacks dropUser on admin$/),
      })
    }
  })

  test('countFreeConnections returns the server’s number, or undefined if the server refuses to tell', async () => {
    const { login } = mongodb([user('shop')], { free: 7 })
    expect(await (await login()).countFreeConnections()).toBe(7)
    const { login: refused } = mongodb([user('shop')], { refuse: { serverStatus: 13 } })
    expect(await (await refused()).countFreeConnections()).toBeUndefined()
  })

  test.each([
    ['createUser', 'createUser on admin', ['made']],
    ['changePassword', 'changePassword on admin', ['changed', 'opened']],
    ['changeCustomData', 'changeCustomData on admin', ['changed']],
    ['revokeRole', 'revokeRole on every database', ['changed']],
    ['grantRole', 'grantRole on shop, grantRole on reports', ['made', 'changed']],
    ['setAuthenticationRestriction', 'setAuthenticationRestriction on admin', ['made', 'changed']],
  ])(
    'wouldOpenUser refuses an admin without %s where openUser does, and says what is lacking',
    async (action, says, deeds) => {
      const { [action]: _, ...rest } = needed
      const refuse = { createUser: 13, updateUser: 13 }
      const cases = { made: ['shop_clone'], changed: ['shop_clone', 'x'], opened: ['shop'] } as const
      for (const [deed, [opened, found]] of Object.entries(cases)) {
        const users = found ? [whole, user('shop_clone')] : [whole]
        const { login } = mongodb(users, { rights: granted(rest), refuse, more: { username: 'boss' } })
        const session = await login()
        const real = session.openUser(both, { user: opened, password: 'x' })
        await expect(real).rejects.toMatchObject({ name: 'NotPermitted' })
        const words = await real.catch(({ message }) => message)
        const foreseen = session.wouldOpenUser(both, opened)
        if (deeds.includes(deed))
          await expect(foreseen).rejects.toMatchObject({
            name: 'NotPermitted',
            message: `${words}: for ${opened} it lacks ${says}`,
          })
        else expect(await foreseen).toEqual([])
      }
    },
  )

  test('a right on another database, a collection or the cluster does not let a user change its password', async () => {
    for (const resource of [
      { db: 'shop', collection: '' },
      { db: 'admin', collection: 'x' },
      { cluster: true },
    ]) {
      const { login } = mongodb([user('shop')], { rights: granted({ changePassword: resource }) })
      await expect((await login()).wouldSetPassword('shop', 'x')).rejects.toThrow(
        'lacks changeOwnPassword or',
      )
    }
  })

  test('wouldSetPassword accepts either right to change one’s own password, and names what is lacking', async () => {
    for (const action of ['changeOwnPassword', 'changePassword']) {
      const rights = granted({ [action]: { db: 'admin', collection: '' } })
      const { login, changes } = mongodb([user('shop')], { rights })
      await (await login()).wouldSetPassword('shop', 'x')
      expect(changes).toEqual([])
    }
    const { login } = mongodb([user('shop')], { rights: granted({ find: { db: 'shop', collection: '' } }) })
    await expect((await login()).wouldSetPassword('shop', 'x')).rejects.toMatchObject({
      name: 'NotPermitted',
      message: expect.stringMatching(/needs a role with the action changeOwnPassword$/),
    })
  })

  test.each([
    ['a number in place of users', 7],
    ['null in place of a user', [null]],
    ['a user without roles', [{ user: 'shop', db: 'admin' }]],
    ['a role of the wrong type', [{ user: 'shop', db: 'admin', roles: ['read'] }]],
    ['mechanisms of the wrong type', [user('shop', { mechanisms: 5 })]],
  ])('an answer to usersInfo with %s throws DatabaseFailed, and nothing changes', async (_, told) => {
    const { login, changes } = mongodb([user('shop')], { told })
    const session = await login()
    for (const change of [session.setPassword('shop', 'next'), session.openUser(both, open)])
      await expect(change).rejects.toMatchObject({ name: 'DatabaseFailed' })
    expect(changes).toEqual([])
  })

  test('a clone that equals its user gets a password and nothing else', async () => {
    const roles = [
      { role: 'b', db: 'x' },
      { role: 'a', db: 'x' },
    ]
    const { login, changes } = mongodb([
      user('shop', { roles }),
      user('shop_clone', { roles: roles.toReversed() }),
    ])
    const session = await login()
    await session.openUser(both, open)
    await session.openUser(both, { user: 'shop', password: 'back' })
    expect(changes).toEqual([
      { updateUser: 'shop_clone', pwd: 'open', $db: 'admin' },
      { updateUser: 'shop', pwd: 'back', $db: 'admin' },
    ])
  })

  test('openUser throws Conflict if the clone is dropped meanwhile, and dropClone succeeds', async () => {
    const { login } = mongodb([user('shop'), user('shop_clone')], {
      refuse: { updateUser: 11, dropUser: 11 },
    })
    const session = await login()
    await expect(session.openUser(both, open)).rejects.toMatchObject({ name: 'Conflict' })
    await expect(session.dropClone(both)).resolves.toBeUndefined()
  })

  test('differences describes each difference in a phrase', async () => {
    const { login } = mongodb([
      user('shop', { roles: [{ role: 'a', db: 'x' }], customData: { n: 1 } }),
      user('shop_clone', {
        roles: [{ role: 'b', db: 'x' }],
        authenticationRestrictions: [{ serverAddress: ['::1'] }],
      }),
    ])
    const session = await login()
    expect(await session.differences(both, async () => cloneCredential)).toEqual([
      'grant a@x to shop_clone',
      'revoke b@x from shop_clone',
      'shop_clone has other customData than shop',
      'shop_clone has other authenticationRestrictions than shop',
    ])
  })

  test.each(['root', '__system', 'userAdminAnyDatabase', 'userAdmin', 'dbOwner'])(
    'a clone that has the role %s throws NotPermitted, unless its user has the role too',
    async role => {
      const roles = [...user('').roles, { role, db: 'admin' }]
      const { login, changes } = mongodb([user('shop'), user('shop_clone', { roles })])
      const session = await login()
      const refused = { name: 'NotPermitted', message: expect.stringContaining('superuser') }
      await expect(session.openUser(both, open)).rejects.toMatchObject(refused)
      await expect(session.dropClone(both)).rejects.toMatchObject(refused)
      expect(changes).toEqual([])
      const equals = mongodb([user('shop', { roles }), user('shop_clone', { roles })])
      await expect((await equals.login()).openUser(both, open)).resolves.toEqual([])
    },
  )

  const role = (role: string) => ({ role, db: 'shop' })
  test.each([
    ['no role', [role('a')], []],
    ['no role of several', [role('a'), role('b')], []],
    ['one role of several', [role('a'), role('b')], [role('b')]],
    ['roles of its own', [], [role('c')]],
  ])('a clone with %s, whose password was proven, is not trusted with the user', async (_, roles, held) => {
    const { login, changes } = mongodb([user('shop', { roles }), user('shop_clone', { roles: held })])
    const session = await login()
    const refused = { name: 'NotPermitted', message: expect.stringContaining('no clone') }
    await expect(session.openUser(both, { user: 'shop', password: 'taken' })).rejects.toMatchObject(refused)
    await expect(session.closeUser('shop', both)).rejects.toMatchObject(refused)
    expect(changes).toEqual([])
  })

  test.each([
    ['the only role', [role('a')], [role('a'), role('c')]],
    ['two roles of several', [role('a'), role('b'), role('c')], [role('a'), role('b')]],
    ['none, as the user has', [], []],
  ])('a clone with %s, whose password was proven, may open and close the user', async (_, roles, held) => {
    const { login, changes } = mongodb([user('shop', { roles }), user('shop_clone', { roles: held })])
    const session = await login()
    await session.openUser(both, { user: 'shop', password: 'next' })
    await session.closeUser('shop', both)
    expect(changes.slice(-2)).toMatchObject([{ updateUser: 'shop', pwd: 'next' }, { updateUser: 'shop' }])
  })

  test('setPassword names the right changeOwnPassword only to a user that may not change its own password', async () => {
    const { login } = mongodb([user('shop'), user('shop_clone')], { refuse: { updateUser: 13 } })
    const session = await login()
    await expect(session.setPassword('shop', 'a secret')).rejects.toMatchObject({
      name: 'NotPermitted',
      message: expect.stringMatching(/^(?!.*a secret).*changeOwnPassword/),
    })
    await expect(session.setPassword('shop_clone', 'a secret')).rejects.toMatchObject({
      name: 'NotPermitted',
      message: expect.not.stringContaining('changeOwnPassword'),
    })
  })
})

test.each([
  [18, 'LoginRefused'],
  [334, 'LoginRefused'],
  [11, 'NotPermitted'],
  [13, 'NotPermitted'],
  [8000, 'NotPermitted'],
  [6, 'Unreachable'],
  [7, 'Unreachable'],
  [89, 'Unreachable'],
  [133, 'Unreachable'],
  [202, 'Unreachable'],
  [262, 'Unreachable'],
  [9001, 'Unreachable'],
  [50, 'Unreachable'],
  [91, 'Unreachable'],
  [189, 'Unreachable'],
  [10107, 'Unreachable'],
  [13435, 'Unreachable'],
  [24, 'Conflict'],
  [46, 'Conflict'],
  [64, 'Conflict'],
  [112, 'Conflict'],
  [117, 'Conflict'],
  [51003, 'Conflict'],
  [9, 'DatabaseFailed'],
])('error %i becomes %s, and none of its words are kept', (code, name) => {
  const error = translate(new MongoServerError({ code, message: 'a secret' }), 'here')
  expect(error).toMatchObject({ name, message: expect.not.stringContaining('a secret') })
  expect(error).not.toHaveProperty('cause')
})

test('a server that is too old for the driver throws DatabaseFailed, which says that it is older', () => {
  expect(translate(new MongoCompatibilityError('reports maximum wire version 7'), 'here')).toMatchObject({
    name: 'DatabaseFailed',
    message: expect.stringContaining('older'),
  })
})

describe('an error that the driver itself throws gets one of our names', () => {
  const network = (code: string) =>
    new MongoNetworkError('secret', { cause: Object.assign(new Error('secret'), { code }) })

  test.each([
    [network('INVALID_PURPOSE'), 'TlsFailed'],
    [network('DEPTH_ZERO_SELF_SIGNED_CERT'), 'TlsFailed'],
    [network('EINVAL'), 'Unreachable'],
    [network('ECONNREFUSED'), 'Unreachable'],
    [new MongoParseError('secret'), 'InvalidCredential'],
    [new MongoRuntimeError('secret'), 'InvalidCredential'],
    [new BSON.BSONError('secret'), 'InvalidCredential'],
    [new RangeError('secret'), 'InvalidCredential'],
    [new TypeError('secret'), 'InvalidCredential'],
    [undefined, 'InvalidCredential'],
  ])('%s', (error, name) => {
    const [plain, secured, later] = [
      translateLogin(error, 'here', false),
      translateLogin(error, 'here', true),
      translate(error, 'here'),
    ]
    expect(plain.name).toBe(name)
    // A server that showed the host's certificate is the right one, and may be well again in a moment.
    for (const { name: told } of [secured, later])
      expect(told).toBe(name === 'InvalidCredential' ? 'Unreachable' : name)
    for (const { message } of [plain, secured, later]) expect(message).not.toContain('secret')
  })
})
