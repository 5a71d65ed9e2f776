import { escapeIdentifier } from 'pg'
import { DatabaseFailed } from '../../errors.ts'
import { type Privileges, PUBLIC, privilegesOf, readAcl, readPrivilegeLetters } from './redshiftAcl.ts'

/** One user as Redshift's catalogs show it in this database. The keys of objects are as GRANT … ON names them. */
export type Account = {
  name: string
  superuser: boolean
  /** The options of ALTER USER that make another user like this one. */
  options: string[]
  /** The parameters that are set for the user, as `name=value`. */
  settings: string[]
  groups: Set<string>
  /** The user's roles, each with whether the user may grant it to others. */
  roles: Map<string, boolean>
  /** The objects that the user owns, each with all privileges that an owner has on it. */
  owned: Map<string, Privileges>
  /** The other objects on which the user has privileges. */
  grants: Map<string, Privileges>
  /** The default privileges, which will be granted on objects that do not exist yet. */
  defaults: Map<string, DefaultGrant>
}

/** One entry of ALTER DEFAULT PRIVILEGES, in which the account itself is either the owner or the grantee, and not both. */
export type DefaultGrant = {
  /** The user on whose future objects the privileges will be granted, or SELF. */
  owner: string
  /** Null if the entry applies in every schema. */
  schema: string | null
  /** The kind of the objects: `tables`, `functions` or `procedures`. */
  objects: string
  /** The grantee as GRANT names it: a user, `group "x"` or `public`; or SELF. */
  grantee: string
  privileges: Privileges
}

/** Stands for the account itself in a DefaultGrant, so that the entries of two accounts can be compared. */
export const SELF = ''

/** A text as a SQL literal. In Redshift a backslash escapes the next character, as in PostgreSQL before 9.1. */
export const quoteText = (text: string) => `'${text.replace(/[\\']/g, '$&$&')}'`

type UserRow = { superuser: boolean; createdb: boolean; validUntil: string | null; settings: string | null }
type InfoRow = { limit: string; syslog: string; timeout: number }
type NameRow = { name: string; admin?: boolean }
type ObjectRow = {
  kind: keyof typeof ownerPrivileges
  schema: string | null
  name: string
  /** The types of a function's arguments, or the name of a column. */
  detail: string | null
  owner: string | null
  acl: string | null
}
type DefaultRow = { owner: string; schema: string | null; kind: string; acl: string }
/** The rows of each statement of `accountQuery`, in their order: user, info, groups, roles, objects, default privileges. */
export type AccountRows = [UserRow[], InfoRow[], NameRow[], NameRow[], ObjectRow[], DefaultRow[]]
/** The number of statements of `accountQuery`. */
export const ACCOUNT_STATEMENT_COUNT = 6

/**
 * For each kind of object with an owner or an ACL, the columns and tables from which both are read. All texts are SQL, and `from`
 * ends in a condition, to which accountQuery adds another one.
 */
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
 * The statements that read one user, joined by semicolons. A user sees all of the result only for itself, a superuser for every
 * user. The tables and views are documented at https://docs.aws.amazon.com/redshift/latest/dg/cm_chap_system-tables.html.
 */
export function accountQuery(name: string): string {
  const user = quoteText(name)
  const text = (acl: string) => `array_to_string(${acl}, chr(10))`
  // An ACL has the name with or without quotes. This also finds rows in which another name contains this one: readObject and
  // readDefaults skip these.
  const mentioned = (acl: string) => `strpos(${text(acl)}, ${quoteText(name.split('"', 1)[0] ?? '')}) > 0`
  const objects = OBJECT_SOURCES.map(({ kind, schema = 'null', name, detail = 'null', owner, acl, from }) => {
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
    `${objects.join(' union all ')} order by 1, 2, 3, 4`,
    `select pg_get_userbyid(defacluser)::text as owner, nspname::text as schema, defaclobjtype as kind,
       ${text('defaclacl')} as acl
     from pg_default_acl left join pg_namespace n on n.oid = defaclnamespace
     where pg_get_userbyid(defacluser) = ${user} or ${mentioned('defaclacl')} order by 1, 2, 3`,
  ].join('; ')
}

/** Reads the rows of `accountQuery`. @returns undefined if there is no such user @throws DatabaseFailed */
export function readAccount(name: string, rows: AccountRows): Account | undefined {
  if (rows.length < ACCOUNT_STATEMENT_COUNT) throw new DatabaseFailed('fewer results than statements')
  const [[user], [info], groups, roles, objects, defaults] = rows
  if (!user) return undefined
  const account: Account = {
    ...newAccount(name),
    superuser: user.superuser,
    options: optionsOf(user, info),
    settings: user.settings?.split('\n') ?? [],
    groups: new Set(groups.map(group => group.name)),
    roles: new Map(roles.map(role => [role.name, role.admin ?? false])),
  }
  for (const row of objects) readObject(account, row)
  readDefaults(account, defaults)
  return account
}

/** A user as CREATE USER creates it by default. */
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
    // Every user may execute a new function or procedure, unless its owner's default privileges revoke that.
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

/** The privileges that the owner of each kind of object has and may grant. */
const ownerPrivileges = {
  database: privilegesOf('CT'),
  schema: privilegesOf('CU'),
  table: privilegesOf('rawdxDPA'),
  column: privilegesOf(''),
  function: privilegesOf('X'),
  procedure: privilegesOf('X'),
  language: privilegesOf(''),
}

/** Adds an object to what the account owns or to its grants. */
function readObject(account: Account, { kind, schema, name, detail, owner, acl }: ObjectRow): void {
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

/** The kinds of objects of default privileges, by their letters in pg_default_acl. */
const DEFAULT_PRIVILEGE_OBJECTS: Record<string, string> = { r: 'tables', f: 'functions', p: 'procedures' }

function readDefaults({ name, defaults }: Account, rows: DefaultRow[]): void {
  const self = escapeIdentifier(name)
  for (const { owner, schema, kind, acl } of rows) {
    const objects = DEFAULT_PRIVILEGE_OBJECTS[kind]
    if (!objects) throw new DatabaseFailed(`default privileges on a kind ${kind} are not understood`)
    const isOwner = owner === name
    // Entries for every schema replace the built-in ones, which let every user execute new functions and procedures.
    if (isOwner && schema === null) defaults.delete(callableByAll(objects)[0])
    for (const { grantee, letters } of readAcl(acl))
      if (isOwner ? grantee !== self : grantee === self) {
        const parties = isOwner ? { owner: SELF, grantee } : { owner, grantee: SELF }
        defaults.set(
          ...defaultEntry({ ...parties, schema, objects, privileges: readPrivilegeLetters(letters) }),
        )
      }
  }
}

/** A default privilege with its key in Account.defaults. */
const defaultEntry = (grant: DefaultGrant): [string, DefaultGrant] => [
  JSON.stringify([grant.owner, grant.schema, grant.objects, grant.grantee]),
  grant,
]

/** The built-in default privilege that lets every user execute what the account creates. */
function callableByAll(objects: string): [string, DefaultGrant] {
  return defaultEntry({ owner: SELF, schema: null, objects, grantee: PUBLIC, privileges: privilegesOf('X') })
}
