import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Application, type Value } from '../../local/client/application.ts'
import { from, type Ids, type Moment, TwoRegions } from '../../local/drill/twoRegions.ts'
import { hex } from '../../local/servers/postgresDatabase.ts'
import { captureOutput } from '../support/observe.ts'

let regions: TwoRegions
beforeAll(async () => {
  regions = await TwoRegions.start()
})
afterAll(() => regions?.stop())
afterEach(() => regions.bringBack())

type Strategy = 'single user' | 'alternating users'
type Loss = Moment & {
  strategy: Strategy
  /** The label that the version that logs in had; with several that do, the one that comes first. */
  found: 'current' | 'previous' | 'pending'
  /** The standby hears of nothing that the rotation does. */
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
  new Application(regions.shelves.here, id, regions.embedded.postgres.caFile)
const servedHere = async (id: string) => (await applicationHere(id).read()) as Value

/** A user and its secret; alternating ones have been rotated before, so that there is a user before. */
async function enrol(strategy: Strategy): Promise<Ids> {
  const user = `app_${hex()}`
  if (strategy === 'single user') return regions.enrol(user)
  const ids = await regions.enrol(user, { admin: `admin_${hex()}` })
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
  'a Region that is lost %s: the value that logs in is served in the other one, and rotates there',
  async ([, { strategy, found, cutOff, ...moment }]) => {
    captureOutput()
    await regions.follow()
    const ids = await enrol(strategy)
    await regions.standby.caughtUp()
    if (cutOff) await regions.standby.cutOff()
    await regions.rotateUntil(ids.from, moment)
    if (!cutOff) await regions.standby.caughtUp()
    await regions.lose()
    const labelled = await regions.labelled(ids.here)
    await regions.standby.promote()

    const all = ids.adminHere ? 2 : 1
    const promotion = await regions.second.run('promote', randomUUID(), { from })
    expect(promotion.failure).toBeUndefined()
    expect(promotion.output).toMatchObject({
      ...{ count: all, unknown: 0, promoted: all },
      ...{ failed: { count: 0 }, warned: { count: 0 } },
    })
    const value = await servedHere(ids.here)
    const { value: known } = labelled.find(({ labels }) => labels.includes(found)) ?? {}
    const { host, port } = regions.standby
    expect(value).toEqual({ ...known, host, port })
    expect(await applicationHere(ids.here).accepts(value)).toBe(true)
    expect(await applicationHere(ids.here).read('pending')).toBeUndefined()

    const rotation = await regions.second.run('rotate', randomUUID(), {
      store: 'secrets-manager',
      id: ids.here,
    })
    expect(rotation.failure).toBeUndefined()
    const next = await servedHere(ids.here)
    expect(next.password).not.toBe(value.password)
    expect(await applicationHere(ids.here).accepts(next)).toBe(true)
  },
)

test('the Region that was lost comes back: it may not rotate, and what was promoted is served as before', async () => {
  captureOutput()
  await regions.follow()
  const ids = await enrol('single user')
  await regions.rotateUntil(ids.from, { when: 'before', state: 'TestSecret' })
  await regions.standby.caughtUp()
  await regions.lose()
  await regions.standby.promote()
  expect((await regions.second.run('promote', randomUUID(), { from })).output).toMatchObject({ promoted: 1 })
  const value = await servedHere(ids.here)

  await regions.bringBack()
  expect((await regions.rotate(ids.from)).failure?.error).toBe('PromotedElsewhere')
  expect(await servedHere(ids.here)).toEqual(value)
  expect(await applicationHere(ids.here).accepts(value)).toBe(true)
  const again = await regions.second.run('promote', randomUUID(), { from, lost: true })
  expect(again.output).toMatchObject({ count: 0, promoted: 0, failed: { count: 0 } })
  expect(await servedHere(ids.here)).toEqual(value)
})
