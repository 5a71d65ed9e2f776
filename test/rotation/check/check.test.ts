import type { PeerCertificate } from 'node:tls'
import { describe, expect, inject, test, vi } from 'vitest'
import { credentialFor, runStatements } from '../../../local/servers/postgresDatabase.ts'
import { type CheckSettings, checkCredential } from '../../../rotation/check/check.ts'
import type { CheckLineName, CheckResult } from '../../../rotation/check/line.ts'
import { Credential } from '../../../rotation/credential.ts'
import type { Session } from '../../../rotation/engines/engine.ts'
import { Opaque } from '../../../rotation/engines/opaque.ts'
import { RefusedByPasswordRules } from '../../../rotation/engines/passwordRules.ts'
import { Postgres } from '../../../rotation/engines/postgres/postgres.ts'
import { NotPermitted, RdsBusy, Unreachable } from '../../../rotation/errors.ts'
import type { Rds } from '../../../rotation/rds.ts'
import type { Description } from '../../../rotation/stores/store.ts'
import {
  admin,
  app,
  firstToken,
  id,
  pipeline,
  rds,
  readCurrent,
  running,
  secondToken,
  server,
  setUpSecret,
  store,
} from '../../support/oneSecret.ts'

const managed = { 'keyturn:managed': 'true' }
const alternating = { ...managed, 'keyturn:strategy': 'alternating-users' }
const single = { ...managed, 'keyturn:strategy': 'single-user' }
const target = { store: 'secrets-manager', id } as const

/** The users that logged in, or were refused, by name. */
let logins: string[]

/** The real engine, with these members of its sessions replaced. */
function looking(members: Partial<Session> = {}, more: Partial<CheckSettings> = {}): CheckSettings {
  logins = []
  return {
    testMayWrite: false,
    async loadCheckEngine(name, onCertificate) {
      const real = name === 'opaque' ? new Opaque() : new Postgres({ caFile: server.caFile, onCertificate })
      return {
        async login(credential, host) {
          logins.push(credential.username)
          return Object.assign(await real.login(credential, host), members)
        },
      }
    },
    ...more,
  }
}

/** The results of an engine that refuses nothing. */
const fine: Partial<Session> = {
  wouldOpenUser: async () => [],
  wouldSetPassword: async () => {},
  countFreeConnections: async () => 10,
}

const certificate = (days: number) =>
  ({
    issuer: { O: 'Test' },
    subjectaltname: `IP Address:${server.host}`,
    valid_to: new Date(Date.now() + (days + 0.5) * 86_400_000).toUTCString(),
  }) as unknown as PeerCertificate

/** @returns one line of the report as text, or undefined if it was left out */
function of({ lines }: CheckResult, name: CheckLineName): string | undefined {
  const found = lines.find(({ line }) => line === name)
  return found && [found.state, found.error, found.says].filter(Boolean).join(' ')
}

async function describing(more: Partial<Description>): Promise<void> {
  const described = await store.describe(id)
  store.describe = async () => ({ ...described, ...more })
}

const run = (looks = looking(fine)) => checkCredential(pipeline, target, looks)

