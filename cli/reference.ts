import { readFileSync, writeFileSync } from 'node:fs'
import { tables } from './policy/page.ts'
import { programOf } from './program.ts'

const page = new URL('../docs/cli.md', import.meta.url)
const end = '<!-- Until here. -->'
const begins = {
  help: '<!-- What follows is written by `npm run docs`. -->',
  operators: '<!-- What an operator needs is written by `npm run docs`. -->',
  caretakers: '<!-- What a caretaker needs is written by `npm run docs`. -->',
  promoters: '<!-- What a promotion needs is written by `npm run docs`. -->',
}
/** Columns that the help has on the page. */
const WIDTH = 100

/** What --help says of the command and of each of its commands, by their names, where there are so many columns. */
export function helpTexts(columns: number): [name: string, text: string][] {
  const program = programOf(() => {})
  return [program, ...program.commands].map(command => {
    let text = ''
    command.configureOutput({
      writeOut: part => {
        text += part
      },
      getOutHelpWidth: () => columns,
      getOutHasColors: () => false,
    })
    command.outputHelp()
    return [command.name(), text]
  })
}

/** What --help says, of the command and of each of its commands, as Markdown. */
export const reference = (): string =>
  helpTexts(WIDTH)
    .map(([name, text], n) => `${n ? `### ${name}\n\n` : ''}\`\`\`text\n${text.trimEnd()}\n\`\`\`\n`)
    .join('\n')

/** The page with its reference and its tables as the commands are now. @throws if it has no place for one, or two */
export function written(): string {
  const { operators, caretakers, promoters } = tables()
  const blocks = {
    help: reference(),
    ...{ operators: `${operators}\n`, caretakers: `${caretakers}\n`, promoters: `${promoters}\n` },
  }
  return Object.entries(begins).reduce(
    (page, [name, begin]) => withBetween(page, begin, blocks[name as keyof typeof blocks]),
    readFileSync(page, 'utf8'),
  )
}

function withBetween(text: string, begin: string, block: string): string {
  const found = text.match(new RegExp(`${begin}\n[^]*?${end}`, 'g')) ?? []
  if (found.length !== 1) throw new Error(`docs/cli.md: there should be one ${begin} with ${end} after it`)
  return text.replace(`${found}`, () => `${begin}\n\n${block}\n${end}`)
}

if (import.meta.main) writeFileSync(page, written())
