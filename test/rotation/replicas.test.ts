import { describe, expect, test, vi } from 'vitest'
import { admits } from '../../local/servers/postgresDatabase.ts'
import { retire } from '../../rotation/retire.ts'
import { createSecret, setSecret } from '../../rotation/steps.ts'
import type { Description } from '../../rotation/stores/store.ts'
import {
  id,
  pipeline,
  readCurrent,
  rotate,
  running,
  secondToken,
  server,
  setUpSecret,
  store,
  untouched,
} from '../support/oneSecret.ts'

const arn = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:app-AbCdEf'
const inSync = { region: 'us-east-1', status: 'InSync' }
const failed = { region: 'ap-south-1', status: 'Failed', message: 'Replication failed:\n no key' }
const underWay = { region: 'eu-west-1', status: 'InProgress' }

/** Has the store describe the secret with these members too, from now on. */
function tells(more: Partial<Description>): void {
  const { describe } = store
  vi.spyOn(store, 'describe').mockImplementation(async which => ({
    ...(await describe.call(store, which)),
    arn,
    ...more,
  }))
}
const pendingNow = async () => (await store.describe(id)).pending

describe('a rotation does not begin', () => {
  test('in a replica, and the error names its primary’s Region', async () => {
    tells({ primaryRegion: 'us-east-1' })
    await expect(createSecret(pipeline, { id, token: secondToken })).rejects.toMatchObject({
      name: 'InvalidCredential',
      message: 'id: is a replica of a secret in us-east-1: rotate that one, there',
    })
    expect(await pendingNow()).toBeUndefined()
  })

  test('if the home tag names another Region, but does if it names this one or is missing', async () => {
    await setUpSecret({ 'keyturn:home': 'us-east-1' })
    tells({})
    await expect(createSecret(pipeline, { id, token: secondToken })).rejects.toMatchObject({
      name: 'NotAtHome',
      message: expect.stringMatching(/keyturn:home says us-east-1, and this is eu-central-1/),
    })
    expect(await pendingNow()).toBeUndefined()
    for (const tags of [{ 'keyturn:home': 'eu-central-1' }, {}] as Record<string, string>[]) {
      await setUpSecret(tags)
      tells({})
      expect(await createSecret(pipeline, { id, token: secondToken })).toMatchObject({ token: secondToken })
    }
  })

  test('if the home tag names no Region: InvalidOption', async () => {
    await setUpSecret({ 'keyturn:home': 'Frankfurt' })
    await expect(createSecret(pipeline, { id, token: secondToken })).rejects.toMatchObject({
      name: 'InvalidOption',
      message: 'keyturn:home: should be a Region, such as eu-west-1',
    })
  })

  test('while a replica has failed: ReplicasBehind, with the service’s reason in one line', async () => {
    tells({ replicas: [inSync, underWay, failed] })
    await expect(createSecret(pipeline, { id, token: secondToken })).rejects.toMatchObject({
      name: 'ReplicasBehind',
      message: 'the replica in ap-south-1 is Failed: Replication failed: no key',
    })
    expect(await pendingNow()).toBeUndefined()
  })

  test('while a replica is InProgress: Conflict, until the replica is in sync', async () => {
    tells({ replicas: [inSync, underWay] })
    await expect(createSecret(pipeline, { id, token: secondToken })).rejects.toMatchObject({
      name: 'Conflict',
      message: 'the replica in eu-west-1 is InProgress',
    })
    vi.restoreAllMocks()
    tells({ replicas: [inSync] })
    expect(await createSecret(pipeline, { id, token: secondToken })).toMatchObject({ token: secondToken })
  })

  test('before an abandoned rotation is rolled back, whatever replicas do, unless this is a replica itself', async () => {
    const rotation = await createSecret(pipeline, { id, token: secondToken })
    await setSecret(pipeline, rotation)
    const other = 'third-'.padEnd(32, '0')
    tells({ replicas: [failed] })
    await expect(createSecret(pipeline, { id, token: other })).rejects.toMatchObject({
      name: 'RotationAbandoned',
    })
    vi.restoreAllMocks()
    tells({ primaryRegion: 'us-east-1' })
    await expect(createSecret(pipeline, { id, token: other })).rejects.toMatchObject({
      name: 'InvalidCredential',
    })
  })

  test.each([
    ['the secret has a replica', { replicas: [inSync] }, undefined],
    ['other Regions could not be asked', {}, { unasked: 'no', empty: [] }],
    ['a replica follows another Region', {}, { behind: 'it does', empty: [] }],
  ])(
    'before an abandoned rotation that changed nothing is rolled back, where %s',
    async (_, more, answer) => {
      await createSecret(pipeline, { id, token: secondToken })
      untouched.add(secondToken)
      tells(more)
      const other = 'third-'.padEnd(32, '0')
      await expect(createSecret(pipeline, { id, token: other }, answer)).rejects.toMatchObject({
        name: 'RotationAbandoned',
      })
      expect(await pendingNow()).toBe(secondToken)
    },
  )

  test('an abandoned rotation that changed nothing is discarded at once if the only replica was given up', async () => {
    await createSecret(pipeline, { id, token: secondToken })
    untouched.add(secondToken)
    tells({ replicas: [{ ...inSync, givenUp: '2026-11-30' }] })
    const other = 'third-'.padEnd(32, '0')
    await createSecret(pipeline, { id, token: other }, { empty: [] })
    expect(await pendingNow()).toBe(other)
  })

  test('a finished rotation that is asked for again is not refused for a replica that is InProgress', async () => {
    const rotation = await rotate(secondToken)
    tells({ replicas: [underWay] })
    expect(await createSecret(pipeline, { id, token: secondToken })).toEqual({
      ...rotation,
      arn,
      replicas: ['eu-west-1'],
      warnings: [expect.stringMatching(/^it has replicas and no tag keyturn:home/)],
    })
  })
})

