import type { Pace } from '../pace.ts'
import { type Asking, type Kind, Unread } from './asking.ts'
import type { AuditClients } from './clients.ts'

/** What was found so far, by the name of each unit: a page, or what one call said of one credential. It is JSON. */
export type Units = {
  /** What was kept of a unit by an earlier try of the same audit, once. Undefined: it was not. */
  take(unit: string): unknown
  keep(unit: string, found: unknown): void
}

/** What every part of the gathering works with. */
export type Collector = {
  clients: AuditClients
  asking: Asking
  pace: Pace
  units: Units
  /** Tells that so many more pages of lists, or answers about one credential, are there. */
  advance(what: 'page' | 'answer', count: number): void
}

/** A unit as it was kept, or else as it is found now, which is kept. @throws what `find` throws */
export async function unit<Found>(
  { units }: Pick<Collector, 'units'>,
  name: string,
  find: () => Promise<Found>,
): Promise<Found> {
  const kept = units.take(name)
  if (kept !== undefined) return (kept as { found: Found }).found
  const found = await find()
  units.keep(name, { found })
  return found
}

/**
 * A unit that is what one call says of something. With `absent` that is what it says of what does not exist.
 * @throws as Asking.ask
 */
export const askOnce = <Found>(
  { asking, units }: Pick<Collector, 'asking' | 'units'>,
  kind: Kind,
  about: string,
  call: () => Promise<Found>,
  absent?: Found,
): Promise<Found> =>
  unit({ units }, `${kind.operation} ${about}`, () =>
    asking.ask(kind, call).catch(error => {
      if (absent !== undefined && error instanceof Unread && error.absent) return absent
      throw error
    }),
  )
