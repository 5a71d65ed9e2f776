import type { RateLimiter } from '../rateLimiter.ts'
import { type AwsCall, type AwsReader, ReadFailed } from './awsReader.ts'
import type { AuditClients } from './clients.ts'

/**
 * The answers that a stopped audit keeps, so that it can be resumed without asking again. Each is a page of a list, or the answer
 * to one call about one credential, and has a name: the `unit`. Answers can be stored as JSON.
 */
export type KeptAnswers = {
  /** The answer that an earlier try has kept under this name; undefined if there is none, or it was taken already. */
  take(unit: string): unknown
  keep(unit: string, found: unknown): void
}

/** What every part of the gathering uses. */
export type Collector = {
  clients: AuditClients
  reader: AwsReader
  rateLimiter: RateLimiter
  keptAnswers: KeptAnswers
  /** Reports that so many further pages of lists, or answers about single credentials, have been read. */
  reportProgress(what: 'page' | 'answer', count: number): void
}

/** The kept answer of this name, or else what `find` gives, which is kept then. @throws what `find` throws */
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
 * The answer to one call about one thing: the kept one, or else that of the call, which is kept then.
 * @param about the thing, such as an ARN, for the name of the kept answer
 * @param absent the answer to keep if the thing does not exist; without it, a ReadFailed is thrown then
 * @throws ReadFailed; an error that ends the audit
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
      if (absent !== undefined && error instanceof ReadFailed && error.isAbsent) return absent
      throw error
    }),
  )
