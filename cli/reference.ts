import { readFileSync, writeFileSync } from 'node:fs'
import { programOf } from './program.ts'

const page = new URL('../docs/cli.md', import.meta.url)
const [begin, end] = ['<!-- What follows is written by `npm run docs`. -->', '<!-- Until here. -->']
/** Columns that the help has on the page. */
const WIDTH = 100

/** What --help says, of the command and of each of its commands, as Markdown. */
export function reference(): string {
  const program = programOf(() => {})
  return [program, ...program.commands]
    .map(command => {
      let text = ''
      command.configureOutput({
        writeOut: part => {
          text += part
        },
        getOutHelpWidth: () => WIDTH,
        getOutHasColors: () => false,
      })
      command.outputHelp()
      const title = command === program ? '' : `### ${command.name()}\n\n`
      return `${title}\`\`\`text\n${text.trimEnd()}\n\`\`\`\n`
    })
    .join('\n')
}

/** The page with its reference as the commands are now. @throws if it has no place for that, or two */
export function written(): string {
  const text = readFileSync(page, 'utf8')
  const found = text.match(new RegExp(`${begin}\n[^]*?${end}`, 'g')) ?? []
  if (found.length !== 1) throw new Error(`docs/cli.md: there should be one ${begin} with ${end} after it`)
  return text.replace(`${found}`, () => `${begin}\n\n${reference()}\n${end}`)
}

if (import.meta.main) writeFileSync(page, written())
