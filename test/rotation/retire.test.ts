import { describe, expect, test, vi } from 'vitest'
import { admits, runStatements } from '../../local/servers/postgresDatabase.ts'
import { Credential } from '../../rotation/credential.ts'
import { retire } from '../../rotation/retire.ts'
import { rollback, rollbackAbandoned } from '../../rotation/rollback.ts'
import { createSecret, finishSecret, setSecret } from '../../rotation/steps.ts'
import {
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
  waitingToClose,
} from '../support/oneSecret.ts'

describe('retire', () => {
  test('closes the user that was replaced, and the next rotation opens it again', async () => {
    const rotation = await rotate(secondToken)
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
    expect(await admits(server, app.current)).toBe(false)
    expect(await admits(server, await readCurrent())).toBe(true)
    await rotate('third-'.padEnd(32, '0'))
    expect((await readCurrent()).username).toBe(app.user)
    expect(await admits(server, await readCurrent())).toBe(true)
  })

  test('succeeds if the user that was replaced no longer exists', async () => {
    await rotate(secondToken)
    const rotation = await rotate('third-'.padEnd(32, '0'))
    await runStatements(server, `drop role "${app.user}_clone"`)
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
  })

  test('throws Conflict during a newer rotation, and leaves the user alone after it', async () => {
    const rotation = await rotate(secondToken)
    const third = 'third-'.padEnd(32, '0')
    const newer = await createSecret(pipeline, { id, token: third })
    await expect(retire(pipeline, rotation)).rejects.toMatchObject({ name: 'Conflict' })
    expect(await admits(server, app.current)).toBe(true)
    await setSecret(pipeline, newer)
    await finishSecret(pipeline, newer)
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'superseded' })
    expect(await admits(server, await readCurrent())).toBe(true)
  })

  test('closes nothing unless current logs in', async () => {
    const rotation = await rotate(secondToken)
    await runStatements(server, `alter role "${app.user}_clone" password 'changed by hand'`)
    await expect(retire(pipeline, rotation)).rejects.toMatchObject({ name: 'LoginRefused' })
    expect(await admits(server, app.current)).toBe(true)
  })
})

describe('rotations that wait for their grace time', () => {
  const [third, fourth, fifth] = ['third-', 'fourth-', 'fifth-'].map(name => name.padEnd(32, '0'))

  test('do not keep a rollback from making current valid again by any stored value', async () => {
    for (const which of [secondToken, third, fourth]) {
      await rotate(which ?? '')
      running.add(which ?? '')
      waitingToClose.add(which ?? '')
    }
    const old = await readByToken(secondToken)
    const rotation = await createSecret(pipeline, { id, token: fifth ?? '' })
    await runStatements(server, `alter role "${old.username}" password '${old.password}'`)
    expect(await admits(server, await readCurrent())).toBe(false)
    expect(await rollback(pipeline, rotation)).toMatchObject({ outcome: 'restored' })
    expect(await admits(server, await readCurrent())).toBe(true)
  })

  test('count as abandoned if somebody makes the previous version current again, and are rolled back', async () => {
    await setUpSecret(singleUserTags)
    await rotate(secondToken)
    running.add(secondToken)
    waitingToClose.add(secondToken)
    store.move(id, 'current', firstToken)
    store.move(id, 'pending', secondToken)
    expect(await store.describe(id)).toMatchObject({ current: firstToken, pending: secondToken })
    const again = () => createSecret(pipeline, { id, token: third ?? '' })
    await expect(again()).rejects.toMatchObject({ name: 'RotationAbandoned' })
    expect(await rollbackAbandoned(pipeline, id)).toEqual({ token: secondToken, outcome: 'restored' })
    expect(await admits(server, app.current)).toBe(true)
    await again()
  })
})

describe('a temporary clone', () => {
  const third = 'third-'.padEnd(32, '0')
  const tags = { 'keyturn:strategy': 'temporary-clone', 'keyturn:grace': '1h' }
  const clone = () => `${app.user}_clone`
  const roles = () =>
    runStatements(server, `select rolname as name from pg_roles where rolname = '${clone()}'`)

  test('is used by the application until the user has a new password, and is then dropped', async () => {
    await setUpSecret(tags)
    const there = await rotate(secondToken)
    expect(there).toMatchObject({ nextUser: clone(), halfway: true, clone: 'drop', grace: 3600 })
    const onClone = await readCurrent()
    expect(await retire(pipeline, there)).toEqual({ outcome: 'halfway' })
    for (const credential of [app.current, onClone]) expect(await admits(server, credential)).toBe(true)

    const back = await rotate(third)
    expect(back).toMatchObject({ user: clone(), nextUser: app.user })
    expect(back).not.toHaveProperty('halfway')
    const atHome = await readCurrent()
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
    await setUpSecret({ ...tags, 'keyturn:clone': 'keep' })
    await retire(pipeline, await rotate(secondToken))
    const onClone = await readCurrent()
    await retire(pipeline, await rotate(third))
    expect(await roles()).toHaveLength(1)
    expect(await admits(server, onClone)).toBe(false)
  })

  test('stays in use if the rotation back to the user is rolled back', async () => {
    await setUpSecret(tags)
    await retire(pipeline, await rotate(secondToken))
    const onClone = await readCurrent()
    const back = await createSecret(pipeline, { id, token: third })
    await setSecret(pipeline, back)
    expect(await rollback(pipeline, back)).toEqual({ token: third, outcome: 'intact' })
    expect(await readCurrent()).toEqual(onClone)
    expect(await admits(server, onClone)).toBe(true)
    expect(await admits(server, await readByToken(third))).toBe(false)
  })

  test('is made again if another rotation needs it while it is dropped', async () => {
    await setUpSecret(tags)
    await rotate(secondToken)
    const back = await rotate(third)
    const fourth = 'fourth-'.padEnd(32, '0')
    const describe = store.describe.bind(store)
    let looks = 0
    vi.spyOn(store, 'describe').mockImplementation(async which => {
      // When retire checks again, the clone no longer exists.
      if (++looks === 2)
        await setSecret(pipeline, await createSecret({ ...pipeline, store: plain }, { id, token: fourth }))
      return describe(which)
    })
    const plain = store.withParser(Credential.parse)
    expect(await retire(pipeline, back)).toEqual({ outcome: 'superseded' })
    expect(await admits(server, await readByToken(fourth))).toBe(true)
  })
})
