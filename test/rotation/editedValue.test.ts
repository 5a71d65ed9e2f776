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

  test('with a single user, an edit after SetSecret does not keep the rollback from restoring current', async () => {
    await setUpSecret(singleUserTags)
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    await edit()
    await expect(finishSecret(pipeline, rotation)).rejects.toMatchObject({ name: 'Superseded' })
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'restored' })
    expect(await admits(server, await readCurrent())).toBe(true)
  })

  test('with a single user in a restored database, an older value than the previous one restores current', async () => {
    await setUpSecret(singleUserTags)
    await rotate(secondToken)
    await edit()
    await store.discard(id, secondToken)
    await runStatements(server, `alter role "${app.user}" password '${app.current.password}'`)
    const rotation = await createSecret(pipeline, { id, token: 'third-'.padEnd(32, '0') })
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'restored' })
    expect(await admits(server, await readCurrent())).toBe(true)
  })

  test('with alternating users, an edit after SetSecret does not keep the rollback from closing the other user', async () => {
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    await edit()
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'intact' })
    expect(await admits(server, await readByToken(secondToken))).toBe(false)
    expect(await admits(server, await readCurrent())).toBe(true)
  })

  test('with alternating users, an edit within the grace time does not keep the old user from being closed', async () => {
    const rotation = await rotate(secondToken)
    await edit()
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
    expect(await admits(server, app.current)).toBe(false)
    expect(await admits(server, await readCurrent())).toBe(true)
  })

  test('with a temporary clone, an edit does not keep the application from moving back', async () => {
    await setUpSecret({ 'keyturn:strategy': 'temporary-clone' })
    const there = await rotate(secondToken)
    await edit()
    expect(await retire(pipeline, there)).toEqual({ outcome: 'halfway' })
  })

  test('that then names another server, within the grace time, keeps everything open', async () => {
    const rotation = await rotate(secondToken)
    await store.propose(id, edited, (await readCurrent()).with({ host: 'elsewhere' }))
    await store.promote(id, edited, secondToken)
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'superseded' })
    expect(await admits(server, app.current)).toBe(true)
  })
})

describe('a strategy that somebody changes', () => {
  const third = 'third-'.padEnd(32, '0')

  test('within the grace time does not keep the user that was replaced from being closed', async () => {
    const rotation = await rotate(secondToken)
    store.tag(id, singleUserTags)
    await rotate(third)
    expect((await readCurrent()).username).toBe(`${app.user}_clone`)
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
    expect(await admits(server, app.current)).toBe(false)
    expect(await admits(server, await readCurrent())).toBe(true)
  })

  test('while the application is on a temporary clone lets it move back, and the clone is dropped', async () => {
    await setUpSecret({ 'keyturn:strategy': 'temporary-clone' })
    await rotate(secondToken)
    store.tag(id, singleUserTags)
    // Only a token that the first rotation makes stands for the move back.
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

  test('does not let a value without a user move back from a clone', async () => {
    await setUpSecret({ 'keyturn:connection': '/app/connection' })
    const forced = createSecret(pipeline, { id, token: hash('sha256', firstToken), moveBack: true })
    await expect(forced).rejects.toMatchObject({ name: 'InvalidOption', option: 'keyturn:strategy' })
  })

  test('after a rotation died lets the rollback close the other user', async () => {
    await setSecret(pipeline, await createSecret(pipeline, { id, token: secondToken }))
    store.tag(id, singleUserTags)
    expect(await rollbackAbandoned(pipeline, id)).toEqual({ token: secondToken, outcome: 'intact' })
    expect(await admits(server, await readByToken(secondToken))).toBe(false)
  })

  test('from one user to two, after a rotation died, lets the rollback restore the user’s password', async () => {
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

  test('is discarded by a rollback, without the admin, if it is pending and of another user', async () => {
    await store.propose(id, secondToken, victim.with({ password: 'stolen' }))
    expect(await rollback(pipeline, { id, token: secondToken })).toEqual({
      token: secondToken,
      outcome: 'intact',
    })
    expect(admin).not.toHaveBeenCalled()
    expect(await admits(server, victim)).toBe(true)
  })

  test('never becomes a password of another user by a rollback, if it is the previous value', async () => {
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

  test('does not keep a rollback from closing the other user, if it is the previous value and cannot be read', async () => {
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
