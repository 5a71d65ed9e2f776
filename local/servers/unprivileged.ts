import { chownSync } from 'node:fs'
import { join } from 'node:path'

/** This is `nobody` on every Linux. */
const NOBODY_UID = 65534
const isRoot = process.getuid?.() === 0

/** What a command begins with whose program will not run as root; nothing where this is not root. */
export const unprivilegedCommand = isRoot
  ? ['setpriv', '--reuid', `${NOBODY_UID}`, '--regid', `${NOBODY_UID}`, '--clear-groups', '--']
  : []

/** Gives a folder, and what is named in it, to whom such a command runs as. */
export function giveToUnprivileged(folder: string, names: string[]): void {
  if (!isRoot) return
  for (const name of ['.', ...names]) chownSync(join(folder, name), NOBODY_UID, NOBODY_UID)
}
