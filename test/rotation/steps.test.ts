import { hash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { inspect } from 'node:util'
import { beforeEach, describe, expect, inject, test, vi } from 'vitest'
import {
  type App,
  admits,
  asSuperuser,
  connectionOf,
  credentialFor,
  hex,
  makeApp,
} from '../../local/servers/postgresDatabase.ts'
import { Credential } from '../../rotation/credential.ts'
import { Opaque } from '../../rotation/engines/opaque.ts'
import { Postgres } from '../../rotation/engines/postgres.ts'
import {
  DatabaseFailed,
  InvalidCredential,
  NotPermitted,
  TlsFailed,
  Unreachable,
} from '../../rotation/errors.ts'
import { parseOptions } from '../../rotation/options.ts'
import type { Pipeline } from '../../rotation/pipeline.ts'
import type { Rds } from '../../rotation/rds.ts'
import { retire } from '../../rotation/retire.ts'
import { rollback, rollbackAbandoned } from '../../rotation/rollback.ts'
import { check, create, finish, set, test as try_ } from '../../rotation/steps.ts'
import { MemoryStore } from '../../rotation/stores/memory.ts'
import { ADMIN_PAUSES } from '../../rotation/strategies/adminSession.ts'
import { AlternatingUsers } from '../../rotation/strategies/alternatingUsers.ts'

const [server] = inject('postgres')
if (!server) throw new Error('no PostgreSQL')
const engine = new Postgres({ caFile: server.caFile })
const id = 'app'
const first = 'first-'.padEnd(32, '0')
const token = 'second-'.padEnd(32, '0')

let app: App
let store: MemoryStore
let running: Set<string>
/** Of these, those that wait until what they replaced is closed. */
let waiting: Set<string>
/** Those whose setSecret never came as far as a login. */
let untouched: Set<string>
let pipeline: Pipeline
let admin: ReturnType<typeof vi.fn<(arn: string) => Promise<Credential>>>
let rds: ReturnType<typeof vi.fn<() => Promise<Rds>>>
let connection: ReturnType<typeof vi.fn<(name: string) => Promise<string>>>

async function begin(tags: Record<string, string> = {}, value = app.current): Promise<void> {
  store = new MemoryStore()
  store.create(id, first, value, tags)
  running = new Set()
  waiting = new Set()
  untouched = new Set()
  admin = vi.fn(async () => app.admin)
  rds = vi.fn(() => Promise.reject(new Unreachable('RDS: no route')))
  connection = vi.fn(async () => connectionOf(app.current))
  pipeline = {
    store,
    engine: async name => (name === 'opaque' ? new Opaque() : engine),
    admin,
    connection,
    rds,
    rotating: async which => running.has(which) && !waiting.has(which),
    running: async which => running.has(which),
    untouched: async which => untouched.has(which),
    defaults: parseOptions({}),
  }
}

ADMIN_PAUSES.splice(0, Infinity, 10, 100)

beforeEach(async () => {
  app = await makeApp(server)
  await begin({ 'keyturn:strategy': 'alternating-users' })
  return () => app.drop()
})

const unreachable = async () => new Postgres({ caFile: server.caFile, connectTimeout: 1 })
const single = { 'keyturn:strategy': 'single-user' }
const current = async () => (await store.read(id, { stage: 'current' }))?.credential as Credential
const byToken = async (which: string) => (await store.read(id, { token: which }))?.credential as Credential

async function rotate(which: string) {
  const rotation = await create(pipeline, { id, token: which })
  await set(pipeline, rotation)
  await try_(pipeline, rotation)
  await finish(pipeline, rotation)
  return rotation
}

describe('create', () => {
  test('chooses alternating users where the value names an admin, single user elsewhere, the tag above both', async () => {
    await begin()
    expect(await create(pipeline, { id, token })).toMatchObject({
      strategy: 'alternating-users',
      user: app.user,
      nextUser: `${app.user}_clone`,
      replaces: first,
      grace: 86_400,
    })
    await begin(single)
    expect(await create(pipeline, { id, token })).toMatchObject({
      strategy: 'single-user',
      nextUser: app.user,
    })
    await begin({}, credentialFor(server, app.user, 'p'))
    expect(await create(pipeline, { id, token })).toMatchObject({ strategy: 'single-user' })
  })

  test('grace: the tag, `never`, and none for a strategy with one user', async () => {
    await begin({ 'keyturn:grace': '15m' })
    expect(await create(pipeline, { id, token })).toMatchObject({ grace: 900 })
    await begin({ 'keyturn:grace': 'never' })
    expect(await create(pipeline, { id, token })).not.toHaveProperty('grace')
    await begin(single)
    expect(await create(pipeline, { id, token })).not.toHaveProperty('grace')
  })

  test('what it returns holds no secret value and can be read by anybody', async () => {
    const facts = JSON.stringify(await create(pipeline, { id, token }))
    expect(facts).not.toContain((await byToken(token)).password)
    expect(facts).not.toContain((await current()).password)
  })

  test('is repeated with the same result, at any time', async () => {
    const rotation = await create(pipeline, { id, token })
    const { password } = await byToken(token)
    expect(await create(pipeline, { id, token })).toEqual(rotation)
    await set(pipeline, rotation)
    expect(await create(pipeline, { id, token })).toEqual(rotation)
    await finish(pipeline, rotation)
    expect(await create(pipeline, { id, token })).toEqual(rotation)
    expect((await current()).password).toBe(password)
  })

  test('another rotation that runs: RotationInProgress; one that died: RotationAbandoned; nothing changes', async () => {
    await create(pipeline, { id, token })
    const other = 'third-'.padEnd(32, '0')
    running.add(token)
    await expect(create(pipeline, { id, token: other })).rejects.toMatchObject({ name: 'RotationInProgress' })
    running.clear()
    await expect(create(pipeline, { id, token: other })).rejects.toMatchObject({ name: 'RotationAbandoned' })
    expect((await store.describe(id)).pending).toBe(token)
    expect(await byToken(other)).toBeUndefined()
  })

  test.each([
    ['an unknown tag', { 'keyturn:stratgey': 'x' }, {}, 'InvalidOption', /keyturn:stratgey/],
    ['too few bits', { 'keyturn:PASSWORD_LENGTH': '8' }, {}, 'InvalidOption', /bits/],
    [
      'no admin',
      { 'keyturn:strategy': 'alternating-users' },
      { masterarn: undefined },
      'InvalidCredential',
      /masterarn/,
    ],
  ])('%s is refused before anything is written', async (_, tags, more, name, message) => {
    const { host, port } = server
    const value = credentialFor(server, app.user, 'p', {
      host,
      port,
      masterarn: app.current.masterarn,
      ...more,
    })
    await begin(tags, value)
    await expect(create(pipeline, { id, token })).rejects.toMatchObject({
      name,
      message: expect.stringMatching(message),
    })
    expect((await store.describe(id)).pending).toBeUndefined()
  })

  test.each([
    ...['db:5432', 'postgres://u:secret@db/x', 'u:secret@db', 'db ', 'x y', 'db\n', '/run/postgresql'],
    ...['db/secret', '[::1]', 'db..example.com', 'x'.repeat(254)],
  ])('the host %j is none: it is refused before anything is written, and never repeated', async host => {
    await begin(single, credentialFor(server, app.user, 'p', { host }))
    for (const refused of [create, check]) {
      const error = await refused(pipeline, { id, token }).catch((error: Error) => error)
      expect(error).toMatchObject({ name: 'InvalidCredential', field: 'host' })
      expect(inspect(error)).not.toContain(host)
    }
    expect((await store.describe(id)).pending).toBeUndefined()
    expect(`${await current()} ${JSON.stringify(await current())} ${(await current()).server}`).not.toContain(
      host,
    )
  })

  test.each([
    'db',
    'db.example.com',
    'db.example.com.',
    'my_db-1',
    'bücher.example',
    '10.1.2.3',
    '::1',
    'fe80::1%eth0',
  ])('the host %s is one', async host => {
    await begin(single, credentialFor(server, app.user, 'p', { host }))
    expect(await create(pipeline, { id, token })).toMatchObject({ host })
  })

  test('a token of an older version would bring its password back: TokenReused', async () => {
    await begin(single)
    await rotate(token)
    const third = 'third-'.padEnd(32, '0')
    await rotate(third)
    for (const old of [first, token]) {
      await expect(create(pipeline, { id, token: old })).rejects.toMatchObject({ name: 'TokenReused' })
      expect(await store.describe(id)).toMatchObject({ current: third, pending: undefined })
    }
  })

  test('the token of a rotation that was rolled back is taken up again', async () => {
    await begin(single)
    const rotation = await create(pipeline, { id, token })
    await set(pipeline, rotation)
    await rollback(pipeline, rotation)
    await rotate(token)
    expect((await store.describe(id)).current).toBe(token)
    expect(await admits(server, await current())).toBe(true)
  })

  test('a user name whose clone would be too long names the field and the length', async () => {
    await begin({}, credentialFor(server, 'ü'.repeat(29), 'p', { masterarn: app.current.masterarn }))
    await expect(create(pipeline, { id, token })).rejects.toMatchObject({
      name: 'InvalidCredential',
      field: 'username',
      message: expect.stringContaining('57 bytes'),
    })
  })

  test('fields that Keyturn does not know stay where they are', async () => {
    const text = `{"z":1,"engine":"postgres","host":"h","username":"u","password":"p","id":12345678901234567890,"a":{"b":[]}}`
    await begin(single, Credential.parse(text))
    await create(pipeline, { id, token })
    const next = await byToken(token)
    expect(next.serialize()).toBe(
      text.replace('"password":"p"', () => `"password":${JSON.stringify(next.password)}`),
    )
  })
})

describe('set', () => {
  test('single user: the new password logs in, the old one does not', async () => {
    await begin(single)
    const rotation = await create(pipeline, { id, token })
    await set(pipeline, rotation)
    await set(pipeline, rotation)
    expect(await admits(server, await byToken(token))).toBe(true)
    expect(await admits(server, app.current)).toBe(false)
  })

  test('single user: a database that was restored to the previous password is brought along', async () => {
    await begin(single)
    await rotate(token)
    await asSuperuser(server, `alter role "${app.user}" password '${app.current.password}'`)
    const third = 'third-'.padEnd(32, '0')
    await rotate(third)
    expect(await admits(server, await byToken(third))).toBe(true)
  })

  test('single user: nothing that is stored logs in: LoginRefused, and nothing changes', async () => {
    await begin(single, app.current.with({ password: 'wrong' }))
    const rotation = await create(pipeline, { id, token })
    await expect(set(pipeline, rotation)).rejects.toMatchObject({ name: 'LoginRefused' })
    expect(await admits(server, app.current)).toBe(true)
  })

  test('an admin who is one of the two users: InvalidCredential before anything was changed, whichever it is', async () => {
    const { clone } = new AlternatingUsers().pair(app.user)
    for (const username of [app.user, clone]) {
      await begin({ 'keyturn:strategy': 'alternating-users' })
      admin.mockResolvedValue(app.admin.with({ username }))
      const rotation = await create(pipeline, { id, token })
      await expect(set(pipeline, rotation)).rejects.toMatchObject({
        name: 'InvalidCredential',
        field: 'masterarn',
        message: expect.stringMatching(/another user.*; this try changed nothing$/),
      })
      untouched.add(token)
      expect(await rollback(pipeline, rotation)).toEqual({ token, outcome: 'intact' })
    }
  })

  describe('an admin whose own password turns at the same time', () => {
    const logins = () => {
      const counted = vi.fn(engine.login.bind(engine))
      pipeline.engine = async () => ({ login: counted })
      return () => counted.mock.calls.filter(([{ username }]) => username === app.admin.username).length
    }
    /** Its secret has the old value still. */
    const turned = async () => {
      const next = app.admin.with({ password: `turned-${hex()}` })
      await asSuperuser(server, `alter role "${app.admin.username}" password '${next.password}'`)
      return next
    }

    test('its value is read again, and the next one logs in', async () => {
      const rotation = await create(pipeline, { id, token })
      const next = await turned()
      admin.mockResolvedValueOnce(app.admin).mockResolvedValueOnce(app.admin).mockResolvedValue(next)
      const count = logins()
      await set(pipeline, rotation)
      expect(count()).toBe(2)
      expect(await admits(server, await byToken(token))).toBe(true)
    })

    test('until it has another value: AdminRefused, and no second login with the one that was refused', async () => {
      const rotation = await create(pipeline, { id, token })
      const next = await turned()
      const count = logins()
      for (let n = 0; n < 3; n++)
        await expect(set(pipeline, rotation)).rejects.toMatchObject({
          name: 'AdminRefused',
          message: expect.stringMatching(/; this try changed nothing$/),
        })
      expect(count()).toBe(1)
      admin.mockResolvedValue(next)
      await set(pipeline, rotation)
      expect(count()).toBe(2)
      await finish(pipeline, rotation)
      admin.mockResolvedValue(app.admin)
      await expect(retire(pipeline, rotation)).rejects.toMatchObject({ name: 'AdminRefused' })
      admin.mockResolvedValue(next)
      expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
    })
  })

  test('an error says whether its try can have changed anything', async () => {
    const error = async (change: () => Promise<unknown>) => {
      await begin({ 'keyturn:strategy': 'alternating-users' })
      const rotation = await create(pipeline, { id, token })
      await change()
      return set(pipeline, rotation).catch((error: Error) => error)
    }
    const saysSo = { message: expect.stringMatching(/; this try changed nothing$/) }
    expect(await error(async () => (pipeline.engine = unreachable))).toMatchObject(saysSo)
    expect(await error(async () => store.discard(id, token))).toMatchObject(saysSo)
    const noAdmin = async () => admin.mockRejectedValue(new Unreachable('Secrets Manager: no route'))
    expect(await error(noAdmin)).toMatchObject(saysSo)
    admin.mockResolvedValue(app.admin)
    const superuser = async () => asSuperuser(server, `alter role "${app.user}" superuser`)
    const { message } = (await error(superuser)) as Error
    expect(message).not.toMatch(saysSo.message.sample)
    await begin({ 'keyturn:strategy': 'master' })
    const rotation = await create(pipeline, { id, token })
    rds.mockResolvedValue({ setMasterPassword: () => Promise.reject(new Unreachable('RDS: gone')) } as never)
    await expect(set(pipeline, rotation)).rejects.toMatchObject({ message: 'RDS: gone' })
  })

  test('current moved meanwhile: Superseded', async () => {
    const rotation = await create(pipeline, { id, token })
    await expect(set(pipeline, { ...rotation, replaces: 'other' })).rejects.toMatchObject({
      name: 'Superseded',
    })
  })

  test('pending taken by another rotation: RotationInProgress', async () => {
    const rotation = await create(pipeline, { id, token })
    await store.discard(id, token)
    await expect(set(pipeline, rotation)).rejects.toMatchObject({ name: 'RotationInProgress' })
    await expect(try_(pipeline, rotation)).rejects.toMatchObject({ name: 'RotationInProgress' })
  })

  test('a pending value for another server or user than current: HostMismatch, the admin is not asked', async () => {
    const rotation = await create(pipeline, { id, token })
    for (const change of [{ dbname: 'elsewhere' }, { username: 'postgres' }]) {
      const tampered = (await byToken(token)).with(change)
      vi.spyOn(store, 'read').mockImplementationOnce(MemoryStore.prototype.read.bind(store))
      vi.spyOn(store, 'read').mockImplementation(async (_, which) =>
        which.stage === 'pending'
          ? { token, credential: tampered }
          : MemoryStore.prototype.read.call(store, id, which),
      )
      await expect(set(pipeline, rotation)).rejects.toMatchObject({ name: 'HostMismatch' })
      vi.restoreAllMocks()
    }
    expect(admin).not.toHaveBeenCalled()
  })

  describe('a confused deputy', () => {
    test('current that does not log in: the admin is not asked', async () => {
      await begin({}, app.current.with({ password: 'guessed' }))
      const rotation = await create(pipeline, { id, token })
      await expect(set(pipeline, rotation)).rejects.toMatchObject({ name: 'LoginRefused' })
      expect(admin).not.toHaveBeenCalled()
    })

    test.each([
      ['host', { host: 'localhost' }],
      ['port', { port: 1 }],
    ])('an admin of another %s is not used', async (_, change) => {
      const { username, password } = app.admin
      admin.mockResolvedValueOnce(credentialFor(server, username, password, change))
      const rotation = await create(pipeline, { id, token })
      await expect(set(pipeline, rotation)).rejects.toMatchObject({ name: 'HostMismatch' })
    })

    test('the port may be left out where it is the default', async () => {
      const { username, password } = app.admin
      const value = { ...JSON.parse(app.current.serialize()), port: undefined }
      await begin({}, credentialFor(server, app.user, 'p', value))
      admin.mockResolvedValueOnce(credentialFor(server, username, password, { port: 5432 }))
      const rotation = await create(pipeline, { id, token })
      await expect(set(pipeline, rotation)).rejects.not.toMatchObject({ name: 'HostMismatch' })
    })

    test('somebody else’s user named like a clone’s user is not taken over', async () => {
      const victim = `victim_${hex()}`
      const mine = credentialFor(server, `${victim}_clone`, 'mine', {
        dbname: app.database,
        masterarn: app.current.masterarn,
      })
      await asSuperuser(
        server,
        `create role ${victim} login superuser password 'theirs'; create role ${victim}_clone login password 'mine'`,
      )
      await begin({}, mine)
      const rotation = await create(pipeline, { id, token })
      expect(rotation.nextUser).toBe(victim)
      admin.mockResolvedValueOnce(credentialFor(server, server.superuser.user, server.superuser.password))
      await expect(set(pipeline, rotation)).rejects.toMatchObject({ name: 'NotPermitted' })
      expect(await admits(server, credentialFor(server, victim, 'theirs'))).toBe(true)
    })
  })
})

describe('test', () => {
  test('runs the test query with the new credential', async () => {
    await begin({ 'keyturn:strategy': 'single-user', 'keyturn:test-query': 'TABLE public.nowhere' })
    const rotation = await create(pipeline, { id, token })
    await set(pipeline, rotation)
    await expect(try_(pipeline, rotation)).rejects.toMatchObject({
      name: 'TestFailed',
      message: expect.stringContaining('42P01'),
    })
    await asSuperuser(
      server,
      'create table public.nowhere (n int); grant select on public.nowhere to public',
      app.database,
    )
    await try_(pipeline, rotation)
  })

  test('a password that was never set is LoginRefused', async () => {
    const rotation = await create(pipeline, { id, token })
    await expect(try_(pipeline, rotation)).rejects.toMatchObject({ name: 'LoginRefused' })
  })

  test('a clone that may do something else than the user is TestFailed, and says what', async () => {
    const rotation = await create(pipeline, { id, token })
    await set(pipeline, rotation)
    await asSuperuser(server, `alter role "${app.user}" connection limit 3`)
    await expect(try_(pipeline, rotation)).rejects.toMatchObject({
      name: 'TestFailed',
      message: expect.stringContaining('connection limit 3'),
    })
  })
})

describe('finish', () => {
  test('refuses if current moved; says nothing the second time', async () => {
    const rotation = await create(pipeline, { id, token })
    await expect(finish(pipeline, { ...rotation, replaces: 'other' })).rejects.toMatchObject({
      name: 'Superseded',
    })
    await finish(pipeline, rotation)
    await finish(pipeline, rotation)
    expect((await store.describe(id)).current).toBe(token)
  })
})

describe('rollback', () => {
  test('before anything was written: nothing', async () => {
    expect(await rollback(pipeline, { id, token })).toEqual({ token, outcome: 'nothing' })
  })

  test('after finish: finished, and the new value stays', async () => {
    await rotate(token)
    expect(await rollback(pipeline, { id, token })).toEqual({ token, outcome: 'finished' })
    expect(await admits(server, await current())).toBe(true)
  })

  test('single user: before set intact, after set restored; nothing is pending', async () => {
    await begin(single)
    const rotation = await create(pipeline, { id, token })
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
    await create(pipeline, { id, token })
    await set(pipeline, rotation)
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'restored' })
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
    expect((await store.describe(id)).pending).toBeUndefined()
    expect(await admits(server, app.current)).toBe(true)
  })

  test('single user: a value of an older rotation still brings current back', async () => {
    await begin(single)
    const rotation = await create(pipeline, { id, token })
    await set(pipeline, rotation)
    await store.discard(id, token)
    const third = 'third-'.padEnd(32, '0')
    await store.propose(id, third, app.current.with({ password: 'never set' }))
    expect(await rollback(pipeline, { id, token: third })).toMatchObject({ outcome: 'restored' })
    expect(await admits(server, app.current)).toBe(true)
  })

  test('single user: a stored value that cannot be tried does not keep the others from being', async () => {
    await begin(single)
    await rotate(token)
    await asSuperuser(server, `alter role "${app.user}" password '${app.current.password}'`)
    const third = 'third-'.padEnd(32, '0')
    const odd = 'odd-'.padEnd(32, '0')
    const value = JSON.parse((await current()).serialize())
    await store.propose(id, odd, Credential.parse(JSON.stringify({ ...value, ssl: false })))
    await store.discard(id, odd)
    await store.propose(id, third, (await current()).with({ password: 'never set' }))
    expect(await rollback(pipeline, { id, token: third })).toMatchObject({ outcome: 'restored' })
    expect(await admits(server, await current())).toBe(true)
  })

  test('nothing logs in: LockedOut, and the value stays pending for the next try', async () => {
    await begin(single)
    const rotation = await create(pipeline, { id, token })
    await asSuperuser(server, `alter role "${app.user}" password 'changed by hand'`)
    await expect(rollback(pipeline, rotation)).rejects.toMatchObject({ name: 'LockedOut' })
    expect((await store.describe(id)).pending).toBe(token)
  })

  test('alternating: the other user is closed again, or has its previous password back while its grace runs', async () => {
    await rotate(token)
    const third = 'third-'.padEnd(32, '0')
    const rotation = await create(pipeline, { id, token: third })
    await set(pipeline, rotation)
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
    expect(await admits(server, await byToken(third))).toBe(false)
    expect(await admits(server, app.current)).toBe(false)
    running.add(token)
    await create(pipeline, { id, token: third })
    await set(pipeline, rotation)
    store.tag(id, { 'keyturn:strategy': 'alternating-users', 'keyturn:nonsense': 'x' })
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
    expect(await admits(server, await byToken(third))).toBe(false)
    expect(await admits(server, app.current)).toBe(true)
    expect(await admits(server, await current())).toBe(true)
  })

  test('alternating: the other user is left alone while another rotation that runs may have taken it up', async () => {
    const rotation = await create(pipeline, { id, token })
    await set(pipeline, rotation)
    const rival = 'third-'.padEnd(32, '0')
    await store.propose(
      id,
      rival,
      app.current.with({ username: `${app.user}_clone`, password: 'of the rival' }),
    )
    running.add(rival)
    expect(await rollback(pipeline, rotation)).toEqual({ token, outcome: 'intact' })
    expect(await admits(server, await byToken(token))).toBe(true)
    running.clear()
    expect(await rollback(pipeline, rotation)).toEqual({ token, outcome: 'intact' })
    expect(await admits(server, await byToken(token))).toBe(false)
  })

  test('alternating: a clone that the server does not let in is closed', async () => {
    const [{ hba_file: file } = { hba_file: '' }] = await asSuperuser<{ hba_file: string }>(
      server,
      'show hba_file',
    )
    const rules = readFileSync(file, 'utf8')
    writeFileSync(file, `hostssl all "${app.user}_clone" all reject\n${rules}`)
    await asSuperuser(server, 'select pg_reload_conf()')
    try {
      const rotation = await create(pipeline, { id, token })
      await set(pipeline, rotation)
      const tested = () => try_(pipeline, rotation).catch(({ name }) => name)
      await expect.poll(tested).toBe('NotPermitted')
      expect(await rollback(pipeline, rotation)).toEqual({ token, outcome: 'intact' })
      const verifier = `select rolpassword from pg_authid where rolname = '${app.user}_clone'`
      expect(await asSuperuser(server, verifier)).toEqual([{ rolpassword: null }])
    } finally {
      writeFileSync(file, rules)
      await asSuperuser(server, 'select pg_reload_conf()')
    }
  })

  test('alternating: an admin that is of no use any more does not keep the value pending', async () => {
    const rotation = await create(pipeline, { id, token })
    await set(pipeline, rotation)
    admin.mockResolvedValue(app.admin.with({ password: 'gone' }))
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'open' })
    expect((await store.describe(id)).pending).toBeUndefined()
    expect(await admits(server, app.current)).toBe(true)
  })

  test.each([false, true])(
    'alternating: an admin that cannot be read just now: Unreachable, and the value stays pending; set: %s',
    async changed => {
      const rotation = await create(pipeline, { id, token })
      if (changed) await set(pipeline, rotation)
      admin.mockRejectedValueOnce(new Unreachable('Secrets Manager: no route'))
      await expect(rollback(pipeline, rotation)).rejects.toMatchObject({ name: 'Unreachable' })
      expect((await store.describe(id)).pending).toBe(token)
      expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
      expect(await admits(server, await byToken(token))).toBe(false)
    },
  )

  test('a password that was set and does not log in: LockedOut', async () => {
    await begin(single)
    const rotation = await create(pipeline, { id, token })
    await set(pipeline, rotation)
    pipeline.engine = async () => ({
      login: async credential =>
        Object.assign(await engine.login(credential), { setPassword: async () => {} }),
    })
    await expect(rollback(pipeline, rotation)).rejects.toMatchObject({
      name: 'LockedOut',
      message: expect.stringContaining('right after'),
    })
    expect((await store.describe(id)).pending).toBe(token)
  })

  test.each([
    [10, 'restored'],
    [11, 'LockedOut'],
  ])('the one value that logs in is the last of %i others: %s', async (others, result) => {
    await begin(single)
    for (let n = 0; n < others; n++) {
      const { current } = await store.describe(id)
      await store.propose(id, `edited-${n}`, app.current.with({ password: `never set ${n}` }))
      await store.promote(id, `edited-${n}`, current ?? '')
    }
    const rotation = await create(pipeline, { id, token })
    const ended = rollback(pipeline, rotation).then(
      ({ outcome }) => outcome,
      ({ name }) => name,
    )
    expect(await ended).toBe(result)
  })

  test('a secret without a current version: LockedOut, and the value stays pending', async () => {
    await create(pipeline, { id, token })
    const describe = vi
      .spyOn(store, 'describe')
      .mockResolvedValueOnce({ ...(await store.describe(id)), current: undefined })
    await expect(rollback(pipeline, { id, token })).rejects.toMatchObject({ name: 'LockedOut' })
    describe.mockRestore()
    expect((await store.describe(id)).pending).toBe(token)
  })

  test('a pending value that cannot be read is taken back', async () => {
    await store.as(Credential.opaque).propose(id, token, Credential.opaque('{'))
    expect(await rollback(pipeline, { id, token })).toEqual({ token, outcome: 'nothing' })
    expect((await store.describe(id)).pending).toBeUndefined()
  })

  test('current that moves while it is brought back: the one that is current then is', async () => {
    await begin(single)
    const rotation = await create(pipeline, { id, token })
    await set(pipeline, rotation)
    const moved = 'moved-'.padEnd(32, '0')
    const describe = store.describe.bind(store)
    vi.spyOn(store, 'describe')
      .mockImplementationOnce(describe)
      .mockImplementationOnce(async () => {
        await store.propose(id, moved, app.current.with({ password: 'moved' }))
        await store.promote(id, moved, first)
        return describe(id)
      })
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'restored' })
    expect((await current()).password).toBe('moved')
    expect(await admits(server, await current())).toBe(true)
  })

  test('a database that does not answer: Unreachable, and the value stays pending', async () => {
    await begin(single)
    const rotation = await create(pipeline, { id, token })
    pipeline.engine = unreachable
    await expect(rollback(pipeline, rotation)).rejects.toMatchObject({ name: 'Unreachable' })
    expect((await store.describe(id)).pending).toBe(token)
  })

  test('current is of no use any more, and the database was not touched: that, and nothing is pending', async () => {
    const rotation = await create(pipeline, { id, token })
    untouched.add(token)
    store.create(id, first, Credential.opaque('no JSON'))
    await store.propose(id, token, app.current)
    expect(await rollback(pipeline, rotation)).toEqual({ token, outcome: 'untouched' })
    expect((await store.describe(id)).pending).toBeUndefined()
  })

  test('a database that lets nobody look, and was not touched: that, and nothing is pending', async () => {
    const absent = app.current.with({ dbname: 'absent' })
    const strange = async () => new Postgres({ caFile: inject('postgres')[1]?.caFile ?? '' })
    for (const [value, engine] of [
      [app.current, unreachable],
      [app.current, strange],
      [absent, pipeline.engine],
    ] as const) {
      await begin(single, value)
      const rotation = await create(pipeline, { id, token })
      pipeline.engine = engine
      untouched.add(token)
      const rolledBack = { token, outcome: 'untouched' }
      expect(await rollback(pipeline, rotation)).toEqual(rolledBack)
      expect((await store.describe(id)).pending).toBeUndefined()
      await store.propose(id, token, value)
      expect(await rollbackAbandoned(pipeline, id)).toEqual(rolledBack)
    }
  })

  describe('current was refused before the rotation began, which changed nothing: LockedOut says so, once', () => {
    const refused = async (found: RegExp) => {
      const rotation = await create(pipeline, { id, token })
      await expect(set(pipeline, rotation)).rejects.toMatchObject({
        name: 'LoginRefused',
        message: expect.stringMatching(/this try changed nothing$/),
      })
      untouched.add(token)
      await expect(rollback(pipeline, rotation)).rejects.toMatchObject({
        name: 'LockedOut',
        before: true,
        message: expect.stringMatching(found),
      })
      expect((await store.describe(id)).pending).toBeUndefined()
      // A process that died before it could answer is asked again.
      await expect(rollback(pipeline, rotation)).rejects.toMatchObject({ name: 'LockedOut', before: true })
    }

    test('a password that was changed outside', async () => {
      await begin(single, app.current.with({ password: 'wrong' }))
      await refused(
        /: it was so before this rotation began, which changed nothing; no stored version logs in$/,
      )
    })

    test('alternating: an edited value that the database never had, though the previous one logs in', async () => {
      await rotate(token)
      const edited = 'edited-'.padEnd(32, '0')
      await store.propose(id, edited, app.current.with({ username: 'mistyped' }))
      await store.promote(id, edited, token)
      const rotation = await create(pipeline, { id, token: 'third-'.padEnd(32, '0') })
      await expect(set(pipeline, rotation)).rejects.toMatchObject({ name: 'LoginRefused' })
      untouched.add(rotation.token)
      await expect(rollback(pipeline, rotation)).rejects.toMatchObject({
        name: 'LockedOut',
        before: true,
        message: expect.stringContaining(
          `changed nothing; the previous value, of user "${app.user}_clone", logs in`,
        ),
      })
      expect((await store.describe(id)).pending).toBeUndefined()
    })

    test('but not if it is not known whether the rotation changed something', async () => {
      await begin(single, app.current.with({ password: 'wrong' }))
      const rotation = await create(pipeline, { id, token })
      pipeline.untouched = () => Promise.reject(new Unreachable('Step Functions: no route'))
      await expect(rollback(pipeline, rotation)).rejects.toMatchObject({ name: 'LockedOut', before: false })
      expect((await store.describe(id)).pending).toBe(token)
    })
  })

  test('a secret that was deleted, and was not touched: nothing is pending, and nobody is called', async () => {
    const rotation = await create(pipeline, { id, token })
    store.delete(id)
    await expect(rollback(pipeline, rotation)).rejects.toMatchObject({
      name: 'InvalidCredential',
      field: 'id',
    })
    untouched.add(token)
    expect(await rollback(pipeline, rotation)).toEqual({ token, outcome: 'untouched' })
  })

  test('a connection that names another user since, and was not touched: the same', async () => {
    await begin({ 'keyturn:connection': '/app/connection' }, Credential.opaque(app.current.password))
    const rotation = await create(pipeline, { id, token })
    connection.mockResolvedValue(connectionOf(app.current, { username: 'other' }))
    await expect(set(pipeline, rotation)).rejects.toMatchObject({ name: 'HostMismatch' })
    untouched.add(token)
    expect(await rollback(pipeline, rotation)).toEqual({ token, outcome: 'untouched' })
    expect((await store.describe(id)).pending).toBeUndefined()
  })

  test('an error that has no name of ours, and nothing was touched: the same', async () => {
    const rotation = await create(pipeline, { id, token })
    pipeline.engine = () => Promise.reject(new RangeError('a driver'))
    await expect(set(pipeline, rotation)).rejects.toMatchObject({
      name: 'Unexpected',
      message: 'an unexpected RangeError; this try changed nothing',
    })
    await expect(rollback(pipeline, rotation)).rejects.toThrow('a driver')
    untouched.add(token)
    expect(await rollback(pipeline, rotation)).toEqual({ token, outcome: 'untouched' })
  })

  test('what was never set is not tried: a server may lock an account for a refused login', async () => {
    await begin(single)
    const rotation = await create(pipeline, { id, token })
    untouched.add(token)
    const login = vi.fn(engine.login.bind(engine))
    pipeline.engine = async () => ({ login })
    expect(await rollback(pipeline, rotation)).toEqual({ token, outcome: 'intact' })
    expect(login.mock.calls.map(([{ password }]) => password)).toEqual([app.current.password])
  })

  test('whatever pending meets is no reason to fail, if current logs in', async () => {
    for (const wrong of [
      // As a server says whose limit of this user's connections is reached.
      new Unreachable('no room for another connection'),
      new InvalidCredential('dbname', 'there is none'),
      new TlsFailed('untrusted'),
      new DatabaseFailed('SQLSTATE XX000'),
      new NotPermitted('not from here'),
    ]) {
      await begin({ 'keyturn:strategy': 'alternating-users' })
      const rotation = await create(pipeline, { id, token })
      await set(pipeline, rotation)
      const login = engine.login.bind(engine)
      pipeline.engine = async () => ({
        login: async (credential, host) => {
          if (credential.username === rotation.nextUser) throw wrong
          return await login(credential, host)
        },
      })
      expect(await rollback(pipeline, rotation)).toEqual({ token, outcome: 'intact' })
      expect(await admits(server, await byToken(token))).toBe(false)
    }
  })

  test('a wrong tag does not stop it', async () => {
    await begin(single)
    const rotation = await create(pipeline, { id, token })
    await set(pipeline, rotation)
    store.tag(id, { ...single, 'keyturn:grace': 'soon' })
    expect(await rollback(pipeline, { id, token })).toMatchObject({ outcome: 'restored' })
    expect(await admits(server, app.current)).toBe(true)
  })

  test('an abandoned rotation: the one that is pending, unless it runs', async () => {
    expect(await rollbackAbandoned(pipeline, id)).toEqual({ outcome: 'nothing' })
    const rotation = await create(pipeline, { id, token })
    await set(pipeline, rotation)
    running.add(token)
    await expect(rollbackAbandoned(pipeline, id)).rejects.toMatchObject({ name: 'RotationInProgress' })
    running.clear()
    expect(await rollbackAbandoned(pipeline, id)).toEqual({ token, outcome: 'intact' })
    expect((await store.describe(id)).pending).toBeUndefined()
  })
})

