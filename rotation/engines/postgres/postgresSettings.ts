import { escapeIdentifier, escapeLiteral } from 'pg'
import type { PairRoles, Role } from './postgresRoles.ts'

/** What is set for the clone alone and stays, as this session may not take it away: a sentence each. */
export function stayingSettings({ user, clone }: PairRoles): string[] {
  if (!user || !clone) return []
  return unremovableSettings(wantedSettings(user), clone).map(({ database, setting }) => {
    const [parameter] = setting.split('=', 1)
    const where = database === null ? '' : ` in the database ${database}`
    return `${clone.name} keeps its setting of ${parameter}${where}: only a superuser may take it away`
  })
}

type SettingsByDatabase = Map<string | null, string[]>

function unremovableSettings(
  wanted: SettingsByDatabase,
  clone: Role,
): { database: string | null; setting: string }[] {
  const parameter = (setting: string) => setting.slice(0, setting.indexOf('='))
  return clone.settings.flatMap(({ database, fixed = [] }) => {
    const others = new Set(wanted.get(database)?.map(parameter))
    return fixed.filter(setting => !others.has(parameter(setting))).map(setting => ({ database, setting }))
  })
}

/** The settings that the clone of this user is to have. */
function wantedSettings(user: Role): SettingsByDatabase {
  // A user that acts as another role goes on doing so, and so does its clone; one that acts as none is itself.
  const asUser = (setting: string) => (setting === 'role=none' ? `role=${user.name}` : setting)
  const wanted = new Map(user.settings.map(({ database, values }) => [database, values.map(asUser)]))
  const actsIn = (database: string | null) =>
    wanted.get(database)?.some(setting => setting.startsWith('role='))
  // What is set for a role goes before what is set for everybody in a database.
  if (!actsIn(null))
    for (const { database, role } of [...user.roles, { database: null, role: user.name }])
      if (!actsIn(database)) wanted.set(database, [...(wanted.get(database) ?? []), asUser(`role=${role}`)])
  return wanted
}

/** The statements that give the clone the user's settings; none if it has them. */
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
        // These are there still.
        .filter(setting => !fixed.get(database)?.includes(setting))
        .flatMap(setting => setStatements(alter, setting)),
    ]
  })
}

/** By what they say, as a list may have been stored in more than one form. */
const canonicalSettings = (settings: string[] = []) =>
  JSON.stringify(settings.map(setting => settingAssignment(setting)).sort())

/** An empty list cannot be written in SET: '' is a list of one, and a library of that name lets nobody log in. */
function setStatements(alter: string, setting: string): string[] {
  const list = LIST_SETTINGS.find(list => setting.startsWith(`${list}=`))
  if (!list || listElements(setting.slice(list.length + 1)).length)
    return [`${alter} set ${settingAssignment(setting)}`]
  return [`select set_config('${list}', '', true)`, `${alter} set ${list} from current`]
}

/** Settings whose stored value is a list of quoted names. */
const LIST_SETTINGS = [
  'search_path',
  'temp_tablespaces',
  'local_preload_libraries',
  'session_preload_libraries',
]

/**
 * `name=value` as stored, as `name to value` for SET. A user may store any text as a value, so none is pasted in:
 * lists are taken apart and every element quoted.
 */
export function settingAssignment(setting: string, quote = escapeLiteral): string {
  const at = setting.indexOf('=')
  const [name, value] = [setting.slice(0, at), setting.slice(at + 1)]
  const values = LIST_SETTINGS.includes(name) ? listElements(value) : [value]
  return `${name.split('.').map(escapeIdentifier).join('.')} to ${values.map(quote).join(', ')}`
}

function listElements(list: string): string[] {
  const elements = list.matchAll(/"((?:[^"]|"")*)"|[^\s,"]+/g)
  return [...elements].map(([bare, quoted]) => quoted?.replaceAll('""', '"') ?? bare.toLowerCase())
}
