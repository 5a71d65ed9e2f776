import { hash } from 'node:crypto'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { admits, makeApp, runStatements } from '../../local/servers/postgresDatabase.ts'
import { Credential } from '../../rotation/credential.ts'
import { InvalidCredential } from '../../rotation/errors.ts'
import { retire } from '../../rotation/retire.ts'
import { rollback, rollbackAbandoned } from '../../rotation/rollback.ts'
import { createSecret, finishSecret, setSecret, testSecret as try_ } from '../../rotation/steps.ts'
import {
  admin,
  app,
  firstToken,
  id,
  pipeline,
  readByToken,
  readCurrent,
  rotate,
  running,
  secondToken,
  server,
  setUpSecret,
  singleUserTags,
  store,
} from '../support/oneSecret.ts'

describe('a value that somebody edits', () => {
  const edited = 'edited-'.padEnd(32, '0')
  /** Stores current's value again with another field in front and another database. Pending stays as it is. */
  async function edit(): Promise<void> {
    const { current = '', pending = current } = await store.describe(id)
    const value = JSON.parse((await readByToken(current)).serialize())
    const next = { note: 'hello', ...value, dbname: 'postgres' }
    await store.propose(id, edited, Credential.parse(JSON.stringify(next)))
    await store.promote(id, edited, current)
    store.move(id, 'pending', pending)
  }

  test('single user, after set: the rollback brings it back', async () => {
    await setUpSecret(singleUserTags)
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    await edit()
    await expect(finishSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'Superseded' })
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'restored' })
    expect(await admits(server, await readCurrent())).toBe(true)
  })

  test('single user, in a restored database: an older value than previous, which has current’s password, brings it back', async () => {
    await setUpSecret(singleUserTags)
    await rotate(secondToken)
    await edit()
    await store.discard(id, secondToken)
    await runStatements(server, `alter role "${app.user}" password '${app.current.password}'`)
    const rotation = await createSecret(pipeline, { id, token: 'third-'.padEnd(32, '0') })
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'restored' })
    expect(await admits(server, await readCurrent())).toBe(true)
  })

  test('alternating, after set: the rollback closes the other user', async () => {
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    await edit()
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
    expect(await admits(server, await readByToken(secondToken))).toBe(false)
    expect(await admits(server, await readCurrent())).toBe(true)
  })

  test('alternating, within the grace time: what was replaced is closed', async () => {
    const rotation = await rotate(secondToken)
    await edit()
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
    expect(await admits(server, app.current)).toBe(false)
    expect(await admits(server, await readCurrent())).toBe(true)
  })

  test('on a temporary clone: the application moves back all the same', async () => {
    await setUpSecret({ 'keyturn:strategy': 'temporary-clone' })
    const there = await rotate(secondToken)
    await edit()
    expect(await retire(pipeline, there)).toEqual({ outcome: 'halfway' })
  })

  test('into another server’s within the grace time: nothing is closed', async () => {
    const rotation = await rotate(secondToken)
    await store.propose(id, edited, (await readCurrent()).with({ host: 'elsewhere' }))
    await store.promote(id, edited, secondToken)
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'superseded' })
    expect(await admits(server, app.current)).toBe(true)
  })
})

