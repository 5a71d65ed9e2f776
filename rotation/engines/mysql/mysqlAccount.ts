import { DatabaseFailed } from '../../errors.ts'
import { parseExactly } from '../../exactJson.ts'

/** What one GRANT statement grants: privileges on one object, or one role. */
export type Grant = {
  /** `SELECT`, SELECT (`column`), or a role's name. */
  privileges: Set<string>
  /** The object as the server writes it, such as `shop`.*; undefined for a role. */
  on: string | undefined
  /** Whether the grant has WITH GRANT OPTION or, for a role, WITH ADMIN OPTION. */
  option: boolean
  /** Whether the privilege has its own option, so that it is the only one of its grant: a role, a dynamic privilege, PROXY. */
  separate: boolean
}

/** What the server shows of one account. Names and objects are kept quoted as the server quotes them. */
export type Account = {
  /** `user`@`host` */
  name: string
  /**
   * The authentication plugins, of which any one lets the account log in. Plugins that are needed together are one entry, joined
   * by `and`.
   */
  plugins: string[]
  /** The grants by their object, or by the role, or for a separate privilege by privilege and object, such as `PROXY ON …`. */
  grants: Map<string, Grant>
  /** MySQL's partial revokes: privileges on a schema that are excepted from a grant on all schemas. */
  restrictions: Map<string, Grant>
  defaultRoles: string[]
  /** The clauses of ALTER USER that make another account like this one, by the keys of CLAUSE_PATTERNS. */
  clauses: Record<string, string>
  /** MySQL's ATTRIBUTE, of which the comment is one key. A number in it is kept as its text. */
  attributes: Record<string, unknown>
}

/** The differences between MySQL and MariaDB in how they show and change an account. */
export type AccountSyntax = {
  /** The plugin of an account that is shown without one. */
  defaultPlugin: string
  /** The limits that WITH can set; 0 is no limit. */
  limitNames: string[]
  /** The clause that ALTER USER needs for each clause that an account is shown without. */
  defaultClauses: Record<string, string>
  /** The statement that gives an account these default roles. */
  defaultRolesStatement(account: string, roles: string[]): string
}

/** A name as SQL writes it, in backticks. The session's sql_mode is set so that this is right. */
export const quoteName = (name: string) => `\`${name.replaceAll('`', '``')}\``
/** A text as a SQL literal. The session's sql_mode is set so that a backslash escapes. */
export const quoteText = (text: string) => `'${text.replace(/[\\']/g, '\\$&')}'`
/** An account as SQL writes it: `user`@`host`. */
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

/** The clauses of SHOW CREATE USER by Keyturn's keys for them, in the order in which ALTER USER requires them. */
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
 * Reads an account from the lines of SHOW CREATE USER and SHOW GRANTS.
 * @throws DatabaseFailed if Keyturn does not know a part of them: a clone without that part would differ unnoticed
 */
export function readAccount(
  syntax: AccountSyntax,
  user: string,
  host: string,
  [createUser = '']: string[],
  showGrants: string[] = [],
): Account {
  const found = newAccount(syntax, user, host)
  let rest = createUser.slice(`CREATE USER ${found.name}`.length)
  const take = (pattern: RegExp) => {
    const match = pattern.exec(rest)
    if (match) rest = rest.slice(match[0].length)
    return match
  }

  const methods = take(IDENTIFIED_CLAUSE)?.[1]
  if (methods)
    found.plugins = [...methods.matchAll(new RegExp(`(?:^| OR )${LOGIN_METHOD}`, 'g'))].map(
      method => method[1] ?? method[2] ?? '',
    )
  for (let factor = take(FACTOR_CLAUSE); factor; factor = take(FACTOR_CLAUSE))
    found.plugins = [`${found.plugins.join(' or ')} and ${factor[1] ?? factor[2]}`]

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

  // An account whose password has expired is shown without its rule of expiry.
  if (found.clauses.expire === 'PASSWORD EXPIRE') found.clauses.expire = 'PASSWORD EXPIRE DEFAULT'
  const shownLimits = found.clauses.limits ?? ''
  found.clauses.limits = `WITH ${syntax.limitNames
    .map(limit => `${limit} ${new RegExp(String.raw`${limit} ([\d.]+)`).exec(shownLimits)?.[1] ?? 0}`)
    .join(' ')}`

  // MariaDB also shows the grants of the active roles and of PUBLIC, and may quote a name in either way.
  const ownNames = [found.name, `${quoteText(user)}@${quoteText(host)}`]
  for (const line of showGrants) readGrant(line, found, grantee => ownNames.includes(grantee))
  return found
}

