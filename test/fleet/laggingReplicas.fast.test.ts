import { describe, expect, test } from 'vitest'
import type { ScheduledCredential } from '../../fleet/inventory.ts'
import { isDailyReplicaCheck, LaggingReplicas, type RegionAccess } from '../../fleet/laggingReplicas.ts'
import { Throttled } from '../../rotation/errors.ts'
import type { Description } from '../../rotation/stores/store.ts'

const now = new Date('2026-11-21T10:00:00Z')
const secrets = (count: number): ScheduledCredential[] =>
  Array.from({ length: count }, (_, n) => ({
    store: 'secrets-manager',
    id: `shop/${n}`,
    tags: {},
    currentSince: new Date(0),
  }))
const described = (current: string): Description => ({
  arn: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/0-AbCdEf',
  current,
  pending: undefined,
  previous: undefined,
  tags: {},
  replicas: ['us-east-1', 'eu-central-1'].map(region => ({ region, status: 'InSync' })),
})
/** @returns the secret's ARN in another Region */
const copy = (current: string): Description => ({ ...described(current), primaryRegion: 'eu-west-1' })
/** Makes Regions that give these answers. */
const regions = (ask: (region: string) => Promise<Description | undefined>): RegionAccess => ({
  describe: async () => described('new'),
  askRegionFor: () => ask,
  peers: ['us-east-1', 'eu-central-1'],
})

test('a Region that does not answer is waited for once in a run', async () => {
  const asked: string[] = []
  const replicas = new LaggingReplicas(
    regions(async region => {
      asked.push(region)
      if (region === 'eu-central-1') return copy('new')
      await new Promise(resolve => setTimeout(resolve, 1_600))
      throw new Throttled('Secrets Manager: TimeoutError')
    }),
    Number.POSITIVE_INFINITY,
  )
  const lags = await replicas.find(secrets(200), now)
  expect(lags.size).toBe(200)
  expect(new Set(lags.values().map(({ reason }) => reason))).toEqual(
    new Set(['us-east-1 cannot be asked: Secrets Manager: TimeoutError']),
  )
  expect(asked.filter(region => region === 'us-east-1')).toHaveLength(50)
  expect(asked.filter(region => region === 'eu-central-1')).toHaveLength(200)
})

test('a Region that failed at once is asked again', async () => {
  let left = 3
  const replicas = new LaggingReplicas(
    regions(async () => {
      if (left-- > 0) throw new Throttled('Secrets Manager: ThrottlingException')
      return copy('new')
    }),
    Number.POSITIVE_INFINITY,
  )
  expect((await replicas.find(secrets(100), now)).size).toBeLessThanOrEqual(3)
})

test('an answer that is not the service’s, as of a firewall, only affects secrets with that Region', async () => {
  const replicas = new LaggingReplicas(
    regions(() => Promise.reject(new SyntaxError('Unexpected token <html>'))),
    Number.POSITIVE_INFINITY,
  )
  const lags = [...(await replicas.find(secrets(1), now)).values()]
  expect(lags).toEqual([
    { reason: expect.stringMatching(/ cannot be asked: SyntaxError$/), blocksRotation: true },
  ])
})

test('a secret of its own in a Region was promoted there, and blocks the rotation, also if a version is pending', async () => {
  for (const pending of [undefined, 'left']) {
    const own = regions(async region => (region === 'us-east-1' ? described('new') : copy('new')))
    own.describe = async () => ({ ...described('new'), pending, replicas: [] })
    const lags = await new LaggingReplicas(own, Number.POSITIVE_INFINITY).find(secrets(1), now)
    expect([...lags.values()]).toEqual([
      { reason: expect.stringContaining('stands alone in us-east-1'), blocksRotation: true, promoted: true },
    ])
  }
})

test('an unknown error is thrown', async () => {
  const own = regions(async () => undefined)
  own.describe = () => Promise.reject(new TypeError('no'))
  await expect(new LaggingReplicas(own, Number.POSITIVE_INFINITY).find(secrets(1), now)).rejects.toThrow(
    TypeError,
  )
})

test('parameters are never checked, and nothing is after the time limit', async () => {
  const never = regions(() => Promise.reject(new Error('nobody asks')))
  never.describe = () => Promise.reject(new Error('nobody asks'))
  const parameters = secrets(3).map(secret => ({ ...secret, store: 'parameter-store' }) as const)
  expect(await new LaggingReplicas(never, Number.POSITIVE_INFINITY).find(parameters, now)).toEqual(new Map())
  expect(await new LaggingReplicas(never, performance.now() - 1).find(secrets(3), now)).toEqual(new Map())
})

describe('once a day', () => {
  const minute = 60_000
  /** @returns which runs of a day check all replicas, if each begins so many milliseconds late */
  const looks = (interval: number, lateness: (run: number) => number) => {
    const midnight = Date.parse('2026-11-21T00:00:00Z')
    const runs = Array.from({ length: (24 * 60 * minute) / interval }, (_, n) => n)
    return runs.filter(n => isDailyReplicaCheck(new Date(midnight + n * interval + lateness(n)), interval))
      .length
  }
  test.each([1, 15, 60])('every %i minutes: each day has a run that looks, and few do', minutes => {
    const interval = minutes * minute
    for (const late of [0, 3_000, interval / 2, interval - 1]) {
      expect(looks(interval, () => late)).toBeGreaterThanOrEqual(1)
      expect(looks(interval, () => late)).toBeLessThanOrEqual(2)
      expect(looks(interval, run => (run % 2 ? late : 0))).toBeGreaterThanOrEqual(1)
    }
  })
})
