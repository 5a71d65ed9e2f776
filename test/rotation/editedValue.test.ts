import { hash } from 'node:crypto'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { admits, asSuperuser, makeApp } from '../../local/servers/postgresDatabase.ts'
import { Credential } from '../../rotation/credential.ts'
import { InvalidCredential } from '../../rotation/errors.ts'
import { retire } from '../../rotation/retire.ts'
import { rollback, rollbackAbandoned } from '../../rotation/rollback.ts'
import { create, finish, set, test as try_ } from '../../rotation/steps.ts'
import {
  admin,
  app,
  begin,
  byToken,
  current,
  first,
  id,
  pipeline,
  rotate,
  running,
  server,
  single,
  store,
  token,
} from '../support/oneSecret.ts'

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

  test('single user, in a restored database: an older value than previous, which has current’s password, brings it back', async () => {
    await begin(single)
    await rotate(token)
    await edit()
    await store.discard(id, token)
    await asSuperuser(server, `alter role "${app.user}" password '${app.current.password}'`)
    const rotation = await create(pipeline, { id, token: 'third-'.padEnd(32, '0') })
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