describe('retire', () => {
  test('closes the user that was replaced; the next rotation opens it again', async () => {
    const rotation = await rotate(token)
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
    expect(await admits(server, app.current)).toBe(false)
    expect(await admits(server, await current())).toBe(true)
    await rotate('third-'.padEnd(32, '0'))
    expect((await current()).username).toBe(app.user)
    expect(await admits(server, await current())).toBe(true)
  })

  test('has nothing to do where somebody dropped what was replaced', async () => {
    await rotate(token)
    const rotation = await rotate('third-'.padEnd(32, '0'))
    await asSuperuser(server, `drop role "${app.user}_clone"`)
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
  })

  test('waits for a newer rotation that runs, and leaves the user alone if it has run', async () => {
    const rotation = await rotate(token)
    const third = 'third-'.padEnd(32, '0')
    const newer = await create(pipeline, { id, token: third })
    await expect(retire(pipeline, rotation)).rejects.toMatchObject({ name: 'Conflict' })
    expect(await admits(server, app.current)).toBe(true)
    await set(pipeline, newer)
    await finish(pipeline, newer)
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'superseded' })
    expect(await admits(server, await current())).toBe(true)
  })

  test('never closes anything unless current logs in', async () => {
    const rotation = await rotate(token)
    await asSuperuser(server, `alter role "${app.user}_clone" password 'changed by hand'`)
    await expect(retire(pipeline, rotation)).rejects.toMatchObject({ name: 'LoginRefused' })
    expect(await admits(server, app.current)).toBe(true)
  })
})

