import { escapeIdentifier } from 'pg'
import { DatabaseFailed } from '../../errors.ts'

/** What one user may do with one thing: each privilege, as GRANT names it, and whether it may pass it on. */
export type Privileges = Map<string, boolean>

/** What Redshift's catalogs say of one user, in this database. Things are keyed as GRANT … ON names them. */
export type Account = {
  name: string
  superuser: boolean
  /** The options of ALTER USER that make another user like this one. */
  options: string[]
  /** `name=value`, as stored. */
  settings: string[]
  groups: Set<string>
  /** Roles, and whether it may pass each on. */
  roles: Map<string, boolean>
  /** What it owns, and all that an owner may do with it. */
  owned: Map<string, Privileges>
  grants: Map<string, Privileges>
  /** What is granted on things that do not exist yet. */
  defaults: Map<string, DefaultGrant>
}

/** ALTER DEFAULT PRIVILEGES FOR USER `owner`, with one of owner and grantee being the account itself: SELF. */
export type DefaultGrant = {
  owner: string
  schema: string | null
  /** `tables`, `functions` or `procedures`. */
  things: string
  /** As GRANT names it: a user, `group "x"`, or `public`. */
  grantee: string
  privileges: Privileges
}

export const SELF = ''
const PUBLIC = 'public'

/** In a text, a backslash escapes what follows, as in PostgreSQL before 9.1. */
export const quoteText = (text: string) => `'${text.replace(/[\\']/g, '$&$&')}'`

type UserRow = { superuser: boolean; createdb: boolean; validUntil: string | null; settings: string | null }
type InfoRow = { limit: string; syslog: string; timeout: number }
type NameRow = { name: string; admin?: boolean }
type ThingRow = {
  kind: keyof typeof ownerPrivileges
  schema: string | null
  name: string
  /** The types of a function's arguments, or the name of a column. */
  detail: string | null
  owner: string | null
  acl: string | null
}
type DefaultRow = { owner: string; schema: string | null; kind: string; acl: string }
/** The rows of each of `accountQuery`'s statements, in their order. */
export type AccountRows = [UserRow[], InfoRow[], NameRow[], NameRow[], ThingRow[], DefaultRow[]]
export const ACCOUNT_STATEMENT_COUNT = 6

/** Each kind of thing that has an owner or an ACL, and where that is kept. */
const OBJECT_SOURCES: {
  kind: string
  schema?: string
  name: string
  detail?: string
  owner?: string
  acl: string
  from: string
}[] = [
  { kind: `'database'`, name: 'datname', owner: 'datdba', acl: 'datacl', from: 'pg_database where true' },
  {
    kind: `'schema'`,
    name: 'nspname',
    owner: 'nspowner',
    acl: 'nspacl',
    from: `pg_namespace where nspname not like 'pg_temp%'`,
  },
  {
    kind: `'table'`,
    schema: 'nspname',
    name: 'relname',
    owner: 'relowner',
    acl: 'relacl',
    from: `pg_class c join pg_namespace n on n.oid = c.relnamespace
        where relkind in ('r', 'v', 'm') and nspname not like 'pg_temp%'`,
  },
  {
    kind: `'column'`,
    schema: 'nspname',
    name: 'relname',
    detail: 'attname',
    acl: 'attacl',
    from: `pg_attribute_info a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
        where nspname not like 'pg_temp%'`,
  },
  {
    kind: `case prokind when 'p' then 'procedure' else 'function' end`,
    schema: 'nspname',
    name: 'proname',
    detail: 'oidvectortypes(proargtypes)',
    owner: 'proowner',
    acl: 'proacl',
    from: 'pg_proc_info p join pg_namespace n on n.oid = p.pronamespace where true',
  },
  { kind: `'language'`, name: 'lanname', acl: 'lanacl', from: 'pg_language where true' },
]

/**
 * The statements that read one user. All that they name is in Redshift's documentation. A user sees all of it only for
 * itself, a superuser for everybody.
 */
export function accountQuery(name: string): string {
  const user = quoteText(name)
  const text = (acl: string) => `array_to_string(${acl}, chr(10))`
  // With or without quotes around it. What else this finds is left out when it is read.
  const mentioned = (acl: string) => `strpos(${text(acl)}, ${quoteText(name.split('"', 1)[0] ?? '')}) > 0`
  const things = OBJECT_SOURCES.map(({ kind, schema = 'null', name, detail = 'null', owner, acl, from }) => {
    const ownerName = owner ? `pg_get_userbyid(${owner})::text` : `''::text`
    return `select ${kind}::text as kind, ${schema}::text as schema, ${name}::text as name, ${detail}::text as detail,
       ${ownerName} as owner, ${text(acl)} as acl
     from ${from} and (${ownerName} = ${user} or ${mentioned(acl)})`
  })
  return [
    `select usesuper as superuser, usecreatedb as createdb, valuntil::timestamp::varchar as "validUntil",
       ${text('useconfig')} as settings from pg_user where usename = ${user}`,
    `select connection_limit as "limit", syslog_access as syslog, session_timeout as "timeout"
     from svv_user_info where user_name = ${user}`,
    `select groname as name from pg_group, pg_user where usesysid = any(grolist) and usename = ${user} order by 1`,
    `select role_name as name, admin_option as admin from svv_user_grants where user_name = ${user} order by 1`,
    `${things.join(' union all ')} order by 1, 2, 3, 4`,
    `select pg_get_userbyid(defacluser)::text as owner, nspname::text as schema, defaclobjtype as kind,
       ${text('defaclacl')} as acl
     from pg_default_acl left join pg_namespace n on n.oid = defaclnamespace
     where pg_get_userbyid(defacluser) = ${user} or ${mentioned('defaclacl')} order by 1, 2, 3`,
  ].join('; ')
}

