import type { Command, Option } from 'commander'

/** What may stand at the cursor, as far as the words before it tell: these, or names that AWS has. */
export type ExpectedWord =
  | { kind: 'words'; words: string[] }
  | { kind: 'stages' | 'ids'; options: Record<string, string> }

/** What may follow on `before`, in a word that begins with `word`. */
export function expectedWord(program: Command, before: string[], word: string): ExpectedWord {
  const options: Record<string, string> = {}
  let command = program
  let open: Option | undefined
  for (const each of before) {
    if (open) {
      options[open.attributeName()] = each
      open = undefined
    } else if (each.startsWith('-')) {
      const [name = '', value] = each.split('=')
      const option = optionsOf(program, command).find(({ long }) => long === name)
      if (option?.required && value !== undefined) options[option.attributeName()] = value
      else if (option?.required) open = option
    } else if (command === program) command = program.commands.find(one => one.name() === each) ?? command
  }
  if (open)
    return open.long === '--stage'
      ? { kind: 'stages', options }
      : { kind: 'words', words: open.argChoices ?? [] }
  if (word.startsWith('-'))
    return { kind: 'words', words: optionsOf(program, command).flatMap(({ long }) => long ?? []) }
  if (command === program) return { kind: 'words', words: program.commands.map(each => each.name()) }
  const [argument] = command.registeredArguments
  if (argument?.argChoices) return { kind: 'words', words: argument.argChoices }
  return argument?.name() === 'ID' ? { kind: 'ids', options } : { kind: 'words', words: [] }
}

const optionsOf = (program: Command, command: Command): Option[] =>
  [...new Set([command, program])].flatMap(each => each.createHelp().visibleOptions(each))