describe('a value that somebody edits', () => {
  const edited = 'edited-'.padEnd(32, '0')
  /** Stores current's value once more, with one more field in front and another database; pending stays where it is. */
  async function edit(): Promise<void> {
    const { current = '', pending = current } = await store.describe(id)
    const value = JSON.parse((await byToken(current)).serialize())
    const next = { note: 'hello', ...value, dbname: 'postgres' }
    await store.propose(id, edited, Credential.parse(JSON.stringify(next)))
    await store.promote(id, edited, current)
    store.move(id, 'pending', pending)
  }

  test('single user, after set: the rollback brings it back', async () => {
    await begin(single)
    const rotation = await create(pipeline, { id, token })
    await set(pipeline, rotation)
    await edit()
    await expect(finish(pipeline, rotation)).rejects.toMatchObject({ name: 'Superseded' })
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'restored' })
    expect(await admits(server, await current())).toBe(true)
  })

  test('alternating, after set: the rollback closes the other user', async () => {
    const rotation = await create(pipeline, { id, token })
    await set(pipeline, rotation)
    await edit()
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
    expect(await admits(server, await byToken(token))).toBe(false)
    expect(await admits(server, await current())).toBe(true)
  })

  test('alternating, within the grace time: what was replaced is closed', async () => {
    const rotation = await rotate(token)
    await edit()
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
    expect(await admits(server, app.current)).toBe(false)
    expect(await admits(server, await current())).toBe(true)
  })

  test('on a temporary clone: the application moves back all the same', async () => {
    await begin({ 'keyturn:strategy': 'temporary-clone' })
    const there = await rotate(token)
    await edit()
    expect(await retire(pipeline, there)).toEqual({ outcome: 'halfway' })
  })

  test('into another server’s within the grace time: nothing is closed', async () => {
    const rotation = await rotate(token)
    await store.propose(id, edited, (await current()).with({ host: 'elsewhere' }))
    await store.promote(id, edited, token)
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'superseded' })
    expect(await admits(server, app.current)).toBe(true)
  })
})

