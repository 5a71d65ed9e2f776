import { DatabaseFailed } from '../../errors.ts'
import { parseExactly } from '../../exactJson.ts'

/**
 * Privileges on one object, or one role: all that a GRANT statement of its own gives. What has its option by itself
 * (a role, a dynamic privilege, PROXY) is a grant of its own; `separate` says so.
 */
export type Grant = {
  /** `SELECT`, SELECT (`column`), or a role's name. */
  privileges: Set<string>
  /** Such as `shop`.*; unset for a role. */
  on: string | undefined
  /** WITH GRANT OPTION, or for a role WITH ADMIN OPTION. */
  option: boolean
  separate: boolean
}

/** What the server says of one account. Names and objects are kept as the server quotes them. */
export type Account = {
  /** `user`@`host` */
  name: string
  /** Each way to log in, by its plugin; by all of them with `and` between, if it takes several at once. */
  plugins: string[]
  /** By a key that says what they are on. */
  grants: Map<string, Grant>
  /** MySQL's partial revokes: privileges on a schema taken out of what is granted on all. */
  restrictions: Map<string, Grant>
  defaultRoles: string[]
  /** The clauses of ALTER USER that make another account like this one, in the order that they must have. */
  clauses: Record<string, string>
  /** MySQL's ATTRIBUTE; a comment is one of its keys. Numbers in it are their text. */
  attributes: Record<string, unknown>
}

/** Where MySQL and MariaDB differ in how they show and change an account. */
export type Dialect = {
  /** That of an account for which none is shown. */
  plugin: string
  /** The limits of WITH; 0 is none. */
  limits: string[]
  /** What ALTER USER must say for a clause that is not shown. */
  clauses: Record<string, string>
  /** The statement that gives an account these default roles. */
  defaultRoles(account: string, roles: string[]): string
}

/** A name or text as SQL's. The session has no sql_mode that changes how they are written. */
export const quoteName = (name: string) => `\`${name.replaceAll('`', '``')}\``
export const quoteText = (text: string) => `'${text.replace(/[\\']/g, '\\$&')}'`
export const accountName = (user: string, host: string) => `${quoteName(user)}@${quoteName(host)}`

const string = String.raw`'(?:[^'\\]|''|\\.)*'`
const name = '`(?:[^`]|``)*`'
const account = `${name}(?:@${name})?`
const login = String.raw`(?:'(\w+)'|(\w+))(?: (?:AS|USING) (?:${string}|0x[0-9A-Fa-f]*|<secret>))?`
const identified = new RegExp(
  `^ IDENTIFIED (?:BY PASSWORD ${string}|(?:WITH|VIA) (${login}(?: OR ${login})*))`,
)
const factor = new RegExp(`^ AND IDENTIFIED WITH ${login}`)
const certified = `(?:SUBJECT|ISSUER|CIPHER) ${string}`

/** The clauses of SHOW CREATE USER, by what they are called here, in the order that ALTER USER wants. */
const clausePatterns = Object.entries({
  require: `REQUIRE (?:NONE|SSL|X509|${certified}(?: (?:AND )?${certified})*)`,
  limits: String.raw`WITH(?: MAX_\w+ [\d.]+)+`,
  expire: String.raw`PASSWORD EXPIRE(?: DEFAULT| NEVER| INTERVAL \d+ DAY)?`,
  history: String.raw`PASSWORD HISTORY (?:DEFAULT|\d+)`,
  reuse: String.raw`PASSWORD REUSE INTERVAL (?:DEFAULT|\d+ DAY)`,
  current: 'PASSWORD REQUIRE CURRENT(?: DEFAULT| OPTIONAL)?',
  attempts: String.raw`FAILED_LOGIN_ATTEMPTS \d+`,
  lockTime: String.raw`PASSWORD_LOCK_TIME (?:\d+|UNBOUNDED)`,
}).map(([key, pattern]) => [key, new RegExp(`^ ${pattern}`)] as const)
const defaultRoles = new RegExp(`^ DEFAULT ROLE (${account}(?:,${account})*)`)
const attribute = new RegExp(`^ ATTRIBUTE (${string})`)
const lock = /^ ACCOUNT (?:UN)?LOCK/

/**
 * Reads SHOW CREATE USER and SHOW GRANTS.
 * @throws DatabaseFailed if they say something that is not understood, so that nothing is left out unseen
 */
export function readAccount(
  dialect: Dialect,
  user: string,
  host: string,
  [createUser = '']: string[],
  showGrants: string[] = [],
): Account {
  const found = newAccount(dialect, user, host)
  let rest = createUser.slice(`CREATE USER ${found.name}`.length)
  const take = (pattern: RegExp) => {
    const match = pattern.exec(rest)
    if (match) rest = rest.slice(match[0].length)
    return match
  }
  const ways = take(identified)?.[1]
  if (ways)
    found.plugins = [...ways.matchAll(new RegExp(`(?:^| OR )${login}`, 'g'))].map(
      way => way[1] ?? way[2] ?? '',
    )
  for (let more = take(factor); more; more = take(factor))
    found.plugins = [`${found.plugins.join(' or ')} and ${more[1] ?? more[2]}`]
  for (let before = ''; rest !== before; ) {
    before = rest
    for (const [key, pattern] of clausePatterns) {
      const clause = take(pattern)?.[0].trim()
      if (clause) found.clauses[key] = clause
    }
    found.defaultRoles = names(take(defaultRoles)?.[1]) ?? found.defaultRoles
    const json = take(attribute)?.[1]
    if (json) found.attributes = readAttributes(unquote(json))
    take(lock)
  }
  if (rest) throw new DatabaseFailed(`${found.name}: SHOW CREATE USER says what Keyturn does not know`)
  // An account whose password has expired does not show the rule it has.
  if (found.clauses.expire === 'PASSWORD EXPIRE') found.clauses.expire = 'PASSWORD EXPIRE DEFAULT'
  const shown = found.clauses.limits ?? ''
  found.clauses.limits = `WITH ${dialect.limits
    .map(limit => `${limit} ${new RegExp(String.raw`${limit} ([\d.]+)`).exec(shown)?.[1] ?? 0}`)
    .join(' ')}`
  const own = [found.name, `${quoteText(user)}@${quoteText(host)}`]
  // MariaDB also shows what comes with the roles of the moment and what everybody has, and may quote otherwise.
  for (const line of showGrants) readGrant(line, found, to => own.includes(to))
  return found
}

