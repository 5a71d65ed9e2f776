import { isEditCurrent } from '../records/editRecord.ts'
import { latestSuccess } from '../records/rotationRecord.ts'
import { currentVersionIn } from '../versionLabels.ts'
import { isParameter } from './credentialKind.ts'
import type { CredentialFacts, EditFacts } from './facts.ts'
import { requireKnown } from './knownFact.ts'

/** When a value came to be, and by what that is known. */
export type ValueAge = { at: string; by: 'table' | 'version' | 'last-rotated' | 'last-changed' }

const DAY_MS = 86_400_000

/**
 * When the current password came to be: as `valueAgeOf`, but that a version which an edit made counts as the one that it replaced.
 * @throws UnreadFact
 */
export function passwordAgeOf(credential: CredentialFacts): ValueAge | undefined {
  const edit = editIn(credential)
  const since = edit && ({ at: edit.passwordSince, by: 'table' } as const)
  return latestOf(credential, since ?? storedIn(credential))
}

/** The edit that made the current version, if one did. @throws UnreadFact */
export function editIn(credential: CredentialFacts): EditFacts | undefined {
  const { edit } = requireKnown(credential.history)
  const current = isParameter(credential)
    ? { at: credential.changed }
    : { version: currentVersionIn(credential.labels) ?? '' }
  return edit && isEditCurrent(edit, current) ? edit : undefined
}

/**
 * When the current value was stored, from which schedules count: by the last rotation that the table has, unless something else
 * has stored one since; by the version's own date; or else by when the credential was last changed, which a tag does too.
 * Undefined if it has no value.
 * @throws UnreadFact
 */
export const valueAgeOf = (credential: CredentialFacts): ValueAge | undefined =>
  latestOf(credential, storedIn(credential))

/** Parameter Store tells of its newest version, and of nothing else that changed. */
const storedIn = (credential: CredentialFacts): ValueAge | undefined =>
  credential.current && {
    ...credential.current,
    ...(isParameter(credential) && { by: 'version' as const }),
  }

function latestOf({ history }: CredentialFacts, current: ValueAge | undefined): ValueAge | undefined {
  const good = latestSuccess(requireKnown(history).rotations)
  if (!good) return current
  const table = { at: good.ended ?? good.began, by: 'table' } as const
  // What was made by that rotation was stored a while before its end.
  return current && current.by !== 'last-changed' && Date.parse(current.at) > Date.parse(table.at)
    ? current
    : table
}

/** Days between a time and a moment, rounded down. */
export const daysSince = (time: string, now: number): number => Math.floor((now - Date.parse(time)) / DAY_MS)

/** By what an age is known, in words. */
export const AGE_SOURCES: Record<ValueAge['by'], string> = {
  table: 'the table of rotations',
  version: "its version's own date",
  'last-rotated': 'Secrets Manager, as its last rotation',
  'last-changed': 'its last change of any kind, so its value may be older',
}