describe('a strategy that somebody changes', () => {
  const third = 'third-'.padEnd(32, '0')

  test('within the grace time: what the first replaced is closed all the same', async () => {
    const rotation = await rotate(token)
    store.tag(id, single)
    await rotate(third)
    expect((await current()).username).toBe(`${app.user}_clone`)
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
    expect(await admits(server, app.current)).toBe(false)
    expect(await admits(server, await current())).toBe(true)
  })

  test('while the application is on a temporary clone: it moves back, and the clone goes', async () => {
    await begin({ 'keyturn:strategy': 'temporary-clone' })
    await rotate(token)
    store.tag(id, single)
    // Nobody but the first rotation itself says so.
    expect(await create(pipeline, { id, token: third, moveBack: true })).toMatchObject({
      strategy: 'single-user',
    })
    await store.discard(id, third)
    const back = await create(pipeline, { id, token: hash('sha256', token), moveBack: true })
    expect(back).toMatchObject({ strategy: 'temporary-clone', nextUser: app.user, clone: 'drop' })
    for (const step of [set, try_, finish]) await step(pipeline, back)
    expect(await retire(pipeline, back)).toEqual({ outcome: 'retired' })
    expect(await admits(server, await current())).toBe(true)
  })

  test('the way back from a clone is no way for a value without a user', async () => {
    await begin({ 'keyturn:connection': '/app/connection' })
    const forced = create(pipeline, { id, token: hash('sha256', first), moveBack: true })
    await expect(forced).rejects.toMatchObject({ name: 'InvalidOption', option: 'keyturn:strategy' })
  })

  test('after a rotation that died: the other user is closed', async () => {
    await set(pipeline, await create(pipeline, { id, token }))
    store.tag(id, single)
    expect(await rollbackAbandoned(pipeline, id)).toEqual({ token, outcome: 'intact' })
    expect(await admits(server, await byToken(token))).toBe(false)
  })

  test('from one user to two, after a rotation that died: the user has its password back', async () => {
    await begin(single)
    await set(pipeline, await create(pipeline, { id, token }))
    store.tag(id, { 'keyturn:strategy': 'alternating-users' })
    expect(await rollbackAbandoned(pipeline, id)).toEqual({ token, outcome: 'restored' })
    expect(await admits(server, app.current)).toBe(true)
  })
})

