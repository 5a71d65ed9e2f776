import { NotAClone } from '../notAClone.ts'
import { type Account, type AccountSyntax, type Grant, quoteText } from './mysqlAccount.ts'

/** One statement, and what it is about, by which is known what it takes. */
export type AccountChange = { sql: string } & (
  | { about: 'account' | 'default roles' }
  | { about: 'grant' | 'revoke'; privileges: string[]; on: string | undefined }
)

/**
 * The statements that make the clone equal to the user; none if it is. Each may be the last one to be run: the next run
 * goes on from there. What the clone may already do is taken away only where the user may not do it.
 * @throws Stranger if the clone is not this user's clone
 */
export function syncChanges(dialect: AccountSyntax, user: Account, clone: Account): AccountChange[] {
  requireClone(user, clone, false)
  const roles = grantChanges(user, clone, true)
  return [
    ...clauseStatements(user, clone).map((sql): AccountChange => ({ sql, about: 'account' })),
    ...grantChanges(user, clone, false),
    ...roles,
    // Taking a role away to give it without its option also takes it from the default ones.
    ...((roles.some(({ about }) => about === 'revoke') && user.defaultRoles.length) ||
    String(user.defaultRoles) !== String(clone.defaultRoles)
      ? [
          {
            sql: dialect.defaultRolesStatement(clone.name, user.defaultRoles),
            about: 'default roles',
          } as const,
        ]
      : []),
    ...restrictionChanges(user, clone),
  ]
}

/** The same as text alone. */
export const syncStatements = (...accounts: Parameters<typeof syncChanges>): string[] =>
  syncChanges(...accounts).map(({ sql }) => sql)

/**
 * Somebody else's account that happens to have the clone's name must not be handed to whoever reads the secret. If
 * `byClone`, it is the clone whose password was proven: then one that may do nothing is no clone either.
 */
export function requireClone(user: Account, clone: Account, byClone: boolean): void {
  const heldBy = ({ grants }: Account) => [...grants].filter(([, { privileges }]) => privileges.size)
  const held = heldBy(clone)
  const shared = held.some(([key, grant]) => sharesPrivilege(user, key, grant) || sharesDatabase(user, grant))
  if ((held.length || (byClone && heldBy(user).length)) && !shared)
    throw new NotAClone(
      `${clone.name} exists but is no clone of ${user.name}: none of the user's privileges is its; rename it`,
    )
}

function sharesPrivilege(user: Account, key: string, grant: Grant): boolean {
  const own = user.grants.get(key)
  if (!own) return false
  // What may do all on the whole server is nobody's clone who may not.
  const all = hasPrivilege(own, ALL_PRIVILEGES) || (hasPrivilege(grant, ALL_PRIVILEGES) && key !== '*.*')
  return all || !own.privileges.isDisjointFrom(grant.privileges)
}

/** A clone that was begun may have on one table what the user has on all of the database. */
function sharesDatabase(user: Account, { on = '', privileges }: Grant): boolean {
  const name = DATABASE_OF_OBJECT.exec(on)?.[1]
  if (!name) return false
  const bare = [...privileges].map(one => one.replace(/ \(.*/, ''))
  return [...user.grants.values()].some(
    own =>
      // Escaped, as the name there may be a pattern.
      own.on?.replaceAll('\\', '') === `${name}.*` &&
      (hasPrivilege(own, ALL_PRIVILEGES) ||
        bare.some(one => hasPrivilege(own, one) || one === ALL_PRIVILEGES)),
  )
}

/** The quoted database that a table, view or routine is in. */
const DATABASE_OF_OBJECT = /^(?:[A-Z ]+ )?(`(?:[^`]|``)*`)\.`/

function clauseStatements(user: Account, clone: Account): string[] {
  const keys = ['require', 'limits', 'expire', 'history', 'reuse', 'current', 'attempts', 'lockTime']
  const wanted = keys.map(key => user.clauses[key] ?? '').filter(clause => clause)
  const present = keys.map(key => clone.clauses[key] ?? '').filter(clause => clause)
  // MySQL goes on showing an interval that DEFAULT came after, but for NEVER between the two.
  const interval = user.clauses.expire?.endsWith('DEFAULT') && clone.clauses.expire?.includes('INTERVAL')
  return [
    ...(interval ? [`alter user ${clone.name} password expire never`] : []),
    ...(String(wanted) === String(present) ? [] : [`alter user ${clone.name} ${wanted.join(' ')}`]),
    ...attributeStatements(user, clone),
  ]
}

/**
 * What ALTER USER says is merged into what there is, in objects within too, and 1 leaves a 1.0 as it is. So what differs
 * is taken away first, which null does.
 */
function attributeStatements(user: Account, clone: Account): string[] {
  const [wanted, present] = [user.attributes, clone.attributes]
  if (canonicalJson(wanted) === canonicalJson(present)) return []
  const alter = (attributes: object) =>
    `alter user ${clone.name} attribute ${quoteText(JSON.stringify(attributes))}`
  const differs = (key: string) => JSON.stringify(wanted[key]) !== JSON.stringify(present[key])
  const away = Object.keys(present).filter(differs)
  return [
    ...(away.length ? [alter(Object.fromEntries(away.map(key => [key, null])))] : []),
    ...(Object.keys(wanted).some(differs) ? [alter(wanted)] : []),
  ]
}

const canonicalJson = (attributes: Record<string, unknown>) =>
  JSON.stringify(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)))

/** The grants of roles, or all others. Granting comes first: it may be the clone that is in use. */
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
      // One that has its option by itself can lose it only by being taken away.
      const anew = separate && present.option && !wanted.option && wanted.privileges.size > 0
      const less = losesAllPrivileges(wanted, present)
      return [
        ...(anew || less
          ? [revokeChange(clone, [...(less ? [ALL_PRIVILEGES] : present.privileges)], on)]
          : []),
        ...(missing || anew || less || (wanted.option && !present.option)
          ? [grantChange(clone, wanted, on)]
          : []),
      ]
    }),
    // MySQL forgets to take a dynamic privilege away whose option went with that of the whole server.
    ...pairs
      .toSorted((a, b) => Number(b.separate) - Number(a.separate))
      .flatMap(({ on, separate, wanted, present }) => {
        const extra = losesAllPrivileges(wanted, present)
          ? []
          : [...present.privileges.difference(wanted.privileges)].filter(
              // ALL takes every other in, but for those on columns.
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

export const ALL_PRIVILEGES = 'ALL PRIVILEGES'
type Privileges = Pick<Grant, 'privileges'>
/** ALL has to be taken away before a part of it can be given. */
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

/** A restriction is made by taking away what is not granted there, and ends when that is granted. */
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
