import type { Command, Option } from 'commander'

/**
 * What may be completed at the cursor: one of these words, or, with the options typed so far, the name of a stage or the id of a
 * credential, which AWS has to be asked for.
 */
export type ExpectedWord =
  | { kind: 'words'; words: string[] }
  | { kind: 'stages' | 'ids'; options: Record<string, string> }

/**
 * Finds out what may be completed at the cursor.
 * @param before the complete words before the cursor, without `keyturn`
 * @param word the beginning of the word at the cursor
 */
export function expectedWord(program: Command, before: string[], word: string): ExpectedWord {
  const options: Record<string, string> = {}
  let command = program
  /** The option whose value the next word is, if there is one. */
  let openOption: Option | undefined
  for (const each of before) {
    if (openOption) {
      options[openOption.attributeName()] = each
      openOption = undefined
    } else if (each.startsWith('-')) {
      const [name = '', value] = each.split('=')
      const option = optionsOf(program, command).find(({ long }) => long === name)
      if (option?.required && value !== undefined) options[option.attributeName()] = value
      else if (option?.required) openOption = option
    } else if (command === program) command = program.commands.find(one => one.name() === each) ?? command
  }
  if (openOption)
    return openOption.long === '--stage'
      ? { kind: 'stages', options }
      : { kind: 'words', words: openOption.argChoices ?? [] }
  if (word.startsWith('-'))
    return { kind: 'words', words: optionsOf(program, command).flatMap(({ long }) => long ?? []) }
  if (command === program) return { kind: 'words', words: program.commands.map(each => each.name()) }
  const [argument] = command.registeredArguments
  if (argument?.argChoices) return { kind: 'words', words: argument.argChoices }
  return argument?.name() === 'ID' ? { kind: 'ids', options } : { kind: 'words', words: [] }
}

const optionsOf = (program: Command, command: Command): Option[] =>
  [...new Set([command, program])].flatMap(each => each.createHelp().visibleOptions(each))