describe('rotations that wait for their grace time', () => {
  const [third, fourth, fifth] = ['third-', 'fourth-', 'fifth-'].map(name => name.padEnd(32, '0'))

  test('are no rivals: current is brought back by whatever stored value logs in', async () => {
    for (const which of [token, third, fourth]) {
      await rotate(which ?? '')
      running.add(which ?? '')
      waiting.add(which ?? '')
    }
    const old = await byToken(token)
    const rotation = await create(pipeline, { id, token: fifth ?? '' })
    await asSuperuser(server, `alter role "${old.username}" password '${old.password}'`)
    expect(await admits(server, await current())).toBe(false)
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'restored' })
    expect(await admits(server, await current())).toBe(true)
  })

  test('current moved back by hand, which leaves the other pending: it is abandoned, and rolled back', async () => {
    await begin(single)
    await rotate(token)
    running.add(token)
    waiting.add(token)
    store.move(id, 'current', first)
    store.move(id, 'pending', token)
    expect(await store.describe(id)).toMatchObject({ current: first, pending: token })
    const again = () => create(pipeline, { id, token: third ?? '' })
    await expect(again()).rejects.toMatchObject({ name: 'RotationAbandoned' })
    expect(await rollbackAbandoned(pipeline, id)).toEqual({ token, outcome: 'restored' })
    expect(await admits(server, app.current)).toBe(true)
    await again()
  })
})

