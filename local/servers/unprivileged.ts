import { chownSync } from 'node:fs'
import { join } from 'node:path'

/** This is `nobody` on every Linux. */
const NOBODY = 65534
const isRoot = process.getuid?.() === 0

/** What a command begins with whose program will not run as root; nothing where this is not root. */
export const unprivileged = isRoot
  ? ['setpriv', '--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups', '--']
  : []

/** Gives a folder, and what is named in it, to whom such a command runs as. */
export function own(folder: string, names: string[]): void {
  if (!isRoot) return
  for (const name of ['.', ...names]) chownSync(join(folder, name), NOBODY, NOBODY)
}
