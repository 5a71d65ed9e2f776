import { DAY_MS } from '../../rotation/timeUnits.ts'
import { isEditCurrent } from '../records/editRecord.ts'
import { latestSuccess } from '../records/rotationRecord.ts'
import { currentVersionIn } from '../versionLabels.ts'
import { isParameter } from './credentialKind.ts'
import type { CredentialFacts, EditFacts } from './facts.ts'
import { requireKnown } from './knownFact.ts'

/** When a value was stored, in ISO 8601, and where that date comes from: AGE_SOURCES says in words what `by` means. */
export type ValueAge = { at: string; by: 'table' | 'version' | 'last-rotated' | 'last-changed' }

/**
 * When the current password was stored. It is as valueAgeOf, except for a version that an edit made: such a version has the
 * password of the one that it replaced, so that one's date counts.
 * @returns undefined if the credential has no value
 * @throws UnreadFact
 */
export function passwordAgeOf(credential: CredentialFacts): ValueAge | undefined {
  const edit = editIn(credential)
  const since = edit && ({ at: edit.passwordSince, by: 'table' } as const)
  return latestOf(credential, since ?? storedIn(credential))
}

/** The edit that made the current version, if the version comes from an edit. @throws UnreadFact */
export function editIn(credential: CredentialFacts): EditFacts | undefined {
  const { edit } = requireKnown(credential.history)
  const current = isParameter(credential)
    ? { at: credential.changed }
    : { version: currentVersionIn(credential.labels) ?? '' }
  return edit && isEditCurrent(edit, current) ? edit : undefined
}

/**
 * When the current value was stored. Schedules count from this date. It is the end of the last successful rotation in the table,
 * unless a value was stored since; or else Secrets Manager's date of the last rotation; or else the version's own date; or else
 * the date of the credential's last change of any kind.
 * @returns undefined if the credential has no value
 * @throws UnreadFact
 */
export const valueAgeOf = (credential: CredentialFacts): ValueAge | undefined =>
  latestOf(credential, storedIn(credential))

/** The date that the store has. A parameter's date is that of its newest version, as no other change of a parameter sets it. */
const storedIn = (credential: CredentialFacts): ValueAge | undefined =>
  credential.current && {
    ...credential.current,
    ...(isParameter(credential) && { by: 'version' as const }),
  }

/** The end of the last successful rotation in the table, or `current` if that is the date of a later value. @throws UnreadFact */
function latestOf({ history }: CredentialFacts, current: ValueAge | undefined): ValueAge | undefined {
  const success = latestSuccess(requireKnown(history).rotations)
  if (!success) return current
  const table = { at: success.ended ?? success.began, by: 'table' } as const
  // The value of that rotation was stored before the rotation ended: a later date is that of another value.
  return current && current.by !== 'last-changed' && Date.parse(current.at) > Date.parse(table.at)
    ? current
    : table
}

/** The days from a time in ISO 8601 until `now` in milliseconds since 1970, rounded down. */
export const daysSince = (time: string, now: number): number => Math.floor((now - Date.parse(time)) / DAY_MS)

/** Where the date of a value comes from, in words. */
export const AGE_SOURCES: Record<ValueAge['by'], string> = {
  table: 'the table of rotations',
  version: "its version's own date",
  'last-rotated': 'Secrets Manager, as its last rotation',
  'last-changed': 'its last change of any kind, so its value may be older',
}