describe('what somebody else wrote', () => {
  const third = 'third-'.padEnd(32, '0')
  let victim: Credential
  beforeEach(async () => {
    const other = await makeApp(server)
    victim = app.current.with({ username: other.user, password: other.current.password })
    return () => other.drop()
  })

  test('a pending value of another user: the rollback takes it back, and uses no admin', async () => {
    await store.propose(id, token, victim.with({ password: 'stolen' }))
    expect(await rollback(pipeline, { id, token })).toEqual({ token, outcome: 'intact' })
    expect(admin).not.toHaveBeenCalled()
    expect(await admits(server, victim)).toBe(true)
  })

  test('a previous value of another user: the rollback does not set its password', async () => {
    await rotate(token)
    await store.propose(id, third, victim)
    await store.promote(id, third, token)
    const last = 'last-'.padEnd(32, '0')
    await store.propose(id, last, app.current.with({ username: `${app.user}_clone`, password: 'mine' }))
    await store.promote(id, last, third)
    await asSuperuser(server, `alter role "${app.user}_clone" password 'mine'`)
    running.add(last)
    const rotation = await create(pipeline, { id, token: 'next-'.padEnd(32, '0') })
    await set(pipeline, rotation)
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
    expect(await admits(server, victim)).toBe(true)
    expect(await admits(server, await byToken(rotation.token))).toBe(false)
  })

  test('a previous value that cannot be read: what was pending is closed all the same', async () => {
    const rotation = await rotate(token)
    await retire(pipeline, rotation)
    const next = await create(pipeline, { id, token: third })
    await set(pipeline, next)
    const read = store.read.bind(store)
    vi.spyOn(store, 'read').mockImplementation(async (id, which) => {
      if (which.stage === 'previous') throw new InvalidCredential('host', 'should be there')
      return read(id, which)
    })
    expect(await rollback(pipeline, next)).toMatchObject({ outcome: 'intact' })
    expect(await admits(server, await byToken(third))).toBe(false)
  })
})

