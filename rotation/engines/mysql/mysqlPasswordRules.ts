/** Global variables of a MySQL server, by their names. */
export type GlobalVariables = Record<string, string>

/** The component names its variables with a dot, the plugin that it replaces with an underscore. */
const VARIABLE_PREFIXES = ['validate_password.', 'validate_password_']

/**
 * Whether validate_password would take `password` from `user` in the place of `replaced`, worked out here: asking the
 * server would show it the password in a statement. What cannot be known here counts as a refusal.
 * @returns the variable that stands against it; undefined if none does
 */
export function findBrokenRule(
  settings: GlobalVariables,
  user: string,
  password: string,
  replaced: string,
): string | undefined {
  for (const prefix of VARIABLE_PREFIXES) {
    const policy = settings[`${prefix}policy`]
    if (policy === undefined) continue
    const setting = (name: string) => settings[prefix + name] ?? ''
    const rules = [
      ...basicRules(setting, user, password, replaced),
      ...(policy === 'LOW' ? [] : characterRules(setting, password)),
      // The words are in a file of the server.
      { name: 'dictionary_file', kept: policy !== 'STRONG' || setting('dictionary_file') === '' },
    ]
    const broken = rules.find(({ kept }) => !kept)
    if (broken) return prefix + broken.name
  }
  return undefined
}

type Rule = { name: string; kept: boolean }
type ReadSetting = (name: string) => string

function basicRules(setting: ReadSetting, user: string, password: string, replaced: string): Rule[] {
  const names = [user, [...user].reverse().join('')]
  const length = Number(setting('length'))
  const percentage = Number(setting('changed_characters_percentage'))
  const before = replaced.toLowerCase()
  const fresh = new Set(
    (password.toLowerCase().match(ASCII_CHARACTERS) ?? []).filter(one => !before.includes(one)),
  )
  return [
    { name: 'length', kept: [...password].length >= length },
    { name: 'check_user_name', kept: setting('check_user_name') !== 'ON' || !names.includes(password) },
    {
      name: 'changed_characters_percentage',
      kept: fresh.size >= Math.floor((Math.max(length, replaced.length) * percentage) / 100),
    },
  ]
}

/** Of other scripts the server knows capitals as well, by tables of its own: they do not count here. */
const ASCII_CHARACTERS = /[ -~]/g

function characterRules(setting: ReadSetting, password: string): Rule[] {
  const enough = (kind: RegExp, name: string) => ({
    name,
    kept: (password.match(kind) ?? []).length >= Number(setting(name)),
  })
  return [
    enough(/[a-z]/g, 'mixed_case_count'),
    enough(/[A-Z]/g, 'mixed_case_count'),
    enough(/\d/g, 'number_count'),
    enough(/[ -/:-@[-`{-~]/g, 'special_char_count'),
  ]
}