describe('a check of a credential without problems', () => {
  test('has each line in order as ok, one login for each value, and no change', async () => {
    await setUpSecret({ ...alternating, 'keyturn:test-query': 'select 1' })
    const labels = await store.describe(id)
    const roles = () =>
      runStatements(server, `select rolname, rolpassword from pg_authid where rolname like '${app.user}%'`)
    const before = await roles()
    const found = await run()
    expect(found.lines.map(({ line }) => line)).toEqual([
      ...['tags', 'value', 'key', 'store', 'pending', 'replicas', 'name', 'port', 'tls', 'login', 'pooler'],
      ...['connections', 'test-query', 'admin', 'admin-login', 'privileges', 'password-rules'],
    ])
    expect(found.lines.filter(({ state }) => state !== 'ok')).toEqual([])
    expect(found).toMatchObject({
      ...target,
      engine: 'postgres',
      strategy: 'alternating-users',
      user: app.user,
      nextUser: `${app.user}_clone`,
      address: app.current.address,
      admin: app.current.masterarn,
      result: 'ok',
    })
    expect(of(found, 'test-query')).toBe('ok ran')
    expect(logins).toEqual([app.user, app.admin.username])
    expect(await store.describe(id)).toEqual(labels)
    expect(await store.listTokens(id)).toEqual([firstToken])
    expect(await roles()).toEqual(before)
    const told = JSON.stringify(found)
    for (const { password } of [app.current, app.admin]) expect(told).not.toContain(password)
  })

  test('leaves out the lines that have no meaning for a single user or an opaque value', async () => {
    await setUpSecret(single)
    const one = await run()
    expect(one.result).toBe('ok')
    expect(one.lines.map(({ line }) => line)).not.toEqual(
      expect.arrayContaining(['admin', 'admin-login', 'test-query']),
    )
    expect(logins).toEqual([app.user])
    expect(admin).not.toHaveBeenCalled()
    await setUpSecret({ ...managed, 'keyturn:engine': 'opaque' }, Credential.parseOpaque('a text'))
    const any = await run()
    expect(any).toMatchObject({ result: 'ok', engine: 'opaque' })
    expect(any).not.toHaveProperty('address')
    expect(any.lines.map(({ line }) => line)).toEqual([
      ...['tags', 'value', 'key', 'store', 'pending', 'replicas', 'password-rules'],
    ])
    expect(logins).toEqual([])
  })
})

