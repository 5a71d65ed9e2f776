import { setTimeout as sleep } from 'node:timers/promises'
import type { StoredValue } from '../../local/client/application.ts'
import type { Embedded } from '../../local/embedded/embedded.ts'
import type { StrategyName } from '../../rotation/strategies/strategyNames.ts'
import type { Query } from './queries.ts'
import { repeatSteadily } from './repeatSteadily.ts'
import { rotateToEnd } from './rotate.ts'

/** A secret, and how an application uses it. */
export type Target = {
  strategy: StrategyName
  server: string
  secret: string
  query: Query
}

export type Availability = Observed & {
  strategy: StrategyName
  server: string
  /** Ended executions that went well; a temporary clone takes two for a change. */
  rotationCount: number
}

/** What an application has seen. */
type Observed = {
  queries: number
  /** Logins that the server refused, and queries that failed for another reason. */
  refused: number
  failed: number
  /** For each time that logins were refused, milliseconds from the first until one was served. */
  outages: number[]
}

export type Settings = {
  rotationCount: number
  /** Queries a second, each over a login of its own. */
  queriesPerSecond: number
  /** Milliseconds until the application reads the secret again of its own accord. */
  cacheMs: number
  /** Milliseconds between what was replaced and its end; the application has to be told before. */
  graceMs: number
}

/** Rotates a secret again and again while an application uses it. */
export async function measureAvailability(
  embedded: Embedded,
  target: Target,
  settings: Settings,
): Promise<Availability> {
  const { strategy, server, secret } = target
  const { graceMs, cacheMs } = settings
  let rotations = 0
  const observed = await observeApplication(embedded, target, settings, async () => {
    for (let i = 0; i < settings.rotationCount; i++) {
      rotations += await rotateToEnd(embedded, { secret, graceMs })
      // A single user has no grace time to wait for.
      if (strategy === 'single-user') await sleep(cacheMs / 10)
    }
  })
  return { strategy, server, rotationCount: rotations, ...observed }
}

/**
 * Has an application query at a steady rate while something is done. It has the usual cache: it reads the secret when that is
 * older than `cached`, and at once after a refused login.
 */
export async function observeApplication(
  embedded: Embedded,
  { secret, query }: Target,
  { queriesPerSecond, cacheMs }: Pick<Settings, 'queriesPerSecond' | 'cacheMs'>,
  act: () => Promise<void>,
): Promise<Observed> {
  const found: Observed = { queries: 0, refused: 0, failed: 0, outages: [] }
  const read = async () =>
    JSON.parse((await embedded.users.valueStore.read(secret, 'current')) ?? '') as StoredValue
  let value = read()
  let readAt = performance.now()
  let refusedSince: number | undefined

  /** Reads anew, once for all who find it stale. */
  const readSince = (moment: number) => {
    if (readAt <= moment) {
      readAt = performance.now()
      value = read()
    }
    return value
  }

  async function ask(): Promise<void> {
    const began = performance.now()
    found.queries++
    try {
      if (await query(await readSince(began - cacheMs))) {
        if (refusedSince !== undefined && began > refusedSince) {
          found.outages.push(performance.now() - refusedSince)
          refusedSince = undefined
        }
        return
      }
      found.refused++
      refusedSince ??= began
      await readSince(began)
    } catch {
      found.failed++
    }
  }

  const stop = repeatSteadily(queriesPerSecond, ask)
  try {
    await act()
  } finally {
    await stop()
  }
  return found
}
