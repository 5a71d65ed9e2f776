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
export type AccountSyntax = {
  /** That of an account for which none is shown. */
  defaultPlugin: string
  /** The limits of WITH; 0 is none. */
  limitNames: string[]
  /** What ALTER USER must say for a clause that is not shown. */
  defaultClauses: Record<string, string>
  /** The statement that gives an account these default roles. */
  defaultRolesStatement(account: string, roles: string[]): string
}

/** A name or text as SQL's. The session has no sql_mode that changes how they are written. */
export const quoteName = (name: string) => `\`${name.replaceAll('`', '``')}\``
export const quoteText = (text: string) => `'${text.replace(/[\\']/g, '\\$&')}'`
export const accountName = (user: string, host: string) => `${quoteName(user)}@${quoteName(host)}`

const QUOTED_TEXT = String.raw`'(?:[^'\\]|''|\\.)*'`
const QUOTED_NAME = '`(?:[^`]|``)*`'
const ACCOUNT_NAME = `${QUOTED_NAME}(?:@${QUOTED_NAME})?`
const LOGIN_METHOD = String.raw`(?:'(\w+)'|(\w+))(?: (?:AS|USING) (?:${QUOTED_TEXT}|0x[0-9A-Fa-f]*|<secret>))?`
const IDENTIFIED_CLAUSE = new RegExp(
  `^ IDENTIFIED (?:BY PASSWORD ${QUOTED_TEXT}|(?:WITH|VIA) (${LOGIN_METHOD}(?: OR ${LOGIN_METHOD})*))`,
)
const FACTOR_CLAUSE = new RegExp(`^ AND IDENTIFIED WITH ${LOGIN_METHOD}`)
const CERTIFICATE_OPTION = `(?:SUBJECT|ISSUER|CIPHER) ${QUOTED_TEXT}`

/** The clauses of SHOW CREATE USER, by what they are called here, in the order that ALTER USER wants. */
const CLAUSE_PATTERNS = Object.entries({
  require: `REQUIRE (?:NONE|SSL|X509|${CERTIFICATE_OPTION}(?: (?:AND )?${CERTIFICATE_OPTION})*)`,
  limits: String.raw`WITH(?: MAX_\w+ [\d.]+)+`,
  expire: String.raw`PASSWORD EXPIRE(?: DEFAULT| NEVER| INTERVAL \d+ DAY)?`,
  history: String.raw`PASSWORD HISTORY (?:DEFAULT|\d+)`,
  reuse: String.raw`PASSWORD REUSE INTERVAL (?:DEFAULT|\d+ DAY)`,
  current: 'PASSWORD REQUIRE CURRENT(?: DEFAULT| OPTIONAL)?',
  attempts: String.raw`FAILED_LOGIN_ATTEMPTS \d+`,
  lockTime: String.raw`PASSWORD_LOCK_TIME (?:\d+|UNBOUNDED)`,
}).map(([key, pattern]) => [key, new RegExp(`^ ${pattern}`)] as const)
const DEFAULT_ROLE_CLAUSE = new RegExp(`^ DEFAULT ROLE (${ACCOUNT_NAME}(?:,${ACCOUNT_NAME})*)`)
const ATTRIBUTE_CLAUSE = new RegExp(`^ ATTRIBUTE (${QUOTED_TEXT})`)
const LOCK_CLAUSE = /^ ACCOUNT (?:UN)?LOCK/

/**
 * Reads SHOW CREATE USER and SHOW GRANTS.
 * @throws DatabaseFailed if they say something that is not understood, so that nothing is left out unseen
 */