describe('a secret', () => {
  test('that is not enrolled fails the first line, and nothing else is checked', async () => {
    const cases: [Record<string, string>, Partial<Description>, RegExp][] = [
      [{}, {}, /^failed NotPermitted it is neither tagged/],
      [{ 'keyturn:admin': 'true' }, {}, /^failed NotPermitted it is an admin's secret/],
      [{}, { rotatedBy: 'arn:other' }, /^failed NotPermitted it is neither/],
      [managed, { owner: 'rds' }, /^failed InvalidCredential id: rds manages/],
      [{ ...managed, 'keyturn:grace': 'soon' }, {}, /^failed InvalidOption keyturn:grace/],
    ]
    for (const [tags, more, says] of cases) {
      await setUpSecret(tags)
      await describing(more)
      const read = vi.spyOn(store, 'read')
      const found = await run(looking(fine, { rotationFunction: 'arn:own' }))
      expect(of(found, 'tags')).toMatch(says)
      expect(new Set(found.lines.slice(1).map(({ state }) => state))).toEqual(new Set(['not-looked-at']))
      expect(found.result).toBe('failed')
      expect(read).not.toHaveBeenCalled()
      expect(logins).toEqual([])
    }
  })

  test('that this stack rotates needs no tag, and another rotation function is a warning', async () => {
    await setUpSecret({ 'keyturn:strategy': 'single-user' })
    await describing({ rotatedBy: 'arn:own' })
    const looks = looking(fine, { rotationFunction: 'arn:own' })
    expect(of(await run(looks), 'tags')).toBe('ok it is rotated by the function of this stack')
    await setUpSecret(single)
    await describing({ rotatedBy: 'arn:other' })
    const found = await run(looks)
    expect(of(found, 'tags')).toMatch(/^warning .*arn:other$/)
    expect(found.result).toBe('warning')
  })

  test('with a value that createSecret would refuse fails the line about the value', async () => {
    await setUpSecret(single, credentialFor(server, app.user, 'p', { host: 'u:secret@db' }))
    const found = await run()
    expect(of(found, 'value')).toMatch(/^failed InvalidCredential host: /)
    expect(JSON.stringify(found)).not.toContain('u:secret@db')
    await setUpSecret({ ...managed, 'keyturn:strategy': 'dual-password' })
    expect(of(await run(), 'value')).toMatch(/^failed InvalidOption keyturn:strategy: should be /)
    await setUpSecret(alternating, credentialFor(server, app.user, 'p'))
    expect(of(await run(), 'value')).toMatch(/^failed InvalidCredential masterarn: /)
  })

  test('with a key that this stack may not use fails the line about the key', async () => {
    const own = 'arn:aws:kms:eu-west-1:1:key/own'
    const cases: [string, RegExp][] = [
      [own, /^ok .*key\/own decrypts/],
      ['own', /^ok own decrypts/],
      ['alias/ours', /^ok alias\/ours decrypts/],
      ['arn:aws:kms:eu-west-1:1:key/other', /^failed NotPermitted it is encrypted by .*other, .*own alone/],
    ]
    for (const [key, says] of cases) {
      await setUpSecret(single)
      await describing({ key })
      expect(of(await run(looking(fine, { kmsKeyArn: own })), 'key')).toMatch(says)
    }
  })

  test('with a value that its store would refuse, or impossible rules for passwords, fails these lines', async () => {
    await setUpSecret(single)
    await describing({ obstacle: { field: 'labels', problem: 'has ten' } })
    expect(of(await run(), 'store')).toBe('failed InvalidCredential labels: has ten')
    await setUpSecret({ ...single, 'keyturn:PASSWORD_LENGTH': '8' })
    const found = await run()
    expect(of(found, 'password-rules')).toMatch(/^failed InvalidOption PASSWORD_LENGTH: .* bits/)
    expect(of(found, 'store')).toMatch(/^not-looked-at /)
    expect(of(found, 'privileges')).toMatch(/^not-looked-at /)
    expect(of(found, 'login')).toMatch(/^ok /)
  })

  test('with a running rotation, which may refuse current, is checked without a login', async () => {
    await setUpSecret(single)
    await store.propose(id, secondToken, app.current)
    running.add(secondToken)
    const found = await run()
    expect(of(found, 'pending')).toMatch(/^failed RotationInProgress /)
    expect(of(found, 'port')).toMatch(/^ok /)
    expect(of(found, 'login')).toMatch(/^not-looked-at /)
    expect(logins).toEqual([])
    running.clear()
    expect(of(await run(), 'pending')).toMatch(
      /^warning it is stuck: a rotation died and left version .* pending$/,
    )
    expect(logins).toEqual([app.user])
  })

  test('has a line about replicas that are behind, a missing or other home, and being a replica itself', async () => {
    const replicas = [{ region: 'eu-central-1', status: 'InSync' }]
    await setUpSecret({ ...single, 'keyturn:home': 'eu-west-1' })
    await describing({ replicas })
    expect(of(await run(), 'replicas')).toBe('ok its replicas in eu-central-1 follow')
    await describing({ replicas: [{ region: 'eu-central-1', status: 'Failed' }] })
    expect(of(await run(), 'replicas')).toMatch(/^failed ReplicasBehind .*eu-central-1 is Failed/)
    await describing({ primaryRegion: 'eu-central-1' })
    expect(of(await run(), 'replicas')).toMatch(/^failed InvalidCredential id: is a replica/)
    await describing({ primaryRegion: undefined, arn: 'arn:aws:secretsmanager:us-east-1:1:secret:x' })
    expect(of(await run(), 'replicas')).toMatch(/^failed NotAtHome /)
    await setUpSecret(single)
    await describing({ replicas })
    expect(of(await run(), 'replicas')).toMatch(/^warning it has replicas and no tag keyturn:home/)
  })
})

describe('the line about', () => {
  test('a host name fails if it is not resolved, and that about a port if nobody listens', async () => {
    await setUpSecret(single, credentialFor(server, app.user, 'p', { host: 'nobody.invalid' }))
    const unnamed = await run()
    expect(of(unnamed, 'name')).toMatch(/^failed Unreachable nobody.invalid: the name is not resolved/)
    expect(of(unnamed, 'port')).toMatch(/^not-looked-at /)
    await setUpSecret(single, credentialFor(server, app.user, 'p', { port: 1 }))
    const closed = await run()
    expect(of(closed, 'port')).toMatch(/^failed Unreachable .*:1: no connection \(ECONNREFUSED\)/)
    expect(of(closed, 'login')).toMatch(/^not-looked-at /)
    expect(logins).toEqual([])
  })

  test('TLS fails for an untrusted issuer, and warns of a certificate that ends soon', async () => {
    await setUpSecret(single)
    const issuerless = {
      ...looking(fine),
      loadCheckEngine: async () => new Postgres({ caFile: inject('postgres').at(-1)?.caFile ?? '' }),
    }
    const foreign = await run(issuerless)
    expect(of(foreign, 'tls')).toMatch(/^failed TlsFailed /)
    expect(of(foreign, 'login')).toMatch(/^not-looked-at /)
    const { loadCheckEngine } = looking(fine)
    const ending = await run({
      ...looking(fine),
      async loadCheckEngine(name, onCertificate) {
        onCertificate(certificate(20))
        return loadCheckEngine(name, () => {})
      },
    })
    expect(of(ending, 'tls')).toMatch(
      /^warning the certificate is of Test, it names .*, and ends in 20 days$/,
    )
  })

  test('TLS warns of clear text, and fails if the server requires TLS', async () => {
    await setUpSecret(single, credentialFor(server, app.user, 'p', { ssl: false }))
    const plain = { ...looking(), loadCheckEngine: async () => new Opaque() }
    expect(of(await run(plain), 'tls')).toMatch(/^warning .*clear text/)
    expect(of(await run(), 'tls')).toMatch(/^failed TlsFailed .*the server wants TLS/)
  })
})

describe('a current value', () => {
  test('that is refused is tried once, the admin is not read, and no later line is checked', async () => {
    await setUpSecret(alternating, app.current.with({ password: 'wrong' }))
    const found = await run()
    expect(of(found, 'tls')).toMatch(/^ok /)
    expect(of(found, 'login')).toMatch(/^failed LoginRefused /)
    for (const line of ['connections', 'admin', 'admin-login', 'privileges'] as const)
      expect(of(found, line)).toMatch(/^not-looked-at /)
    expect(logins).toEqual([app.user])
    expect(admin).not.toHaveBeenCalled()
  })

  test('that logs in with any password fails, and the admin is not read', async () => {
    await setUpSecret(alternating)
    const found = await run(
      looking({
        ...fine,
        async requirePasswordCheck() {
          throw new NotPermitted('any password is let in')
        },
      }),
    )
    expect(of(found, 'login')).toMatch(/^failed NotPermitted any password/)
    expect(admin).not.toHaveBeenCalled()
  })

  test('that logs in through a pooler fails without the tag, unless another user gets the password', async () => {
    await setUpSecret(single)
    const pooled = { ...fine, isBehindPooler: true }
    expect(of(await run(looking(pooled)), 'pooler')).toMatch(
      /^failed NotPermitted .*a pooler stands in between/,
    )
    await setUpSecret({ ...single, 'keyturn:pooler': 'auth-query' })
    expect(of(await run(looking(pooled)), 'pooler')).toBe('ok a pooler stands in between')
    await setUpSecret(alternating)
    expect(of(await run(looking(pooled)), 'pooler')).toBe('ok a pooler stands in between')
  })

  test('has a warning if the server accepts few or no further connections', async () => {
    const cases: [number | undefined, RegExp][] = [
      [0, /^warning this look had the last connection/],
      [1, /^warning 1 more connection may/],
      [2, /^warning 2 more connections/],
      [3, /^ok 3 more/],
      [undefined, /^not-looked-at /],
    ]
    await setUpSecret(single)
    for (const [room, says] of cases)
      expect(
        of(await run(looking({ ...fine, countFreeConnections: async () => room })), 'connections'),
      ).toMatch(says)
  })

  test('for which the server accepts no connection has a line that says so, and no login', async () => {
    await setUpSecret(single)
    await runStatements(server, `alter role ${app.user} connection limit 0`)
    const found = await run()
    expect(of(found, 'login')).toMatch(/^not-looked-at /)
    expect(of(found, 'connections')).toMatch(/^failed Unreachable .*no room for another connection/)
  })

  test('needs one connection at a time, as a rotation does', async () => {
    await setUpSecret({ ...alternating, 'keyturn:test-query': 'select 1' })
    await runStatements(server, `alter database ${app.database} connection limit 1`)
    const found = await run(looking())
    expect(found.lines.filter(({ state }) => state !== 'ok').map(({ line }) => line)).toEqual(['connections'])
    expect(of(found, 'connections')).toMatch(/^warning /)
  })

  test('with a test query that is refused has a line that does not say why', async () => {
    const queries = [
      'select 1 / 0',
      'create table forbidden ()',
      'select 1; select 2',
      'select nothing from x',
    ]
    for (const query of queries) {
      await setUpSecret({ ...single, 'keyturn:test-query': query })
      const found = await run()
      expect(of(found, 'test-query')).toBe('failed TestFailed refused')
      expect(of(found, 'privileges')).toMatch(/^ok /)
    }
    const made = await runStatements(
      server,
      "select 1 from pg_class where relname = 'forbidden'",
      app.database,
    )
    expect(made).toEqual([])
  })

  test('with a test query that may write is checked without running it', async () => {
    await setUpSecret({ ...single, 'keyturn:test-query': 'select 1' })
    const run_ = vi.fn()
    const found = await run(looking({ ...fine, runTestQuery: run_ }, { testMayWrite: true }))
    expect(of(found, 'test-query')).toMatch(/^not-looked-at it is not run/)
    expect(run_).not.toHaveBeenCalled()
  })
})

describe('the lines of a check', () => {
  test('have one time limit: after it, the one that waits fails, and no other begins', async () => {
    await setUpSecret(alternating)
    const held = Promise.withResolvers<void>()
    const closed = vi.fn(async () => {})
    const clones = vi.fn(async () => [])
    const late = {
      ...fine,
      wouldOpenUser: clones,
      [Symbol.asyncDispose]: closed,
      countFreeConnections: () => held.promise.then(() => 10),
    }
    const found = await run(looking(late, { timeoutMs: 300 }))
    expect(found.result).toBe('failed')
    expect(of(found, 'login')).toMatch(/^ok /)
    expect(of(found, 'connections')).toBe(
      'failed Unreachable there was no answer within the 0.3 seconds that all looks have together',
    )
    for (const line of ['pooler', 'admin', 'privileges'] as const)
      expect(of(found, line)).toBe('not-looked-at there was no time left for it')
    held.resolve()
    await expect.poll(() => closed.mock.calls.length).toBe(1)
    expect(logins).toEqual([app.user])
    expect(clones).not.toHaveBeenCalled()
    expect(of(found, 'connections')).toMatch(/^failed /)
  })

  test('fail at the login if that is not answered', async () => {
    await setUpSecret(single)
    const never = new Promise<never>(() => {})
    const found = await run({
      ...looking(fine),
      loadCheckEngine: async () => ({ login: () => never }),
      timeoutMs: 100,
    })
    expect(of(found, 'login')).toMatch(/^failed Unreachable /)
    expect(found.lines.find(({ line }) => line === 'login')?.remedy).toMatch(/^See that the server is up/)
    expect(of(found, 'tls')).toBe('not-looked-at there was no time left for it')
  })
})

describe('an admin', () => {
  test('that is for another server, is one of the two users, or cannot be read does not log in', async () => {
    await setUpSecret(alternating)
    admin.mockResolvedValueOnce(app.admin.with({ host: 'other.example.com' }))
    expect(of(await run(), 'admin')).toMatch(/^failed HostMismatch .*the admin was not used/)
    admin.mockResolvedValueOnce(app.admin.with({ username: `${app.user}_clone` }))
    expect(of(await run(), 'admin')).toMatch(/^failed InvalidCredential masterarn: /)
    admin.mockRejectedValueOnce(new NotPermitted('Secrets Manager: no'))
    const found = await run()
    expect(of(found, 'admin')).toBe('failed NotPermitted Secrets Manager: no')
    expect(of(found, 'privileges')).toMatch(/^not-looked-at /)
    expect(logins).toEqual([app.user])
  })

  test('that is refused is tried once, and not again by the next check', async () => {
    await setUpSecret(alternating)
    admin.mockResolvedValue(app.admin.with({ password: 'wrong' }))
    const found = await run()
    expect(of(found, 'admin-login')).toMatch(/^failed AdminRefused /)
    expect(of(found, 'privileges')).toMatch(/^not-looked-at /)
    expect(logins).toEqual([app.user, app.admin.username])
    expect(of(await run(), 'admin-login')).toMatch(/^failed AdminRefused /)
    expect(logins).toEqual([app.user])
  })
})

describe('the change of a rotation', () => {
  test('is checked by the session that would make it, with a password that is never used', async () => {
    const asked = vi.fn(async () => [])
    await setUpSecret(alternating)
    await run(looking({ ...fine, wouldOpenUser: asked }))
    const pair = { user: app.user, clone: `${app.user}_clone` }
    expect(asked).toHaveBeenCalledExactlyOnceWith(pair, pair.clone)
    const set = vi.fn<Session['wouldSetPassword']>(async () => {})
    await setUpSecret(single)
    await run(looking({ ...fine, wouldSetPassword: set }))
    expect(set).toHaveBeenCalledExactlyOnceWith(app.user, expect.stringMatching(/^.{32}$/), {
      reversibly: true,
    })
    expect(await store.listTokens(id)).toEqual([firstToken])
    expect((await readCurrent()).password).not.toBe(set.mock.lastCall?.[1])
  })

  test('fails if it would be refused or breaks, and is a warning if something would stay', async () => {
    await setUpSecret(alternating)
    const refused = async () => Promise.reject(new NotPermitted('may not create roles'))
    expect(of(await run(looking({ ...fine, wouldOpenUser: refused })), 'privileges')).toBe(
      'failed NotPermitted may not create roles',
    )
    const left = await run(looking({ ...fine, wouldOpenUser: async () => ['a table stays'] }))
    expect(of(left, 'privileges')).toBe('warning a table stays')
    expect(left.result).toBe('warning')
    const broken = async () => Promise.reject(new TypeError(`cannot read ${app.current.password}`))
    const found = await run(looking({ ...fine, wouldOpenUser: broken }))
    expect(of(found, 'privileges')).toBe('failed Unexpected an unexpected TypeError')
    expect(JSON.stringify(found)).not.toContain(app.current.password)
  })

  test('is a warning if a temporary clone could not be dropped, unless it is to be kept', async () => {
    const temporary = { ...managed, 'keyturn:strategy': 'temporary-clone' }
    const wouldDropClone = vi.fn<Session['wouldDropClone']>(async () => {
      throw new NotPermitted('it may not')
    })
    const looks = () => looking({ ...fine, wouldDropClone })
    await setUpSecret(temporary)
    expect(of(await run(looks()), 'privileges')).toBe(
      `warning ${app.user}_clone could not be dropped: it may not`,
    )
    expect(wouldDropClone).toHaveBeenCalledExactlyOnceWith({ user: app.user, clone: `${app.user}_clone` })
    wouldDropClone.mockRejectedValueOnce(new Unreachable('it does not answer'))
    expect(of(await run(looks()), 'privileges')).toBe('failed Unreachable it does not answer')
    await setUpSecret({ ...temporary, 'keyturn:clone': 'keep' })
    wouldDropClone.mockClear()
    expect(of(await run(looks()), 'privileges')).toMatch(/^ok /)
    await setUpSecret(alternating)
    expect(of(await run(looks()), 'privileges')).toMatch(/^ok /)
    expect(wouldDropClone).not.toHaveBeenCalled()
  })

  test('has a line of its own if the server’s rules for passwords would refuse it', async () => {
    await setUpSecret(single)
    const wouldSetPassword = async () => Promise.reject(new RefusedByPasswordRules('too short'))
    const found = await run(looking({ ...fine, wouldSetPassword }))
    expect(of(found, 'password-rules')).toBe('failed NotPermitted too short')
    expect(of(found, 'privileges')).toMatch(/^not-looked-at /)
  })

  test('of a master’s password is checked by asking RDS', async () => {
    await setUpSecret({ ...managed, 'keyturn:strategy': 'master' })
    const busy = () => Promise.reject(new RdsBusy('RDS is setting its password'))
    rds.mockResolvedValue({ wouldSetMasterPassword: busy } as unknown as Rds)
    expect(of(await run(), 'privileges')).toBe('failed RdsBusy RDS is setting its password')
    rds.mockResolvedValue({ wouldSetMasterPassword: async () => {} } as unknown as Rds)
    expect(of(await run(), 'privileges')).toBe('ok master may do what it has to')
  })

  test('has a line of at most 300 characters', async () => {
    await setUpSecret(alternating)
    const found = await run(looking({ ...fine, wouldOpenUser: async () => ['x'.repeat(1000)] }))
    expect(of(found, 'privileges')?.length).toBeLessThanOrEqual('warning '.length + 300)
  })
})
