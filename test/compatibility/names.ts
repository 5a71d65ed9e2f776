import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The kinds of names that one process writes and another reads, so that a release must keep them. */
export const nameKinds = ['error', 'outcome', 'field', 'event', 'metric', 'setting', 'tag'] as const
/** One of those kinds. */
export type NameKind = (typeof nameKinds)[number]

/** The parts of fleet/ that only the command uses, whose errors do not leave its process. No function may import them. */
export const commandOnlyGlobs = ['fleet/{audit,cost,doctor,readers}/**', 'fleet/wholeList.ts']

/** @returns every name of each kind in the sources of a release, which are in `folder` */
export function namesIn(folder: string): Record<NameKind, string[]> {
  const read = (pattern: string) =>
    globSync(pattern, { cwd: folder, exclude: commandOnlyGlobs })
      .map(file => readFileSync(join(folder, file), 'utf8'))
      .join('\n')
  const [code, definitions] = [read('{functions,fleet,rotation}/**/*.ts'), read('statemachines/*.asl.json')]
  const all = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, name = '']) => name)
  const options = all(read('rotation/options.ts'), /const OPTION_EXPECTATIONS\b[^=]*= \{\n(.*?)\n\}/gs).join(
    '',
  )
  const settings = read('{functions/**/*,rotation/password}.ts')
  const outcomes = all(code, /type Outcome = ([^\n]+)/g).join(' ')
  const names: Record<NameKind, string[]> = {
    error: all(code, /export class (\w+) extends \w*Error\b/g),
    outcome: [...all(code, /outcome(?::| ===) '(\w+)'/g), ...all(outcomes, /'([\w-]+)'/g)],
    field: [...fieldsOf(definitions), ...all(read('functions/shared/event.ts'), /^\s+([a-z]\w*): v\./gm)],
    event: all(definitions, /"DetailType": "([^"]+)"/g),
    metric: all(code, /\b(?:count|measure)\('([A-Z]\w+)'/g),
    setting: all(settings, /\b((?:KEYTURN|PASSWORD|EXCLUDE|REQUIRE)_[A-Z_]+)\b/g),
    tag: all(options, /^ {2}'?([a-z][\w-]*)'?:/gm).map(key => `keyturn:${key}`),
  }
  for (const kind of nameKinds) names[kind] = [...new Set(names[kind])].sort()
  return names
}

/** @returns the keys that the definitions of state machines give to states and events, and those that they read */
function fieldsOf(definitions: string): string[] {
  const given = [...definitions.matchAll(/^\s*"([a-z]\w*)(?:\.\$)?":/gm)].map(([, key = '']) => key)
  const read = [...definitions.matchAll(/\$\.([a-z][\w.]*)/g)].flatMap(([, path = '']) => path.split('.'))
  return [...given, ...read]
}