describe('a temporary clone', () => {
  const third = 'third-'.padEnd(32, '0')
  const tags = { 'keyturn:strategy': 'temporary-clone', 'keyturn:grace': '1h' }
  const clone = () => `${app.user}_clone`
  const roles = () => asSuperuser(server, `select rolname as name from pg_roles where rolname = '${clone()}'`)

  test('the application moves to the clone, the user gets a new password, the clone is dropped', async () => {
    await begin(tags)
    const there = await rotate(token)
    expect(there).toMatchObject({ nextUser: clone(), halfway: true, clone: 'drop', grace: 3600 })
    const onClone = await current()
    expect(await retire(pipeline, there)).toEqual({ outcome: 'halfway' })
    for (const credential of [app.current, onClone]) expect(await admits(server, credential)).toBe(true)

    const back = await rotate(third)
    expect(back).toMatchObject({ user: clone(), nextUser: app.user })
    expect(back).not.toHaveProperty('halfway')
    const atHome = await current()
    expect(atHome.username).toBe(app.user)
    for (const credential of [onClone, atHome]) expect(await admits(server, credential)).toBe(true)
    expect(await admits(server, app.current)).toBe(false)
    expect(await retire(pipeline, there)).toEqual({ outcome: 'superseded' })
    expect(await retire(pipeline, back)).toEqual({ outcome: 'retired' })
    expect(await retire(pipeline, back)).toEqual({ outcome: 'retired' })
    expect(await roles()).toEqual([])
    expect(await admits(server, atHome)).toBe(true)
  })

  test('is kept, but closed, if the tag says so', async () => {
    await begin({ ...tags, 'keyturn:clone': 'keep' })
    await retire(pipeline, await rotate(token))
    const onClone = await current()
    await retire(pipeline, await rotate(third))
    expect(await roles()).toHaveLength(1)
    expect(await admits(server, onClone)).toBe(false)
  })

  test('that cannot be tested in the second half: the application stays on the clone', async () => {
    await begin(tags)
    await retire(pipeline, await rotate(token))
    const onClone = await current()
    const back = await create(pipeline, { id, token: third })
    await set(pipeline, back)
    expect(await rollback(pipeline, back)).toEqual({ token: third, outcome: 'intact' })
    expect(await current()).toEqual(onClone)
    expect(await admits(server, onClone)).toBe(true)
    expect(await admits(server, await byToken(third))).toBe(false)
  })

  test('that another rotation takes up while it is dropped is made again for it', async () => {
    await begin(tags)
    await rotate(token)
    const back = await rotate(third)
    const fourth = 'fourth-'.padEnd(32, '0')
    const describe = store.describe.bind(store)
    let looks = 0
    vi.spyOn(store, 'describe').mockImplementation(async which => {
      // When retire looks again, the clone is gone.
      if (++looks === 2)
        await set(pipeline, await create({ ...pipeline, store: plain }, { id, token: fourth }))
      return describe(which)
    })
    const plain = store.as(Credential.parse)
    expect(await retire(pipeline, back)).toEqual({ outcome: 'superseded' })
    expect(await admits(server, await byToken(fourth))).toBe(true)
  })
})

test('a strategy that the engine does not allow is InvalidOption, before anything is written', async () => {
  await begin({ 'keyturn:strategy': 'dual-password' })
  const refusal = {
    name: 'InvalidOption',
    option: 'keyturn:strategy',
    message: expect.stringMatching(
      /single-user or alternating-users or temporary-clone or master, .* postgres allows/,
    ),
  }
  await expect(create(pipeline, { id, token })).rejects.toMatchObject(refusal)
  await expect(check(pipeline, { id, token })).rejects.toMatchObject(refusal)
  expect((await store.describe(id)).pending).toBeUndefined()
})

test('the connection is read for a password alone, and never else', async () => {
  const rotation = await rotate(token)
  await retire(pipeline, rotation)
  await rollback(pipeline, rotation)
  await check(pipeline, { id, token })
  expect(connection).not.toHaveBeenCalled()
})

/** What is stored, to the letter. */
const stored = async (stage: 'current' | 'pending' | 'previous') =>
  (await store.as(Credential.opaque).read(id, { stage }))?.credential.password