/** The rows of `accountQuery`, by part; undefined if there is no such user. @throws DatabaseFailed */
export function readAccount(name: string, rows: AccountRows): Account | undefined {
  if (rows.length < ACCOUNT_STATEMENT_COUNT) throw new DatabaseFailed('fewer results than statements')
  const [[user], [info], groups, roles, things, defaults] = rows
  if (!user) return undefined
  const account: Account = {
    ...newAccount(name),
    superuser: user.superuser,
    options: optionsOf(user, info),
    settings: user.settings?.split('\n') ?? [],
    groups: new Set(groups.map(group => group.name)),
    roles: new Map(roles.map(role => [role.name, role.admin ?? false])),
  }
  for (const row of things) readThing(account, row)
  readDefaults(account, defaults)
  return account
}

/** What a user has that was just created. */
export function newAccount(name: string): Account {
  return {
    name,
    superuser: false,
    options: optionsOf({ superuser: false, createdb: false, validUntil: null, settings: null }, undefined),
    settings: [],
    groups: new Set(),
    roles: new Map(),
    owned: new Map(),
    grants: new Map(),
    // Everybody may call what somebody makes, unless that was taken back.
    defaults: new Map(['functions', 'procedures'].map(callableByAll)),
  }
}

function optionsOf({ superuser, createdb, validUntil }: UserRow, info: InfoRow | undefined): string[] {
  return [
    superuser ? 'createuser' : 'nocreateuser',
    createdb ? 'createdb' : 'nocreatedb',
    `valid until ${quoteText(validUntil ?? 'infinity')}`,
    `connection limit ${info?.limit.toLowerCase() || 'unlimited'}`,
    `syslog access ${info?.syslog.toLowerCase() || 'restricted'}`,
    info?.timeout ? `session timeout ${info.timeout}` : 'reset session timeout',
  ]
}

/** The privileges by their letters in an ACL. RULE and TRIGGER (R, t) cannot be granted in Redshift and mean nothing. */
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

const privilegesOf = (letters: string): Privileges =>
  new Map([...letters].map(letter => [PRIVILEGE_NAMES[letter] ?? '', false]))

/** What the owner of each kind of thing may do with it that can be granted. */
const ownerPrivileges = {
  database: privilegesOf('CT'),
  schema: privilegesOf('CU'),
  table: privilegesOf('rawdxDPA'),
  column: privilegesOf(''),
  function: privilegesOf('X'),
  procedure: privilegesOf('X'),
  language: privilegesOf(''),
}

function readThing(account: Account, { kind, schema, name, detail, owner, acl }: ThingRow): void {
  const path =
    schema === null ? escapeIdentifier(name) : `${escapeIdentifier(schema)}.${escapeIdentifier(name)}`
  const key =
    kind === 'column'
      ? `table ${path}`
      : `${kind} ${path}${kind === 'function' || kind === 'procedure' ? `(${detail})` : ''}`
  if (owner === account.name) {
    account.owned.set(key, ownerPrivileges[kind])
    return
  }
  const column = kind === 'column' ? ` (${escapeIdentifier(detail ?? '')})` : ''
  for (const item of readAcl(acl ?? ''))
    if (item.grantee === escapeIdentifier(account.name)) {
      const found = account.grants.get(key) ?? new Map()
      for (const [privilege, option] of readPrivilegeLetters(item.letters))
        found.set(privilege + column, option)
      account.grants.set(key, found)
    }
}

const DEFAULT_PRIVILEGE_OBJECTS: Record<string, string> = { r: 'tables', f: 'functions', p: 'procedures' }

function readDefaults({ name, defaults }: Account, rows: DefaultRow[]): void {
  const self = escapeIdentifier(name)
  for (const { owner, schema, kind, acl } of rows) {
    const things = DEFAULT_PRIVILEGE_OBJECTS[kind]
    if (!things) throw new DatabaseFailed(`default privileges on a kind ${kind} are not understood`)
    const own = owner === name
    if (own && schema === null) defaults.delete(callableByAll(things)[0])
    for (const { grantee, letters } of readAcl(acl))
      if (own ? grantee !== self : grantee === self) {
        const who = own ? { owner: SELF, grantee } : { owner, grantee: SELF }
        defaults.set(...defaultEntry({ ...who, schema, things, privileges: readPrivilegeLetters(letters) }))
      }
  }
}

const defaultEntry = (grant: DefaultGrant): [string, DefaultGrant] => [
  JSON.stringify([grant.owner, grant.schema, grant.things, grant.grantee]),
  grant,
]

function callableByAll(things: string): [string, DefaultGrant] {
  return defaultEntry({ owner: SELF, schema: null, things, grantee: PUBLIC, privileges: privilegesOf('X') })
}

const QUOTED_NAME = '"(?:[^"]|"")*"'
const ACL_ITEM = new RegExp(`^(group )?(${QUOTED_NAME}|[^="/]*)=([a-zA-Z*]*)/(?:${QUOTED_NAME}|.*)$`)

/**
 * Reads an ACL, an item a line, such as `app=r*w/admin`, `group "the readers"=r/admin` or, for PUBLIC, `=X/admin`.
 * @throws DatabaseFailed if it says something that is not understood, so that nothing is left out unseen
 */
function readAcl(acl: string): { grantee: string; letters: string }[] {
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

function readPrivilegeLetters(letters: string): Privileges {
  const found: Privileges = new Map()
  for (const [, letter = '', option] of letters.matchAll(/(.)(\*?)/g)) {
    if ('Rt'.includes(letter)) continue
    const privilege = PRIVILEGE_NAMES[letter]
    if (!privilege) throw new DatabaseFailed(`the privilege ${letter} in an ACL is not understood`)
    found.set(privilege, option === '*')
  }
  return found
}
