import { describe, expect, test, vi } from 'vitest'
import { admits, asSuperuser } from '../../local/servers/postgresDatabase.ts'
import { Credential } from '../../rotation/credential.ts'
import { retire } from '../../rotation/retire.ts'
import { rollback, rollbackAbandoned } from '../../rotation/rollback.ts'
import { create, finish, set } from '../../rotation/steps.ts'
import {
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
  waiting,
} from '../support/oneSecret.ts'

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