/** What a session may do: all that its SHOW GRANTS says, which is also of the roles of the moment and of everybody. */
export type Rights = Pick<Account, 'grants' | 'restrictions'>

/** Reads SHOW GRANTS of a session's own. @throws DatabaseFailed as readAccount does */
export function readRights(dialect: Dialect, user: string, showGrants: string[]): Rights {
  const found = newAccount(dialect, user, '%')
  for (const line of showGrants) readGrant(line, found, () => true)
  return found
}

export const readAttributes = (json: string) => parseExactly(json) as Account['attributes']

/** An account of which nothing is known but its name: as CREATE USER makes it. */
export function newAccount(dialect: Dialect, user: string, host: string): Account {
  return {
    name: accountName(user, host),
    plugins: [dialect.plugin],
    grants: new Map(),
    restrictions: new Map(),
    defaultRoles: [],
    clauses: { ...dialect.clauses, limits: `WITH ${dialect.limits.map(limit => `${limit} 0`).join(' ')}` },
    attributes: {},
  }
}

const names = (list: string | undefined) => list?.match(new RegExp(account, 'g'))?.toSorted()

const unquote = (text: string) =>
  text
    .slice(1, -1)
    .replace(
      /''|\\(.)/g,
      (_, escaped) => ({ n: '\n', r: '\r', t: '\t' })[escaped as string] ?? escaped ?? "'",
    )

const privilege = String.raw`[A-Z][A-Z_ 0-9]*[A-Z](?: \((?:${name}(?:, )?)+\))?`
const object = String.raw`(?:TABLE |FUNCTION |PROCEDURE |PACKAGE |PACKAGE BODY |LIBRARY )?(?:\*|${name})(?:[.@](?:\*|${name}))?`
const grantLine = new RegExp(
  `^(GRANT|REVOKE) (${privilege}(?:, ?${privilege})*) ON (${object}|${string}@${string}) (?:TO|FROM) (${account}|${string}@${string}|PUBLIC)(.*)$`,
)
const roleLine = new RegExp(`^GRANT (${account}(?:,${account})*) TO (${account})( WITH ADMIN OPTION)?$`)
const defaultRoleLine = new RegExp(`^SET DEFAULT ROLE (${account}) FOR (${account})$`)

/** @param isIts tells whether what is granted to this name is the account's */
function readGrant(line: string, found: Account, isIts: (name: string) => boolean): void {
  const byDefault = defaultRoleLine.exec(line)
  // MariaDB, which says this last, goes on doing so when the role was dropped, but lets nobody have it.
  const [, chosen = '', of] = byDefault ?? []
  if (of !== undefined && isIts(of) && found.grants.has(chosen)) found.defaultRoles = [chosen]
  if (byDefault) return
  const role = roleLine.exec(line)
  if (role) {
    for (const granted of names(role[1]) ?? [])
      if (isIts(role[2] ?? ''))
        add(found.grants, granted, { on: undefined, option: Boolean(role[3]), separate: true }, [granted])
    return
  }
  const [, verb, list = '', on = '', to, rest = ''] = grantLine.exec(line) ?? []
  if (!verb) throw new DatabaseFailed(`${found.name}: SHOW GRANTS says what Keyturn does not know`)
  if (!isIts(to ?? '')) return
  const option = rest.includes(' GRANT OPTION')
  const target = verb === 'REVOKE' ? found.restrictions : found.grants
  for (const each of list.match(new RegExp(privilege, 'g')) ?? [])
    for (const one of columns(each)) {
      const separate = one === 'PROXY' || isDynamic(one)
      add(target, separate ? `${one} ON ${on}` : on, { on, option, separate }, one === 'USAGE' ? [] : [one])
    }
}

/** One of MySQL's privileges that came later, and are kept apart. */
export const isDynamic = (privilege: string) => /^[A-Z0-9]+_[A-Z0-9_]+$/.test(privilege)

/** SELECT (`a`, `b`) is SELECT (`a`) and SELECT (`b`). */
function columns(privilege: string): string[] {
  const at = privilege.indexOf(' (')
  if (at < 0) return [privilege]
  const list = privilege.slice(at).match(new RegExp(name, 'g')) ?? []
  return list.map(column => `${privilege.slice(0, at)} (${column})`)
}

function add(
  grants: Map<string, Grant>,
  key: string,
  { option, ...rest }: Omit<Grant, 'privileges'>,
  privileges: string[],
): void {
  const before = grants.get(key)
  grants.set(key, {
    ...rest,
    option: option || (before?.option ?? false),
    privileges: new Set([...(before?.privileges ?? []), ...privileges]),
  })
}