describe('what was replaced', () => {
  test('stays open for at most 350 days, as an execution lasts a year and waits for replicas first', async () => {
    const graceWith = async (replicas: Description['replicas']) => {
      await setUpSecret({ 'keyturn:strategy': 'alternating-users', 'keyturn:grace': '355d' })
      tells({ replicas })
      const { grace, warnings } = await createSecret(pipeline, { id, token: secondToken })
      return [grace, warnings?.at(-1)]
    }
    const cut = expect.stringMatching(/^the grace time is cut to 350 days/)
    expect([await graceWith([inSync]), await graceWith([])]).toEqual([
      [350 * 86_400, cut],
      [355 * 86_400, undefined],
    ])
  })

  test.each([failed, underWay])('stays open while a replica is not in sync: %o', async replica => {
    const before = await readCurrent()
    const rotation = await rotate(secondToken)
    running.add(secondToken)
    tells({ replicas: [inSync, replica] })
    await expect(retire(pipeline, rotation)).rejects.toMatchObject({
      name: 'Conflict',
      message: expect.stringContaining(`what was replaced stays open: the replica in ${replica.region}`),
    })
    expect(await admits(server, before)).toBe(true)
    vi.restoreAllMocks()
    tells({ replicas: [inSync] })
    expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
    expect(await admits(server, before)).toBe(false)
  })
})

test('what was replaced stays open if the secret’s home is another Region by now, which may have rotated it', async () => {
  const tags = { 'keyturn:strategy': 'alternating-users' }
  await setUpSecret(tags)
  const before = await readCurrent()
  const rotation = await rotate(secondToken)
  running.add(secondToken)
  tells({ tags: { ...tags, 'keyturn:home': 'us-east-1' } })
  expect(await retire(pipeline, rotation)).toEqual({ outcome: 'superseded' })
  expect(await admits(server, before)).toBe(true)
  vi.restoreAllMocks()
  tells({ tags: { ...tags, 'keyturn:home': 'eu-central-1' } })
  expect(await retire(pipeline, rotation)).toEqual({ outcome: 'retired' })
  expect(await admits(server, before)).toBe(false)
})
