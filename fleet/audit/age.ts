import { currentIn } from '../pending.ts'
import { isCurrent } from '../records/edit.ts'
import { latestGood } from '../records/record.ts'
import type { CredentialFacts, EditFacts } from './facts.ts'
import { isParameter } from './kind.ts'
import { known } from './known.ts'

/** When a value came to be, and by what that is known. */
export type Age = { at: string; by: 'table' | 'version' | 'last-rotated' | 'last-changed' }

const DAY = 86_400_000

/**
 * When the current password came to be: as `storedOf`, but that a version which an edit made counts as the one that it replaced.
 * @throws UnreadFact
 */
export function ageOf(credential: CredentialFacts): Age | undefined {
  const edit = editIn(credential)
  const since = edit && ({ at: edit.passwordSince, by: 'table' } as const)
  return latestOf(credential, since ?? storedIn(credential))
}

/** The edit that made the current version, if one did. @throws UnreadFact */
export function editIn(credential: CredentialFacts): EditFacts | undefined {
  const { edit } = known(credential.history)
  const current = isParameter(credential)
    ? { at: credential.changed }
    : { version: currentIn(credential.labels) ?? '' }
  return edit && isCurrent(edit, current) ? edit : undefined
}

/**
 * When the current value was stored, from which schedules count: by the last rotation that the table has, unless something else
 * has stored one since; by the version's own date; or else by when the credential was last changed, which a tag does too.
 * Undefined if it has no value.
 * @throws UnreadFact
 */
export const storedOf = (credential: CredentialFacts): Age | undefined =>
  latestOf(credential, storedIn(credential))

/** Parameter Store tells of its newest version, and of nothing else that changed. */
const storedIn = (credential: CredentialFacts): Age | undefined =>
  credential.current && {
    ...credential.current,
    ...(isParameter(credential) && { by: 'version' as const }),
  }

function latestOf({ history }: CredentialFacts, current: Age | undefined): Age | undefined {
  const good = latestGood(known(history).rotations)
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