export function readAccount(
  dialect: AccountSyntax,
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
  const ways = take(IDENTIFIED_CLAUSE)?.[1]
  if (ways)
    found.plugins = [...ways.matchAll(new RegExp(`(?:^| OR )${LOGIN_METHOD}`, 'g'))].map(
      way => way[1] ?? way[2] ?? '',
    )
  for (let more = take(FACTOR_CLAUSE); more; more = take(FACTOR_CLAUSE))
    found.plugins = [`${found.plugins.join(' or ')} and ${more[1] ?? more[2]}`]
  for (let before = ''; rest !== before; ) {
    before = rest
    for (const [key, pattern] of CLAUSE_PATTERNS) {
      const clause = take(pattern)?.[0].trim()
      if (clause) found.clauses[key] = clause
    }
    found.defaultRoles = splitAccounts(take(DEFAULT_ROLE_CLAUSE)?.[1]) ?? found.defaultRoles
    const json = take(ATTRIBUTE_CLAUSE)?.[1]
    if (json) found.attributes = readAttributes(unquote(json))
    take(LOCK_CLAUSE)
  }
  if (rest) throw new DatabaseFailed(`${found.name}: SHOW CREATE USER says what Keyturn does not know`)
  // An account whose password has expired does not show the rule it has.
  if (found.clauses.expire === 'PASSWORD EXPIRE') found.clauses.expire = 'PASSWORD EXPIRE DEFAULT'
  const shown = found.clauses.limits ?? ''
  found.clauses.limits = `WITH ${dialect.limitNames
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
export function readRights(dialect: AccountSyntax, user: string, showGrants: string[]): Rights {
  const found = newAccount(dialect, user, '%')
  for (const line of showGrants) readGrant(line, found, () => true)
  return found
}

export const readAttributes = (json: string) => parseExactly(json) as Account['attributes']

/** An account of which nothing is known but its name: as CREATE USER makes it. */
export function newAccount(dialect: AccountSyntax, user: string, host: string): Account {
  return {
    name: accountName(user, host),
    plugins: [dialect.defaultPlugin],
    grants: new Map(),
    restrictions: new Map(),
    defaultRoles: [],
    clauses: {
      ...dialect.defaultClauses,
      limits: `WITH ${dialect.limitNames.map(limit => `${limit} 0`).join(' ')}`,
    },
    attributes: {},
  }
}

const splitAccounts = (list: string | undefined) => list?.match(new RegExp(ACCOUNT_NAME, 'g'))?.toSorted()

const unquote = (text: string) =>
  text
    .slice(1, -1)
    .replace(
      /''|\\(.)/g,
      (_, escaped) => ({ n: '\n', r: '\r', t: '\t' })[escaped as string] ?? escaped ?? "'",
    )

const PRIVILEGE = String.raw`[A-Z][A-Z_ 0-9]*[A-Z](?: \((?:${QUOTED_NAME}(?:, )?)+\))?`
const PRIVILEGE_OBJECT = String.raw`(?:TABLE |FUNCTION |PROCEDURE |PACKAGE |PACKAGE BODY |LIBRARY )?(?:\*|${QUOTED_NAME})(?:[.@](?:\*|${QUOTED_NAME}))?`
const GRANT_LINE = new RegExp(
  `^(GRANT|REVOKE) (${PRIVILEGE}(?:, ?${PRIVILEGE})*) ON (${PRIVILEGE_OBJECT}|${QUOTED_TEXT}@${QUOTED_TEXT}) (?:TO|FROM) (${ACCOUNT_NAME}|${QUOTED_TEXT}@${QUOTED_TEXT}|PUBLIC)(.*)$`,
)
const ROLE_LINE = new RegExp(
  `^GRANT (${ACCOUNT_NAME}(?:,${ACCOUNT_NAME})*) TO (${ACCOUNT_NAME})( WITH ADMIN OPTION)?$`,
)
const DEFAULT_ROLE_LINE = new RegExp(`^SET DEFAULT ROLE (${ACCOUNT_NAME}) FOR (${ACCOUNT_NAME})$`)

/** @param isIts tells whether what is granted to this name is the account's */
function readGrant(line: string, found: Account, isIts: (name: string) => boolean): void {
  const byDefault = DEFAULT_ROLE_LINE.exec(line)
  // MariaDB, which says this last, goes on doing so when the role was dropped, but lets nobody have it.
  const [, chosen = '', of] = byDefault ?? []
  if (of !== undefined && isIts(of) && found.grants.has(chosen)) found.defaultRoles = [chosen]
  if (byDefault) return
  const role = ROLE_LINE.exec(line)
  if (role) {
    for (const granted of splitAccounts(role[1]) ?? [])
      if (isIts(role[2] ?? ''))
        addGrant(found.grants, granted, { on: undefined, option: Boolean(role[3]), separate: true }, [
          granted,
        ])
    return
  }
  const [, verb, list = '', on = '', to, rest = ''] = GRANT_LINE.exec(line) ?? []
  if (!verb) throw new DatabaseFailed(`${found.name}: SHOW GRANTS says what Keyturn does not know`)
  if (!isIts(to ?? '')) return
  const option = rest.includes(' GRANT OPTION')
  const target = verb === 'REVOKE' ? found.restrictions : found.grants
  for (const each of list.match(new RegExp(PRIVILEGE, 'g')) ?? [])
    for (const one of splitColumns(each)) {
      const separate = one === 'PROXY' || isDynamicPrivilege(one)
      addGrant(
        target,
        separate ? `${one} ON ${on}` : on,
        { on, option, separate },
        one === 'USAGE' ? [] : [one],
      )
    }
}

/** One of MySQL's privileges that came later, and are kept apart. */
export const isDynamicPrivilege = (privilege: string) => /^[A-Z0-9]+_[A-Z0-9_]+$/.test(privilege)

/** SELECT (`a`, `b`) is SELECT (`a`) and SELECT (`b`). */
function splitColumns(privilege: string): string[] {
  const at = privilege.indexOf(' (')
  if (at < 0) return [privilege]
  const list = privilege.slice(at).match(new RegExp(QUOTED_NAME, 'g')) ?? []
  return list.map(column => `${privilege.slice(0, at)} (${column})`)
}

function addGrant(
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
