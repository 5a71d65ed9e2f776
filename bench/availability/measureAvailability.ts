import { setTimeout as sleep } from 'node:timers/promises'
import type { StoredValue } from '../../local/client/application.ts'
import { repeatSteadily } from '../../local/client/repeatSteadily.ts'
import type { Embedded } from '../../local/embedded/embedded.ts'
import type { StrategyName } from '../../rotation/strategies/strategyNames.ts'
import type { Query } from './queries.ts'
import { rotateToEnd } from './rotate.ts'

/** A secret, and the query with which an application uses it. */
export type Target = {
  strategy: StrategyName
  /** Name and version of the server. */
  server: string
  /** ARN of the secret. */
  secret: string
  query: Query
}

/** What an application saw while its credential rotated. */
export type Availability = Observed & {
  strategy: StrategyName
  server: string
  /** How many executions succeeded. A rotation by a temporary clone has two. */
  executionCount: number
}

/** What an application saw. */
type Observed = {
  queries: number
  /** How many logins the server refused. */
  refused: number
  /** How many queries failed for another reason. */
  failed: number
  /** Milliseconds of each outage, from the start of its first refused query until a later one was answered. */
  outages: number[]
}

/** How an application behaves, and how often its credential rotates. */
export type Settings = {
  rotationCount: number
  /** How many queries the application makes each second, each over a login of its own. */
  queriesPerSecond: number
  /** After so many milliseconds the application reads the secret again. */
  cacheMs: number
  /** The grace time in milliseconds. It must be longer than `cacheMs`. */
  graceMs: number
}

/** Rotates a secret several times while an application uses it. @throws Error if a rotation fails */
export async function measureAvailability(
  embedded: Embedded,
  target: Target,
  settings: Settings,
): Promise<Availability> {
  const { strategy, server, secret } = target
  const { graceMs, cacheMs } = settings
  let executionCount = 0
  const observed = await observeApplication(embedded, target, settings, async () => {
    for (let i = 0; i < settings.rotationCount; i++) {
      executionCount += await rotateToEnd(embedded, { secret, graceMs })
      // A rotation of a single user has no grace time, so the next one would follow at once. The pause lets one outage end before the
      // next begins. A tenth of the cache time suffices for that, as the application reads the secret at once after a refused login.
      if (strategy === 'single-user') await sleep(cacheMs / 10)
    }
  })
  return { strategy, server, executionCount, ...observed }
}

/**
 * Has an application query at a steady rate while `act` runs. The application caches the secret: it reads the secret again when the
 * cached value is older than `cacheMs`, and at once after a refused login.
 */
export async function observeApplication(
  embedded: Embedded,
  { secret, query }: Target,
  { queriesPerSecond, cacheMs }: Pick<Settings, 'queriesPerSecond' | 'cacheMs'>,
  act: () => Promise<void>,
): Promise<Observed> {
  const observed: Observed = { queries: 0, refused: 0, failed: 0, outages: [] }
  const read = async () =>
    JSON.parse((await embedded.users.valueStore.read(secret, 'current')) ?? '') as StoredValue
  let value = read()
  let readAt = performance.now()
  let refusedSince: number | undefined

  /** The cached value if it was read after this time, or else a new one, which is read once for all queries that need it. */
  const readSince = (time: number) => {
    if (readAt <= time) {
      readAt = performance.now()
      value = read()
    }
    return value
  }

  async function queryOnce(): Promise<void> {
    const began = performance.now()
    observed.queries++
    try {
      const isLoggedIn = await query(await readSince(began - cacheMs))
      if (isLoggedIn) {
        // An answer to a query that began before the refused one does not end the outage.
        if (refusedSince !== undefined && began > refusedSince) {
          observed.outages.push(performance.now() - refusedSince)
          refusedSince = undefined
        }
        return
      }
      observed.refused++
      refusedSince ??= began
      await readSince(began)
    } catch {
      observed.failed++
    }
  }

  const stop = repeatSteadily(queriesPerSecond, queryOnce)
  try {
    await act()
  } finally {
    await stop()
  }
  return observed
}
