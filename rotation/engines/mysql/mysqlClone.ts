import { NotAClone } from '../notAClone.ts'
import { type Account, type AccountSyntax, type Grant, quoteText } from './mysqlAccount.ts'

/** One statement that changes an account, and what it changes, which decides the privileges that the statement needs. */
export type AccountChange = { sql: string } & (
  | { about: 'account' | 'default roles' }
  | { about: 'grant' | 'revoke'; privileges: string[]; on: string | undefined }
)

/**
 * The statements that make the clone equal to the user; none if the two are equal. If a call stops after any of them, the next
 * call continues from there. The clone loses only privileges that the user does not have, with three exceptions, which it lacks
 * for a moment: what has to be revoked to be granted without WITH GRANT OPTION or WITH ADMIN OPTION, what ALL PRIVILEGES stood
 * for, and what the user has by a role that the clone gets only after its privileges.
 * @throws NotAClone if the clone is not this user's clone
 */
export function syncChanges(syntax: AccountSyntax, user: Account, clone: Account): AccountChange[] {
  requireClone(user, clone, false)
  const roles = grantChanges(user, clone, true)
  return [
    ...clauseStatements(user, clone).map((sql): AccountChange => ({ sql, about: 'account' })),
    ...grantChanges(user, clone, false),
    ...roles,
    // A role that is revoked to be granted without its option also stops being a default role.
    ...((roles.some(({ about }) => about === 'revoke') && user.defaultRoles.length) ||
    String(user.defaultRoles) !== String(clone.defaultRoles)
      ? [
          {
            sql: syntax.defaultRolesStatement(clone.name, user.defaultRoles),
            about: 'default roles',
          } as const,
        ]
      : []),
    ...restrictionChanges(user, clone),
  ]
}

/** The SQL of syncChanges. */
export const syncStatements = (...accounts: Parameters<typeof syncChanges>): string[] =>
  syncChanges(...accounts).map(({ sql }) => sql)

/**
 * Checks that an account with the clone's name is the user's clone: if it has privileges, it must share one with the user. It
 * shares none by ALL PRIVILEGES on the whole server, unless the user has them too. An unrelated account of that name must not get
 * the password that goes into the secret.
 * @param isProvenByClone Whether the login that proved the secret (see adminSession.ts) was the clone's, because the user is to
 *   be opened or closed, and the clone is the current one. Then a clone without any privilege is refused too, unless the user has
 *   none either.
 * @throws NotAClone
 */
export function requireClone(user: Account, clone: Account, isProvenByClone: boolean): void {
  const grantsOf = ({ grants }: Account) => [...grants].filter(([, { privileges }]) => privileges.size)
  const cloneGrants = grantsOf(clone)
  const shared = cloneGrants.some(
    ([key, grant]) => sharesPrivilege(user, key, grant) || sharesDatabase(user, grant),
  )
  if ((cloneGrants.length || (isProvenByClone && grantsOf(user).length)) && !shared)
    throw new NotAClone(
      `${clone.name} exists but is no clone of ${user.name}: none of the user's privileges is its; rename it`,
    )
}

function sharesPrivilege(user: Account, key: string, grant: Grant): boolean {
  const own = user.grants.get(key)
  if (!own) return false
  // An account with all privileges on the whole server is not the clone of a user without them.
  const all = hasPrivilege(own, ALL_PRIVILEGES) || (hasPrivilege(grant, ALL_PRIVILEGES) && key !== '*.*')
  return all || !own.privileges.isDisjointFrom(grant.privileges)
}

/** Whether the user has a privilege of this grant on the whole database: a clone that is half done may have it on a table. */
function sharesDatabase(user: Account, { on = '', privileges }: Grant): boolean {
  const name = DATABASE_OF_OBJECT.exec(on)?.[1]
  if (!name) return false
  const bare = [...privileges].map(one => one.replace(/ \(.*/, ''))
  return [...user.grants.values()].some(
    own =>
      // A database's name in a grant is a pattern, in which a backslash escapes `_` and `%`.
      own.on?.replaceAll('\\', '') === `${name}.*` &&
      (hasPrivilege(own, ALL_PRIVILEGES) ||
        bare.some(one => hasPrivilege(own, one) || one === ALL_PRIVILEGES)),
  )
}

/** Matches the object of a grant on a table, view or routine, and captures its database, quoted. */
const DATABASE_OF_OBJECT = /^(?:[A-Z ]+ )?(`(?:[^`]|``)*`)\.`/

function clauseStatements(user: Account, clone: Account): string[] {
  const keys = ['require', 'limits', 'expire', 'history', 'reuse', 'current', 'attempts', 'lockTime']
  const wanted = keys.map(key => user.clauses[key] ?? '').filter(clause => clause)
  const present = keys.map(key => clone.clauses[key] ?? '').filter(clause => clause)
  // MySQL still shows an interval after DEFAULT was set, unless NEVER is set in between.
  const interval = user.clauses.expire?.endsWith('DEFAULT') && clone.clauses.expire?.includes('INTERVAL')
  return [
    ...(interval ? [`alter user ${clone.name} password expire never`] : []),
    ...(String(wanted) === String(present) ? [] : [`alter user ${clone.name} ${wanted.join(' ')}`]),
    ...attributeStatements(user, clone),
  ]
}

/**
 * The statements that give the clone the user's attributes. ALTER USER merges JSON into the attributes that there are, also in
 * nested objects, and does not replace 1.0 by 1. So every key that differs is first removed, by null.
 */
