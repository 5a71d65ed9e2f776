import type { RateLimiter } from '../rateLimiter.ts'
import { type AwsCall, type AwsReader, ReadFailed } from './awsReader.ts'
import type { AuditClients } from './clients.ts'

/** What was found so far, by the name of each unit: a page, or what one call said of one credential. It is JSON. */
export type KeptAnswers = {
  /** What was kept of a unit by an earlier try of the same audit, once. Undefined: it was not. */
  take(unit: string): unknown
  keep(unit: string, found: unknown): void
}

/** What every part of the gathering works with. */
export type Collector = {
  clients: AuditClients
  reader: AwsReader
  rateLimiter: RateLimiter
  keptAnswers: KeptAnswers
  /** Tells that so many more pages of lists, or answers about one credential, are there. */
  reportProgress(what: 'page' | 'answer', count: number): void
}

/** A unit as it was kept, or else as it is found now, which is kept. @throws what `find` throws */
export async function readOnce<Found>(
  { keptAnswers }: Pick<Collector, 'keptAnswers'>,
  name: string,
  find: () => Promise<Found>,
): Promise<Found> {
  const kept = keptAnswers.take(name)
  if (kept !== undefined) return (kept as { found: Found }).found
  const found = await find()
  keptAnswers.keep(name, { found })
  return found
}

/**
 * A unit that is what one call says of something. With `absent` that is what it says of what does not exist.
 * @throws as Asking.ask
 */
export const askOnce = <Found>(
  { reader, keptAnswers }: Pick<Collector, 'reader' | 'keptAnswers'>,
  kind: AwsCall,
  about: string,
  call: () => Promise<Found>,
  absent?: Found,
): Promise<Found> =>
  readOnce({ keptAnswers }, `${kind.operation} ${about}`, () =>
    reader.read(kind, call).catch(error => {
      if (absent !== undefined && error instanceof ReadFailed && error.absent) return absent
      throw error
    }),
  )
