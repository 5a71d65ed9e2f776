import { escapeIdentifier } from 'pg'
import { DatabaseFailed } from '../../errors.ts'

/** What one user may do with one object: each privilege as GRANT names it, and whether the user may grant it to others. */
export type Privileges = Map<string, boolean>

/** The grantee that stands for every user. */
export const PUBLIC = 'public'

/**
 * The privileges by their letters in an ACL. RULE (R) and TRIGGER (t) are left out, as Redshift cannot grant them
 * (https://docs.aws.amazon.com/redshift/latest/dg/r_GRANT.html).
 */
const PRIVILEGE_NAMES: Record<string, string> = {
  r: 'select',
  a: 'insert',
  w: 'update',
  d: 'delete',
  x: 'references',
  D: 'drop',
  P: 'truncate',
  A: 'alter',
  X: 'execute',
  U: 'usage',
  C: 'create',
  T: 'temp',
}

/** The privileges of these letters, without the grant option. */
export const privilegesOf = (letters: string): Privileges =>
  new Map([...letters].map(letter => [PRIVILEGE_NAMES[letter] ?? '', false]))

const QUOTED_NAME = '"(?:[^"]|"")*"'
const ACL_ITEM = new RegExp(`^(group )?(${QUOTED_NAME}|[^="/]*)=([a-zA-Z*]*)/(?:${QUOTED_NAME}|.*)$`)

/**
 * Reads an ACL with one item a line, such as `app=r*w/admin`, `group "the readers"=r/admin` or, for PUBLIC, `=X/admin`. The
 * letters between `=` and `/` are privileges; a `*` after a letter is the grant option.
 * @throws DatabaseFailed if an item has another format: a clone without that grant would differ unnoticed
 */
export function readAcl(acl: string): { grantee: string; letters: string }[] {
  return acl
    .split('\n')
    .filter(item => item)
    .map(item => {
      const [, group, name, letters] = ACL_ITEM.exec(item) ?? []
      if (name === undefined || letters === undefined) throw new DatabaseFailed('an ACL is not understood')
      const bare = name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name
      const quoted = bare === '' ? PUBLIC : escapeIdentifier(bare)
      return { grantee: group ? `group ${quoted}` : quoted, letters }
    })
}

/** The privileges of the letters of an ACL item, each with its grant option. @throws DatabaseFailed if a letter is unknown */
export function readPrivilegeLetters(letters: string): Privileges {
  const found: Privileges = new Map()
  for (const [, letter = '', option] of letters.matchAll(/(.)(\*?)/g)) {
    if ('Rt'.includes(letter)) continue
    const privilege = PRIVILEGE_NAMES[letter]
    if (!privilege) throw new DatabaseFailed(`the privilege ${letter} in an ACL is not understood`)
    found.set(privilege, option === '*')
  }
  return found
}