/** What a session may do: all that its own SHOW GRANTS shows, including the grants of its active roles and of PUBLIC. */
export type Rights = Pick<Account, 'grants' | 'restrictions'>

/** Reads the rights of a session from the lines of its own SHOW GRANTS. @throws DatabaseFailed as readAccount does */
export function readRights(syntax: AccountSyntax, user: string, showGrants: string[]): Rights {
  const found = newAccount(syntax, user, '%')
  for (const line of showGrants) readGrant(line, found, () => true)
  return found
}

/** Reads the JSON of MySQL's ATTRIBUTE. Numbers become their text, so that none loses digits. */
export const readAttributes = (json: string) => parseExactly(json) as Account['attributes']

/** An account as CREATE USER creates it by default. */
export function newAccount(syntax: AccountSyntax, user: string, host: string): Account {
  return {
    name: accountName(user, host),
    plugins: [syntax.defaultPlugin],
    grants: new Map(),
    restrictions: new Map(),
    defaultRoles: [],
    clauses: {
      ...syntax.defaultClauses,
      limits: `WITH ${syntax.limitNames.map(limit => `${limit} 0`).join(' ')}`,
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

/**
 * Reads one line of SHOW GRANTS into `found`.
 * @param counts Whether a grant to this grantee is a grant to the account.
 */
function readGrant(line: string, found: Account, counts: (grantee: string) => boolean): void {
  // MariaDB shows the default role in the last line, also if the role was dropped. The account then no longer has it.
  const defaultRoleLine = DEFAULT_ROLE_LINE.exec(line)
  const [, defaultRole = '', account] = defaultRoleLine ?? []
  if (account !== undefined && counts(account) && found.grants.has(defaultRole))
    found.defaultRoles = [defaultRole]
  if (defaultRoleLine) return

  const roleLine = ROLE_LINE.exec(line)
  if (roleLine) {
    const [, roles, grantee = '', option] = roleLine
    for (const role of splitAccounts(roles) ?? [])
      if (counts(grantee))
        addGrant(found.grants, role, { on: undefined, option: Boolean(option), separate: true }, [role])
    return
  }

  const [, verb, list = '', on = '', grantee = '', rest = ''] = GRANT_LINE.exec(line) ?? []
  if (!verb) throw new DatabaseFailed(`${found.name}: SHOW GRANTS says what Keyturn does not know`)
  if (!counts(grantee)) return
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

/**
 * Whether a privilege is one of MySQL's dynamic privileges, which have an underscore in their name
 * (https://dev.mysql.com/doc/refman/8.4/en/privileges-provided.html#privileges-provided-dynamic).
 */
export const isDynamicPrivilege = (privilege: string) => /^[A-Z0-9]+_[A-Z0-9_]+$/.test(privilege)

/** Splits SELECT (`a`, `b`) into SELECT (`a`) and SELECT (`b`). */
function splitColumns(privilege: string): string[] {
  const at = privilege.indexOf(' (')
  if (at < 0) return [privilege]
  const list = privilege.slice(at).match(new RegExp(QUOTED_NAME, 'g')) ?? []
  return list.map(column => `${privilege.slice(0, at)} (${column})`)
}

/** Adds privileges to the grant of this key, which several lines may describe. */
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
