import { chownSync } from 'node:fs'
import { join } from 'node:path'

/** The user `nobody` of Debian and most Linux distributions. */
const NOBODY_UID = 65534
const isRoot = process.getuid?.() === 0

/** Prefix of a command whose program refuses to run as root. Empty if this process does not run as root. */
export const unprivilegedCommand = isRoot
  ? ['setpriv', '--reuid', `${NOBODY_UID}`, '--regid', `${NOBODY_UID}`, '--clear-groups', '--']
  : []

/** Makes `nobody` the owner of a folder and of these files in it, if this process runs as root. */
export function giveToUnprivileged(folder: string, names: string[]): void {
  if (!isRoot) return
  for (const name of ['.', ...names]) chownSync(join(folder, name), NOBODY_UID, NOBODY_UID)
}
