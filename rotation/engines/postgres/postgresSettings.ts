import { escapeIdentifier, escapeLiteral } from 'pg'
import type { PairRoles, Role } from './postgresRoles.ts'

/** The parameters that only the clone has and that this session may not remove, one sentence each. */
export function stayingSettings({ user, clone }: PairRoles): string[] {
  if (!user || !clone) return []
  return unremovableSettings(wantedSettings(user), clone).map(({ database, setting }) => {
    const [parameter] = setting.split('=', 1)
    const where = database === null ? '' : ` in the database ${database}`
    return `${clone.name} keeps its setting of ${parameter}${where}: only a superuser may take it away`
  })
}

/** Parameters as `name=value`, by database; null is every database. */
type SettingsByDatabase = Map<string | null, string[]>

/** The clone's parameters that should not be set, but that this session may not remove. */
function unremovableSettings(
  wanted: SettingsByDatabase,
  clone: Role,
): { database: string | null; setting: string }[] {
  const parameter = (setting: string) => setting.slice(0, setting.indexOf('='))
  return clone.settings.flatMap(({ database, fixed = [] }) => {
    const wantedHere = new Set(wanted.get(database)?.map(parameter))
    return fixed
      .filter(setting => !wantedHere.has(parameter(setting)))
      .map(setting => ({ database, setting }))
  })
}

/** The parameters that the clone of this user should have: the user's own, and a `role`, so that it acts as the user. */
function wantedSettings(user: Role): SettingsByDatabase {
  // If the user acts as another role, the clone acts as that role too. A `role` of `none` lets the user act as itself; the clone
  // then acts as the user.
  const asUser = (setting: string) => (setting === 'role=none' ? `role=${user.name}` : setting)
  const wanted = new Map(user.settings.map(({ database, values }) => [database, values.map(asUser)]))
  const actsIn = (database: string | null) =>
    wanted.get(database)?.some(setting => setting.startsWith('role='))
  // A parameter that is set for one role overrides one that is set for everybody in a database
  // (https://www.postgresql.org/docs/current/sql-alterrole.html). So if the user has a `role` for every database, none is added.
  if (!actsIn(null))
    for (const { database, role } of [...user.rolesForAll, { database: null, role: user.name }])
      if (!actsIn(database)) wanted.set(database, [...(wanted.get(database) ?? []), asUser(`role=${role}`)])
  return wanted
}

/** The statements that give the clone the user's parameters; none if the clone has them. */
export function settingStatements(user: Role, clone: Role): string[] {
  const wanted = wantedSettings(user)
  for (const { database, setting } of unremovableSettings(wanted, clone))
    wanted.set(database, [...(wanted.get(database) ?? []), setting])
  const fixed = new Map(clone.settings.map(({ database, fixed }) => [database, fixed]))
  const present = new Map(clone.settings.map(({ database, values }) => [database, values]))
  const different = [...new Set([...wanted.keys(), ...present.keys()])].filter(
    database => canonicalSettings(wanted.get(database)) !== canonicalSettings(present.get(database)),
  )
  return different.flatMap(database => {
    const where = database === null ? '' : ` in database ${escapeIdentifier(database)}`
    const alter = `alter role ${escapeIdentifier(clone.name)}${where}`
    return [
      ...(present.has(database) ? [`${alter} reset all`] : []),
      ...(wanted.get(database) ?? [])
        // RESET ALL leaves the parameters in place that this session may not remove.
        .filter(setting => !fixed.get(database)?.includes(setting))
        .flatMap(setting => setStatements(alter, setting)),
    ]
  })
}

/** A text by which two sets of parameters can be compared. The server may have stored an equal list in several forms. */
const canonicalSettings = (settings: string[] = []) =>
  JSON.stringify(settings.map(setting => settingAssignment(setting)).sort())

/**
 * The statements that set one parameter. SET has no syntax for an empty list: '' is a list with one empty name, and a library
 * of that name would refuse every login. So an empty list is set for the transaction and then stored FROM CURRENT.
 */
function setStatements(alter: string, setting: string): string[] {
  const list = LIST_SETTINGS.find(list => setting.startsWith(`${list}=`))
  if (!list || listElements(setting.slice(list.length + 1)).length)
    return [`${alter} set ${settingAssignment(setting)}`]
  return [`select set_config('${list}', '', true)`, `${alter} set ${list} from current`]
}

/** The parameters whose stored value is a list of quoted names. */
const LIST_SETTINGS = [
  'search_path',
  'temp_tablespaces',
  'local_preload_libraries',
  'session_preload_libraries',
]

/**
 * Turns a stored `name=value` into `name to value` for SET. A user may have stored any text as a value, so no value is copied
 * unquoted: a list is split, and each of its elements is quoted.
 */
export function settingAssignment(setting: string, quote = escapeLiteral): string {
  const equals = setting.indexOf('=')
  const [name, value] = [setting.slice(0, equals), setting.slice(equals + 1)]
  const values = LIST_SETTINGS.includes(name) ? listElements(value) : [value]
  return `${name.split('.').map(escapeIdentifier).join('.')} to ${values.map(quote).join(', ')}`
}

function listElements(list: string): string[] {
  const elements = list.matchAll(/"((?:[^"]|"")*)"|[^\s,"]+/g)
  return [...elements].map(([bare, quoted]) => quoted?.replaceAll('""', '"') ?? bare.toLowerCase())
}
