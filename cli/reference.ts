import { readFileSync, writeFileSync } from 'node:fs'
import { permissionTables } from './policy/page.ts'
import { makeProgram } from './program.ts'

// `npm run docs` runs this file. It writes the generated parts of docs/cli.md: the help of every command and the tables of
// permissions. Each part is between a comment of BEGIN_MARKS and the END_MARK after it.
const pageUrl = new URL('../docs/cli.md', import.meta.url)
const END_MARK = '<!-- Until here. -->'
const BEGIN_MARKS = {
  help: '<!-- What follows is written by `npm run docs`. -->',
  operators: '<!-- What an operator needs is written by `npm run docs`. -->',
  caretakers: '<!-- What a caretaker needs is written by `npm run docs`. -->',
  promoters: '<!-- What a promotion needs is written by `npm run docs`. -->',
}
/** Columns of the help texts on the page. */
const HELP_WIDTH = 100

/** The text of `keyturn --help`, and of --help of each command, wrapped at this many columns. */
export function helpTexts(columns: number): [name: string, text: string][] {
  const program = makeProgram(() => {})
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

/** The help texts as Markdown, with a heading for each command. */
export const helpMarkdown = (): string =>
  helpTexts(HELP_WIDTH)
    .map(([name, text], index) => `${index ? `### ${name}\n\n` : ''}\`\`\`text\n${text.trimEnd()}\n\`\`\`\n`)
    .join('\n')

/** The text of docs/cli.md with its generated parts up to date. @throws Error unless the page has each pair of marks once */
export function renderPage(): string {
  const { operators, caretakers, promoters } = permissionTables()
  const blocks = {
    help: helpMarkdown(),
    operators: `${operators}\n`,
    caretakers: `${caretakers}\n`,
    promoters: `${promoters}\n`,
  }
  return Object.entries(BEGIN_MARKS).reduce(
    (page, [name, begin]) => replaceBlock(page, begin, blocks[name as keyof typeof blocks]),
    readFileSync(pageUrl, 'utf8'),
  )
}

function replaceBlock(text: string, begin: string, block: string): string {
  const found = text.match(new RegExp(`${begin}\n[^]*?${END_MARK}`, 'g')) ?? []
  if (found.length !== 1)
    throw new Error(`docs/cli.md: there should be one ${begin} with ${END_MARK} after it`)
  return text.replace(`${found}`, () => `${begin}\n\n${block}\n${END_MARK}`)
}

if (import.meta.main) writeFileSync(pageUrl, renderPage())
