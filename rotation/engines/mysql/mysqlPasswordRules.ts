/** The values of a MySQL server's global variables by their names. */
export type GlobalVariables = Record<string, string>

/**
 * The prefixes of the variables of validate_password: the component's have a dot, those of the older plugin an underscore
 * (https://dev.mysql.com/doc/refman/8.4/en/validate-password-transitioning.html).
 */
const VARIABLE_PREFIXES = ['validate_password.', 'validate_password_']

/**
 * Checks whether validate_password would accept `password` of `user` in the place of `replaced`. The check runs here, because
 * asking the server would show the password in a statement. A rule that cannot be checked here counts as broken.
 * https://dev.mysql.com/doc/refman/8.4/en/validate-password-options-variables.html
 * @returns the variable of the first broken rule; undefined if there is none
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
      // The dictionary is a file on the server, whose words cannot be read.
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
  const replacedLower = replaced.toLowerCase()
  const newCharacters = new Set(
    (password.toLowerCase().match(ASCII_CHARACTERS) ?? []).filter(one => !replacedLower.includes(one)),
  )
  return [
    { name: 'length', kept: [...password].length >= length },
    { name: 'check_user_name', kept: setting('check_user_name') !== 'ON' || !names.includes(password) },
    {
      name: 'changed_characters_percentage',
      kept: newCharacters.size >= Math.floor((Math.max(length, replaced.length) * percentage) / 100),
    },
  ]
}

/** The characters that count as new. Others do not, because the server ignores their case by tables of its own. */
const ASCII_CHARACTERS = /[ -~]/g

function characterRules(setting: ReadSetting, password: string): Rule[] {
  const countRule = (characters: RegExp, name: string) => ({
    name,
    kept: (password.match(characters) ?? []).length >= Number(setting(name)),
  })
  return [
    countRule(/[a-z]/g, 'mixed_case_count'),
    countRule(/[A-Z]/g, 'mixed_case_count'),
    countRule(/\d/g, 'number_count'),
    countRule(/[ -/:-@[-`{-~]/g, 'special_char_count'),
  ]
}
