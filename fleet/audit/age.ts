import { latestGood } from '../records/record.ts'
import type { CredentialFacts } from './facts.ts'
import { isParameter } from './kind.ts'
import { known } from './known.ts'

/** When a value came to be, and by what that is known. */
export type Age = { at: string; by: 'table' | 'version' | 'last-rotated' | 'last-changed' }

const DAY = 86_400_000

/**
 * When the current value came to be: by the last rotation that the table has, unless something else has stored one since;
 * by the version's own date; or else by when the credential was last changed, which a tag does too. Undefined if it has no
 * value.
 * @throws UnreadFact
 */
export function ageOf(credential: CredentialFacts): Age | undefined {
  const good = latestGood(known(credential.history).rotations)
  const current = credential.current && { ...credential.current }
  // Parameter Store tells of its newest version, and of nothing else that changed.
  if (current && isParameter(credential)) current.by = 'version'
  if (!good) return current
  const table = { at: good.ended ?? good.began, by: 'table' } as const
  // What was made by that rotation was stored a while before its end.
  return current && current.by !== 'last-changed' && Date.parse(current.at) > Date.parse(table.at)
    ? current
    : table
}

/** Days between a time and a moment, rounded down. */
export const daysSince = (time: string, now: number): number => Math.floor((now - Date.parse(time)) / DAY)

/** By what an age is known, in words. */
export const sourceOf: Record<Age['by'], string> = {
  table: 'the table of rotations',
  version: "its version's own date",
  'last-rotated': 'Secrets Manager, as its last rotation',
  'last-changed': 'its last change of any kind, so its value may be older',
}
