import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Application, type StoredValue } from '../../local/client/application.ts'
import {
  LOST_REGION,
  type RotationMoment,
  type SecretArns,
  TwoRegions,
} from '../../local/drill/twoRegions.ts'
import { randomHex } from '../../local/servers/postgresDatabase.ts'
import { captureOutput } from '../support/observe.ts'

let regions: TwoRegions
beforeAll(async () => {
  regions = await TwoRegions.start()
})
afterAll(() => regions?.stop())
afterEach(() => regions.bringBackFirstRegion())

type Strategy = 'single user' | 'alternating users'
type Loss = RotationMoment & {
  strategy: Strategy
  /** The label of the version that logs in, or the first one if several do. */
  found: 'current' | 'previous' | 'pending'
  /** Whether the standby gets none of the rotation's changes. */
  cutOff?: true
}

const losses: Loss[] = [
  { when: 'before', state: 'CreateSecret', strategy: 'single user', found: 'current' },
  { when: 'after', state: 'CreateSecret', strategy: 'alternating users', found: 'current' },
  { when: 'before', state: 'SetSecret', strategy: 'single user', found: 'current' },
  { when: 'after', state: 'SetSecret', strategy: 'alternating users', found: 'current' },
  { when: 'before', state: 'TestSecret', strategy: 'single user', found: 'pending' },
  { when: 'after', state: 'TestSecret', strategy: 'alternating users', found: 'current' },
  { when: 'before', state: 'FinishSecret', strategy: 'single user', found: 'pending' },
  { when: 'after', state: 'FinishSecret', strategy: 'single user', found: 'current' },
  { when: 'in the grace time', strategy: 'alternating users', found: 'current' },
  { when: 'before', state: 'RetireSecret', strategy: 'alternating users', found: 'current' },
  { when: 'after', state: 'FinishSecret', strategy: 'single user', found: 'previous', cutOff: true },
]

const applicationHere = (id: string) =>
  new Application(regions.valueStores.here, id, regions.embedded.postgres.caFile)
const servedHere = async (id: string) => (await applicationHere(id).read()) as StoredValue

/** Makes a user and its secret. With alternating users, it has been rotated once, so that both users exist. */
async function enrol(strategy: Strategy): Promise<SecretArns> {
  const user = `app_${randomHex()}`
  if (strategy === 'single user') return regions.enrol(user)
  const ids = await regions.enrol(user, { admin: `admin_${randomHex()}` })
  expect((await regions.rotate(ids.from)).failure).toBeUndefined()
  return ids
}

const standing = ({ strategy, cutOff, ...loss }: Loss) =>
  [
    'state' in loss ? `${loss.when} ${loss.state}` : loss.when,
    strategy,
    ...(cutOff ? ['its standby cut off'] : []),
  ].join(', ')

test.for(losses.map(loss => [standing(loss), loss] as const))(
  'after a Region is lost %s, the other one serves the value that logs in, and rotates it',
  async ([, { strategy, found, cutOff, ...moment }]) => {
    captureOutput()
    await regions.startStandby()
    const ids = await enrol(strategy)
    await regions.standby.waitUntilCaughtUp()
    if (cutOff) await regions.standby.cutOff()
    await regions.rotateUntil(ids.from, moment)
    if (!cutOff) await regions.standby.waitUntilCaughtUp()
    await regions.loseFirstRegion()
    const labelled = await regions.labelledVersions(ids.here)
    await regions.standby.promote()

    const all = ids.adminHere ? 2 : 1
    const promotion = await regions.secondRegion.run('promote', randomUUID(), { from: LOST_REGION })
    expect(promotion.failure).toBeUndefined()
    expect(promotion.output).toMatchObject({
      ...{ count: all, unknown: 0, promoted: all },
      ...{ failed: { count: 0 }, warned: { count: 0 } },
    })
    const value = await servedHere(ids.here)
    const { value: known } = labelled.find(({ labels }) => labels.includes(found)) ?? {}
    const { host, port } = regions.standby
    expect(value).toEqual({ ...known, host, port })
    expect(await applicationHere(ids.here).canLogIn(value)).toBe(true)
    expect(await applicationHere(ids.here).read('pending')).toBeUndefined()

    const rotation = await regions.secondRegion.run('rotate', randomUUID(), {
      store: 'secrets-manager',
      id: ids.here,
    })
    expect(rotation.failure).toBeUndefined()
    const next = await servedHere(ids.here)
    expect(next.password).not.toBe(value.password)
    expect(await applicationHere(ids.here).canLogIn(next)).toBe(true)
  },
)

test('a lost Region that comes back does not rotate, and the promoted value is served as before', async () => {
  captureOutput()
  await regions.startStandby()
  const ids = await enrol('single user')
  await regions.rotateUntil(ids.from, { when: 'before', state: 'TestSecret' })
  await regions.standby.waitUntilCaughtUp()
  await regions.loseFirstRegion()
  await regions.standby.promote()
  expect(
    (await regions.secondRegion.run('promote', randomUUID(), { from: LOST_REGION })).output,
  ).toMatchObject({ promoted: 1 })
  const value = await servedHere(ids.here)

  await regions.bringBackFirstRegion()
  expect((await regions.rotate(ids.from)).failure?.error).toBe('PromotedElsewhere')
  expect(await servedHere(ids.here)).toEqual(value)
  expect(await applicationHere(ids.here).canLogIn(value)).toBe(true)
  const again = await regions.secondRegion.run('promote', randomUUID(), { from: LOST_REGION, lost: true })
  expect(again.output).toMatchObject({ count: 0, promoted: 0, failed: { count: 0 } })
  expect(await servedHere(ids.here)).toEqual(value)
})