describe('a strategy that somebody changes', () => {
  const third = 'third-'.padEnd(32, '0')

  test('within the grace time: what the first replaced is closed all the same', async () => {
    const rotation = await rotate(secondToken)
    store.tag(id, singleUserTags)
    await rotate(third)
    expect((await readCurrent()).username).toBe(`${app.user}_clone`)
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
    expect(await admits(server, app.current)).toBe(false)
    expect(await admits(server, await readCurrent())).toBe(true)
  })

  test('while the application is on a temporary clone: it moves back, and the clone goes', async () => {
    await setUpSecret({ 'keyturn:strategy': 'temporary-clone' })
    await rotate(secondToken)
    store.tag(id, singleUserTags)
    // Only the first rotation's own state says so.
    expect(await createSecret(pipeline, { id, token: third, moveBack: true })).toMatchObject({
      strategy: 'single-user',
    })
    await store.discard(id, third)
    const back = await createSecret(pipeline, { id, token: hash('sha256', secondToken), moveBack: true })
    expect(back).toMatchObject({ strategy: 'temporary-clone', nextUser: app.user, clone: 'drop' })
    for (const step of [setSecret, try_, finishSecret]) await step(pipeline, back)
    expect(await retire(pipeline, back)).toEqual({ outcome: 'retired' })
    expect(await admits(server, await readCurrent())).toBe(true)
  })

  test('the way back from a clone is no way for a value without a user', async () => {
    await setUpSecret({ 'keyturn:connection': '/app/connection' })
    const forced = createSecret(pipeline, { id, token: hash('sha256', firstToken), moveBack: true })
    await expect(forced).rejects.toMatchObject({ name: 'InvalidOption', option: 'keyturn:strategy' })
  })

  test('after a rotation that died: the other user is closed', async () => {
    await setSecret(pipeline, await createSecret(pipeline, { id, token: secondToken }))
    store.tag(id, singleUserTags)
    expect(await rollbackAbandoned(pipeline, id)).toEqual({ token: secondToken, outcome: 'intact' })
    expect(await admits(server, await readByToken(secondToken))).toBe(false)
  })

  test('from one user to two, after a rotation that died: the user has its password back', async () => {
    await setUpSecret(singleUserTags)
    await setSecret(pipeline, await createSecret(pipeline, { id, token: secondToken }))
    store.tag(id, { 'keyturn:strategy': 'alternating-users' })
    expect(await rollbackAbandoned(pipeline, id)).toEqual({ token: secondToken, outcome: 'restored' })
    expect(await admits(server, app.current)).toBe(true)
  })
})

describe('a value that somebody else wrote', () => {
  const third = 'third-'.padEnd(32, '0')
  let victim: Credential
  beforeEach(async () => {
    const other = await makeApp(server)
    victim = app.current.with({ username: other.user, password: other.current.password })
    return () => other.drop()
  })

  test('a pending value of another user: the rollback takes it back, and uses no admin', async () => {
    await store.propose(id, secondToken, victim.with({ password: 'stolen' }))
    expect(await rollback(pipeline, { id, token: secondToken })).toEqual({
      token: secondToken,
      outcome: 'intact',
    })
    expect(admin).not.toHaveBeenCalled()
    expect(await admits(server, victim)).toBe(true)
  })

  test('a previous value of another user: the rollback does not set its password', async () => {
    await rotate(secondToken)
    await store.propose(id, third, victim)
    await store.promote(id, third, secondToken)
    const last = 'last-'.padEnd(32, '0')
    await store.propose(id, last, app.current.with({ username: `${app.user}_clone`, password: 'mine' }))
    await store.promote(id, last, third)
    await runStatements(server, `alter role "${app.user}_clone" password 'mine'`)
    running.add(last)
    const rotation = await createSecret(pipeline, { id, token: 'next-'.padEnd(32, '0') })
    await setSecret(pipeline, rotation)
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
    expect(await admits(server, victim)).toBe(true)
    expect(await admits(server, await readByToken(rotation.token))).toBe(false)
  })

  test('a previous value that cannot be read: what was pending is closed all the same', async () => {
    const rotation = await rotate(secondToken)
    await retire(pipeline, rotation)
    const next = await createSecret(pipeline, { id, token: third })
    await setSecret(pipeline, next)
    const read = store.read.bind(store)
    vi.spyOn(store, 'read').mockImplementation(async (id, which) => {
      if (which.stage === 'previous') throw new InvalidCredential('host', 'should be there')
      return read(id, which)
    })
    expect(await rollback(pipeline, next)).toMatchObject({ outcome: 'intact' })
    expect(await admits(server, await readByToken(third))).toBe(false)
  })
})