describe('a password alone', () => {
  const tags = { 'keyturn:connection': '/shop/connection' }
  const alone = (password = app.current.password) =>
    Credential.passwordOnly(connectionOf(app.current))(password)
  const admitted = async (password = '') => admits(server, app.current.with({ password }))

  beforeEach(() => begin(tags, alone()))

  test('rotates its user, even where the connection names an admin', async () => {
    const describes = vi.spyOn(MemoryStore.prototype, 'describe')
    const rotation = await rotate(token)
    expect(rotation).toEqual({
      ...{ id, token, engine: 'postgres', connection: '/shop/connection', host: server.host },
      ...{ strategy: 'single-user', user: app.user, nextUser: app.user, replaces: first },
    })
    expect(await stored('current')).toMatch(/^[!-~]{32}$/)
    expect(await stored('previous')).toBe(app.current.password)
    expect([await admitted(app.current.password), await admitted(await stored('current'))]).toEqual([
      false,
      true,
    ])
    expect(connection.mock.calls).toEqual(Array(3).fill(['/shop/connection']))
    expect(describes).toHaveBeenCalledOnce()
    expect(admin).not.toHaveBeenCalled()
    describes.mockRestore()
  })

  test('each step may run again', async () => {
    const rotation = await create(pipeline, { id, token })
    const pending = await stored('pending')
    expect(await create(pipeline, { id, token })).toEqual(rotation)
    await set(pipeline, rotation)
    await set(pipeline, rotation)
    await finish(pipeline, rotation)
    expect(await create(pipeline, { id, token })).toEqual(rotation)
    await set(pipeline, rotation)
    await try_(pipeline, rotation)
    expect(await stored('current')).toBe(pending)
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'superseded' })
  })

  test('that looks like JSON is a password all the same', async () => {
    const text = '{"password":"one of its own"}'
    await asSuperuser(server, `alter role "${app.user}" password '${text}'`)
    await begin(tags, alone(text))
    await rotate(token)
    expect(await admitted(await stored('current'))).toBe(true)
  })

  test('a database that was restored to the previous password is brought along', async () => {
    await rotate(token)
    await asSuperuser(server, `alter role "${app.user}" password '${app.current.password}'`)
    await rotate('third-'.padEnd(32, '0'))
    expect(await admitted(await stored('current'))).toBe(true)
  })

  test('runs the test query', async () => {
    await begin({ ...tags, 'keyturn:test-query': 'TABLE public.nowhere' }, alone())
    const rotation = await create(pipeline, { id, token })
    await set(pipeline, rotation)
    await expect(try_(pipeline, rotation)).rejects.toMatchObject({ name: 'TestFailed' })
  })

  test.each([
    ['another strategy', { 'keyturn:strategy': 'alternating-users' }, 'keyturn:strategy'],
    ['keyturn:engine beside it', { 'keyturn:engine': 'opaque' }, 'keyturn:engine'],
  ])('%s is refused before anything is written', async (_, more, option) => {
    await begin({ ...tags, ...more }, alone())
    await expect(create(pipeline, { id, token })).rejects.toMatchObject({ name: 'InvalidOption', option })
    expect(await stored('pending')).toBeUndefined()
  })

  test.each([
    [
      '{"engine":"postgres","username":"app"}',
      "host: should be the host name of the database itself, not RDS Proxy's, which takes no password that is not current yet",
    ],
    ['Hidden-1', 'value: should be a JSON object with engine, host and username'],
  ])('a connection of no use is refused before anything is written: %s', async (text, problem) => {
    connection.mockResolvedValueOnce(text)
    await expect(create(pipeline, { id, token })).rejects.toMatchObject({
      name: 'InvalidCredential',
      field: 'keyturn:connection',
      message: `keyturn:connection: in parameter /shop/connection, ${problem}`,
    })
    expect(await stored('pending')).toBeUndefined()
  })

  test.each([{ host: 'localhost' }, { username: 'postgres' }])(
    'a connection that was changed to %j since the rotation began: HostMismatch, and nothing changes',
    async change => {
      const rotation = await create(pipeline, { id, token })
      connection.mockResolvedValueOnce(connectionOf(app.current, change))
      await expect(set(pipeline, rotation)).rejects.toMatchObject({
        name: 'HostMismatch',
        message: expect.stringContaining(`the rotation began for user "${app.user}" on ${server.host}, `),
      })
      expect(await admitted(app.current.password)).toBe(true)
    },
  )

  test('rollback goes by what createSecret found out, else by the tags, whatever else they say', async () => {
    for (const [known, now] of [
      [true, {}],
      [true, { 'keyturn:engine': 'opaque' }],
      [false, { ...tags, 'keyturn:grace': 'soon', 'keyturn:strategy': 'alternating-users' }],
    ] as const) {
      await begin(tags, alone())
      const rotation = await create(pipeline, { id, token })
      await set(pipeline, rotation)
      store.tag(id, now)
      const rolledBack = rollback(pipeline, known ? rotation : { id, token })
      expect(await rolledBack).toEqual({ token, outcome: 'restored' })
      expect([await stored('current'), await stored('pending')]).toEqual([app.current.password, undefined])
      expect(await admitted(app.current.password)).toBe(true)
    }
  })

  test('an abandoned rotation is rolled back by the tags', async () => {
    await set(pipeline, await create(pipeline, { id, token }))
    expect(await rollbackAbandoned(pipeline, id)).toEqual({ token, outcome: 'restored' })
    expect(await admitted(app.current.password)).toBe(true)
  })

  test('an older value still brings current back', async () => {
    const rotation = await create(pipeline, { id, token })
    await set(pipeline, rotation)
    await store.discard(id, token)
    const third = 'third-'.padEnd(32, '0')
    await store.as(Credential.opaque).propose(id, third, Credential.opaque('never set'))
    expect(await rollback(pipeline, { id, token: third })).toMatchObject({ outcome: 'restored' })
    expect(await admitted(app.current.password)).toBe(true)
  })

  test('without its connection nobody knows whether current logs in: the value stays pending', async () => {
    const rotation = await create(pipeline, { id, token })
    await set(pipeline, rotation)
    connection.mockResolvedValueOnce('{}')
    await expect(rollback(pipeline, rotation)).rejects.toMatchObject({ field: 'keyturn:connection' })
    expect((await store.describe(id)).pending).toBe(token)
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'restored' })
  })

  test('check logs in with it', async () => {
    await check(pipeline, { id, token })
    await begin(tags, alone('wrong'))
    await expect(check(pipeline, { id, token })).rejects.toMatchObject({ name: 'LoginRefused' })
  })
})

describe('an opaque value', () => {
  const tags = { 'keyturn:engine': 'opaque' }

  test.each(['a signing key', '{"engine":"postgres","host":"h","username":"u","password":"p"}', '{'])(
    'rotates, and the one before stays readable: %s',
    async text => {
      await begin(tags, Credential.opaque(text))
      expect(await rotate(token)).toEqual({
        ...{ id, token, engine: 'opaque', host: '', strategy: 'single-user', user: '', nextUser: '' },
        replaces: first,
      })
      const second = await stored('current')
      expect([await stored('previous'), second]).toEqual([text, expect.stringMatching(/^[!-~]{32}$/)])
      await rotate('third-'.padEnd(32, '0'))
      expect(await stored('previous')).toBe(second)
      expect(await stored('current')).not.toBe(second)
    },
  )

  test('is made by the password settings', async () => {
    await begin({ ...tags, 'keyturn:PASSWORD_LENGTH': '64', 'keyturn:EXCLUDE_PUNCTUATION': 'true' })
    await rotate(token)
    expect(await stored('current')).toMatch(/^[A-Za-z0-9]{64}$/)
  })

  test.each([
    ['another strategy', { 'keyturn:strategy': 'alternating-users' }, 'keyturn:strategy'],
    ['a test query', { 'keyturn:test-query': 'TABLE t' }, 'keyturn:test-query'],
  ])('%s is refused before anything is written', async (_, more, option) => {
    await begin({ ...tags, ...more })
    await expect(create(pipeline, { id, token })).rejects.toMatchObject({ name: 'InvalidOption', option })
    expect(await stored('pending')).toBeUndefined()
  })

  test('is rolled back, whatever else the tags say', async () => {
    for (const known of [true, false]) {
      await begin(tags, Credential.opaque('first'))
      const rotation = await create(pipeline, { id, token })
      await set(pipeline, rotation)
      store.tag(id, { ...(!known && tags), 'keyturn:strategy': 'none' })
      expect(await rollback(pipeline, known ? rotation : { id, token })).toEqual({ token, outcome: 'intact' })
      expect([await stored('current'), await stored('pending')]).toEqual(['first', undefined])
    }
  })

  test('an abandoned one likewise', async () => {
    await begin(tags, Credential.opaque('first'))
    await create(pipeline, { id, token })
    expect(await rollbackAbandoned(pipeline, id)).toEqual({ token, outcome: 'intact' })
    expect([await stored('current'), await stored('pending')]).toEqual(['first', undefined])
  })

  test('check has nothing against it', async () => {
    await begin(tags, Credential.opaque('first'))
    await check(pipeline, { id, token })
  })
})
