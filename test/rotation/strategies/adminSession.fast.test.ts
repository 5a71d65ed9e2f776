import { beforeEach, describe, expect, test } from 'vitest'
import { Credential } from '../../../rotation/credential.ts'
import type { Engine, Session } from '../../../rotation/engines/engine.ts'
import { InvalidCredential, LoginRefused, NotPermitted, Unreachable } from '../../../rotation/errors.ts'
import {
  ADMIN_PAUSES_MS,
  openAdminSession,
  tryOpenAdminSession,
} from '../../../rotation/strategies/adminSession.ts'
import { AlternatingUsers } from '../../../rotation/strategies/alternatingUsers.ts'
import { DualPassword } from '../../../rotation/strategies/dualPassword.ts'
import type { FailedChange } from '../../../rotation/strategies/strategy.ts'

ADMIN_PAUSES_MS.splice(0, Infinity, 1, 1, 1)

const masterarn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:admin'
const value = (username: string, password: string, more: object = {}) =>
  Credential.parse(JSON.stringify({ engine: 'postgres', host: 'here', username, password, ...more }))

/** The passwords that log in, the logins that were tried, and the sessions that are open. */
let passwords: Record<string, string>
let logins: string[]
let open: number
/** The error with which a user's change of its own password fails, if it does. */
let refusal: Error | undefined
beforeEach(() => {
  passwords = { app: 'one', admin: 'two' }
  logins = []
  open = 0
  refusal = undefined
})

const engine: Engine = {
  async login({ username, password, address, dbname }, host) {
    logins.push([username, password, address, dbname, ...(host ? [host] : [])].join(' '))
    if (passwords[username] !== password) throw new LoginRefused('no')
    open++
    const session = {
      accountQualifier: username === 'app' ? 'its host' : undefined,
      async openUser(_: unknown, { user, password }: { user: string; password: string }) {
        passwords[user] = password
        return ['a view stays']
      },
      async setPassword(user: string, password: string) {
        if (user === username && refusal) throw refusal
        passwords[user] = password
      },
      dualPassword: { add: async () => {}, keepOnly: async () => {} },
      async [Symbol.asyncDispose]() {
        open--
      },
    }
    return session as unknown as Session
  },
}

const current = value('app', 'one', { dbname: 'shop', masterarn })
const pending = current.with({ username: 'app_clone', password: 'next' })
const never = () => {
  throw new Error('is not to be asked')
}
const change = (admin: FailedChange['readAdmin'], more: Partial<FailedChange> = {}): FailedChange => ({
  ...{
    current,
    pending,
    readAdmin: admin,
    storedValues: never,
    rds: never,
    readPrevious: async () => undefined,
  },
  ...{
    otherRotation: async () => undefined,
    hasChangedNothing: async () => false,
    isPreviousOpen: async () => false,
  },
  ...more,
})

describe("an admin's session", () => {
  test('is on the admin’s server, in the proven user’s database, for that user’s account', async () => {
    {
      await using acting = await openAdminSession(engine, current, async () =>
        value('admin', 'two', { host: 'there' }),
      )
      expect([acting.address, open]).toEqual(['there:5432', 1])
    }
    expect(open).toBe(0)
    expect(logins).toEqual(['app one here:5432 shop', 'admin two there:5432 shop its host'])
  })

  test('is not opened, and the admin not read, if the proof does not log in', async () => {
    const proof = current.with({ password: 'wrong' })
    expect(await tryOpenAdminSession(engine, proof, never)).toBeUndefined()
    await expect(openAdminSession(engine, proof, never)).rejects.toThrow(LoginRefused)
  })
})

describe('apply returns where the password was set', () => {
  test('by alternating users: at the admin’s server, with what was left', async () => {
    const admin = async () => value('admin', 'two', { host: 'there' })
    const applied = await new AlternatingUsers().apply(engine, change(admin))
    expect(applied).toEqual({ address: 'there:5432', left: ['a view stays'] })
    expect([passwords.app_clone, open]).toEqual(['next', 0])
  })

  test('by two passwords: at the admin’s server, or where the user sets its own', async () => {
    const redis = value('app', 'one', { engine: 'redis', masterarn })
    const admin = async () => value('admin', 'two', { engine: 'redis', host: 'there' })
    const given = change(admin, { current: redis, pending: redis.with({ password: 'next' }) })
    const address = { redis: 'there:6379', mysql: 'here:3306' }
    expect(await new DualPassword().apply(engine, given)).toEqual({ address: address.redis, left: [] })
    const mysql = value('app', 'one', { engine: 'mysql' })
    const own = change(never, { current: mysql, pending: mysql.with({ password: 'next' }) })
    expect(await new DualPassword().apply(engine, own)).toEqual({ address: address.mysql, left: [] })
    expect(open).toBe(0)
  })
})

describe('a rollback by the admin, if the user may not set its own password,', () => {
  beforeEach(() => {
    passwords.app = 'next'
    refusal = new NotPermitted('no')
  })
  const same = current.with({ password: 'next' })
  const undo = (admin: FailedChange['readAdmin']) =>
    new AlternatingUsers().undo(engine, change(admin, { pending: same }))

  test('reads again an admin’s value that was changed meanwhile', async () => {
    const values = [value('admin', 'old-1'), value('admin', 'two')]
    expect(await undo(async () => values.shift() ?? value('admin', 'two'))).toBe('restored')
    expect([passwords.app, open]).toEqual(['one', 0])
  })

  test('uses the admin’s server if the user’s accepts no writes', async () => {
    refusal = new Unreachable('read-only')
    expect(await undo(async () => value('admin', 'two', { host: 'there' }))).toBe('restored')
    expect(logins).toContain('admin two there:5432 shop its host')
  })

  test.each([
    ['is on this server as well', async () => value('admin', 'two')],
    [
      'cannot be read',
      async () => {
        throw new InvalidCredential('masterarn', 'no')
      },
    ],
  ])('fails with the user’s error if the admin %s', async (_, admin) => {
    refusal = new Unreachable('read-only')
    await expect(undo(admin)).rejects.toBe(refusal)
    expect(logins.some(login => login.startsWith('admin'))).toBe(false)
  })
})
