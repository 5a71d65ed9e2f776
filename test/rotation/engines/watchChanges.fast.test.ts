import { describe, expect, test, vi } from 'vitest'
import { Credential } from '../../../rotation/credential.ts'
import type { DualPasswordCalls, Session } from '../../../rotation/engines/engine.ts'
import { Opaque } from '../../../rotation/engines/opaque.ts'
import { watchEngine, watchRds } from '../../../rotation/engines/watchChanges.ts'

const credential = Credential.parse(
  JSON.stringify({ engine: 'mysql', host: 'db.example.com', username: 'app', password: 'p' }),
)
const pair = { user: 'app', clone: 'app_clone' }

/** A session as those of drivers are: a class with private fields and getters, some of whose members are left out. */
class Real implements Session {
  #calls: string[] = []
  readonly dualPassword: DualPasswordCalls = {
    add: async () => this.#called('add'),
    keepOnly: async () => this.#called('keepOnly'),
    wouldAdd: async () => this.#called('wouldAdd'),
  }
  get calls() {
    return this.#calls
  }
  get isBehindPooler() {
    return this.#calls.length > 0
  }
  #called(name: string) {
    this.#calls.push(name)
  }
  async setPassword(user: string, password: string) {
    this.#called(`setPassword ${user} ${password}`)
  }
  async wouldSetPassword() {
    this.#called('wouldSetPassword')
  }
  async openUser() {
    this.#called('openUser')
    return ['left']
  }
  async wouldOpenUser() {
    this.#called('wouldOpenUser')
    return []
  }
  async closeUser() {
    this.#called('closeUser')
  }
  async countSessions() {
    this.#called('countSessions')
    return 3
  }
  async countFreeConnections() {
    this.#called('countFreeConnections')
    return 3
  }
  async dropClone() {
    this.#called('dropClone')
  }
  async wouldDropClone() {
    this.#called('wouldDropClone')
    return []
  }
  async differences() {
    this.#called('differences')
    return []
  }
  async requirePasswordCheck() {
    this.#called('requirePasswordCheck')
  }
  async isStandby() {
    this.#called('isStandby')
    return true
  }
  async runTestQuery(query: string) {
    this.#called(`run ${query}`)
  }
  async [Symbol.asyncDispose]() {
    this.#called('dispose')
  }
}

async function watchedSession(real: Session = new Real()) {
  const touch = vi.fn()
  const login = vi.fn(async () => real)
  const session = await watchEngine({ login }, touch).login(credential, '%')
  expect(login).toHaveBeenCalledWith(credential, '%')
  return { session, touch }
}

describe('a watched session', () => {
  test.each<[string, (session: Session) => Promise<unknown>]>([
    ['setPassword app new', session => session.setPassword('app', 'new', { reversibly: true })],
    ['openUser', session => session.openUser(pair, { user: 'app', password: 'new' })],
    ['closeUser', session => session.closeUser('app', pair)],
    ['dropClone', session => session.dropClone(pair)],
    ['add', async session => session.dualPassword?.add('app', 'new', 'p')],
    ['keepOnly', async session => session.dualPassword?.keepOnly('app', 'new')],
  ])('%s counts as a change of the database, before the real session makes it', async (name, act) => {
    const real = new Real()
    const { session, touch } = await watchedSession(real)
    touch.mockImplementation(() => expect(real.calls).toEqual([]))
    await act(session)
    expect(touch).toHaveBeenCalledOnce()
    expect(real.calls).toEqual([name])
  })

  test('every other method is passed on to the real session, and counts as no change', async () => {
    const real = new Real()
    const { session, touch } = await watchedSession(real)
    {
      await using used = session
      expect(used.isBehindPooler).toBe(false)
      expect(await used.countSessions('app')).toBe(3)
      expect(used.isBehindPooler).toBe(true)
      await used.wouldSetPassword('app', 'new')
      await used.wouldOpenUser(pair, 'app')
      await used.countFreeConnections('app')
      await used.wouldDropClone(pair)
      await used.differences(pair, async () => credential)
      await used.requirePasswordCheck?.()
      expect(await used.isStandby?.()).toBe(true)
      await used.runTestQuery('select 1')
    }
    expect(real.calls).toEqual([
      'countSessions',
      'wouldSetPassword',
      'wouldOpenUser',
      'countFreeConnections',
      'wouldDropClone',
      'differences',
      'requirePasswordCheck',
      'isStandby',
      'run select 1',
      'dispose',
    ])
    expect(touch).not.toHaveBeenCalled()
  })

  test('a method that the real session lacks is missing, and asking for two passwords counts as a change', async () => {
    const { session, touch } = await watchedSession(await new Opaque().login())
    const {
      accountQualifier,
      isBehindPooler,
      requirePasswordCheck,
      requiresClientCertificate,
      failedLoginsUntilLock,
      isStandby,
      requireTransactions,
    } = session
    expect([
      accountQualifier,
      isBehindPooler,
      requirePasswordCheck,
      requiresClientCertificate,
      failedLoginsUntilLock,
      isStandby,
      requireTransactions,
    ]).toEqual(Array(7).fill(undefined))
    expect(touch).not.toHaveBeenCalled()
    expect(session.dualPassword).toBeUndefined()
    expect(touch).toHaveBeenCalledOnce()
  })
})

test('watching a shared client of RDS a hundred times leaves the client itself as it is', async () => {
  class Shared {
    #asked = 0
    stack = ''
    async sharesUsers() {
      this.#asked++
      return true
    }
    async isSettingPassword() {
      return this.#asked > 0
    }
    async wouldSetMasterPassword() {}
    async setMasterPassword() {
      this.stack = new Error().stack ?? ''
    }
  }
  const shared = new Shared()
  const members = Object.getOwnPropertyNames(shared)
  const touches = Array.from({ length: 100 }, () => vi.fn())
  const watched = touches.map(touch => watchRds(shared, touch))
  expect(await watched[0]?.sharesUsers('a:1', 'b:1')).toBe(true)
  expect(await watched[1]?.isSettingPassword(credential)).toBe(true)
  expect(touches.map(({ mock }) => mock.calls.length)).toEqual(Array(100).fill(0))
  await watched[99]?.setMasterPassword(credential)
  expect(touches.map(({ mock }) => mock.calls.length)).toEqual([...Array(99).fill(0), 1])
  // A call goes through the one wrapper it was made on, and not through those of the others.
  expect(shared.stack.match(/watchChanges\.ts/g)).toHaveLength(1)
  expect(Object.getOwnPropertyNames(shared)).toEqual(members)
})
