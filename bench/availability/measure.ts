import { setTimeout as sleep } from 'node:timers/promises'
import type { Value } from '../../local/client/application.ts'
import type { Embedded } from '../../local/embedded/embedded.ts'
import type { StrategyName } from '../../rotation/strategies/names.ts'
import type { Query } from './queries.ts'
import { rotate } from './rotate.ts'
import { steadily } from './steadily.ts'

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
  rotations: number
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
  rotations: number
  /** Queries a second, each over a login of its own. */
  rate: number
  /** Milliseconds until the application reads the secret again of its own accord. */
  cached: number
  /** Milliseconds between what was replaced and its end; the application has to be told before. */
  grace: number
}

/** Rotates a secret again and again while an application uses it. */
export async function measureAvailability(
  embedded: Embedded,
  target: Target,
  settings: Settings,
): Promise<Availability> {
  const { strategy, server, secret } = target
  const { grace, cached } = settings
  let rotations = 0
  const observed = await observe(embedded, target, settings, async () => {
    for (let i = 0; i < settings.rotations; i++) {
      rotations += await rotate(embedded, { secret, grace })
      // A single user has no grace time to wait for.
      if (strategy === 'single-user') await sleep(cached / 10)
    }
  })
  return { strategy, server, rotations, ...observed }
}

/**
 * Has an application query at a steady rate while something is done. It has the usual cache: it reads the secret when that is
 * older than `cached`, and at once after a refused login.
 */
export async function observe(
  embedded: Embedded,
  { secret, query }: Target,
  { rate, cached }: Pick<Settings, 'rate' | 'cached'>,
  act: () => Promise<void>,
): Promise<Observed> {
  const found: Observed = { queries: 0, refused: 0, failed: 0, outages: [] }
  const read = async () => JSON.parse((await embedded.users.shelf.read(secret, 'current')) ?? '') as Value
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
      if (await query(await readSince(began - cached))) {
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

  const stop = steadily(rate, ask)
  try {
    await act()
  } finally {
    await stop()
  }
  return found
}