function attributeStatements(user: Account, clone: Account): string[] {
  const [wanted, present] = [user.attributes, clone.attributes]
  if (canonicalJson(wanted) === canonicalJson(present)) return []
  const alter = (attributes: object) =>
    `alter user ${clone.name} attribute ${quoteText(JSON.stringify(attributes))}`
  const differs = (key: string) => JSON.stringify(wanted[key]) !== JSON.stringify(present[key])
  const removed = Object.keys(present).filter(differs)
  return [
    ...(removed.length ? [alter(Object.fromEntries(removed.map(key => [key, null])))] : []),
    ...(Object.keys(wanted).some(differs) ? [alter(wanted)] : []),
  ]
}

const canonicalJson = (attributes: Record<string, unknown>) =>
  JSON.stringify(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)))

/**
 * The statements that give the clone the user's roles if `roles`, else the user's other grants. Grants come before revokes where
 * the server allows that, as somebody may be using the clone: sessions that were open before, applications within the last grace
 * time, or a newer rotation.
 */
function grantChanges(user: Account, clone: Account, roles: boolean): AccountChange[] {
  const keys = [...user.grants.keys(), ...clone.grants.keys()]
  const none = { privileges: new Set<string>(), option: false }
  const pairs = [...new Set(keys)]
    .map(key => {
      const known = user.grants.get(key) ?? clone.grants.get(key)
      const { on, separate } = known as Grant
      return { on, separate, wanted: user.grants.get(key) ?? none, present: clone.grants.get(key) ?? none }
    })
    .filter(({ on }) => (on === undefined) === roles)
  return [
    ...pairs.flatMap(({ on, separate, wanted, present }) => {
      const missing = !wanted.privileges.isSubsetOf(present.privileges)
      // A privilege with its own option loses the option only if it is revoked and granted again.
      const losesOption = separate && present.option && !wanted.option && wanted.privileges.size > 0
      const losesAll = losesAllPrivileges(wanted, present)
      return [
        ...(losesOption || losesAll
          ? [revokeChange(clone, [...(losesAll ? [ALL_PRIVILEGES] : present.privileges)], on)]
          : []),
        ...(missing || losesOption || losesAll || (wanted.option && !present.option)
          ? [grantChange(clone, wanted, on)]
          : []),
      ]
    }),
    // Separate privileges come first: MySQL does not revoke a dynamic privilege whose option has gone with a revoked GRANT
    // OPTION on *.*.
    ...pairs
      .toSorted((a, b) => Number(b.separate) - Number(a.separate))
      .flatMap(({ on, separate, wanted, present }) => {
        const extra = losesAllPrivileges(wanted, present)
          ? []
          : [...present.privileges.difference(wanted.privileges)].filter(
              // ALL PRIVILEGES includes every other privilege, except those on columns.
              one => !hasPrivilege(wanted, ALL_PRIVILEGES) || one.includes('('),
            )
        return [
          ...(extra.length ? [revokeChange(clone, extra, on)] : []),
          ...(present.option && !wanted.option && !separate
            ? [revokeChange(clone, ['GRANT OPTION'], on)]
            : []),
        ]
      }),
  ]
}

/** The privilege that stands for all others, as SHOW GRANTS names it. */
export const ALL_PRIVILEGES = 'ALL PRIVILEGES'
type Privileges = Pick<Grant, 'privileges'>
/** Whether ALL PRIVILEGES has to be revoked, which must come before some of them are granted. */
const losesAllPrivileges = (wanted: Privileges, present: Privileges) =>
  hasPrivilege(present, ALL_PRIVILEGES) && !hasPrivilege(wanted, ALL_PRIVILEGES)
const hasPrivilege = ({ privileges }: Privileges, one: string) => privileges.has(one)

function grantChange(
  clone: Account,
  { privileges, option }: Pick<Grant, 'privileges' | 'option'>,
  on?: string,
): AccountChange {
  const list = [...privileges].join(', ') || 'USAGE'
  const what = on === undefined ? list : `${list} on ${on}`
  const sql = `grant ${what} to ${clone.name}${option ? ` with ${on === undefined ? 'admin' : 'grant'} option` : ''}`
  return { sql, about: 'grant', privileges: [...privileges], on }
}

function revokeChange(clone: Account, privileges: string[], on?: string): AccountChange {
  const sql = `revoke ${privileges.join(', ')}${on === undefined ? '' : ` on ${on}`} from ${clone.name}`
  return { sql, about: 'revoke', privileges, on }
}

/**
 * The statements that give the clone the user's partial revokes. A partial revoke begins by a REVOKE on a schema and ends by a
 * GRANT on the same schema (https://dev.mysql.com/doc/refman/8.4/en/partial-revokes.html).
 */
function restrictionChanges(user: Account, clone: Account): AccountChange[] {
  const without = (a: Account, b: Account) =>
    [...a.restrictions].flatMap(([key, { privileges, on }]) => {
      const rest = privileges.difference(b.restrictions.get(key)?.privileges ?? new Set())
      return rest.size ? [{ privileges: rest, option: false, on }] : []
    })
  return [
    ...without(user, clone).map(({ privileges, on }) => revokeChange(clone, [...privileges], on)),
    ...without(clone, user).map(({ on, ...privileges }) => grantChange(clone, privileges, on)),
  ]
}
