import { expect, test } from 'vitest'
import { programOf } from '../../cli/program.ts'

/** What --help says of the program and each of its commands, on a terminal of so many columns. */
function helpOn(columns: number): string[] {
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
    return text
  })
}

test.each([40, 60, 80])('on %d columns no description is broken within a word', columns => {
  for (const text of helpOn(columns)) {
    const [items = ''] = text.split('\nExit codes:')
    for (const line of items.split('\n').filter(line => /^ +/.test(line)))
      expect(line.length, line).toBeLessThanOrEqual(columns)
  }
})

test('nothing is lost where descriptions stand under their terms', () => {
  const words = (columns: number) => helpOn(columns).map(text => text.split(/\s+/).sort().join(' '))
  expect(words(40)).toEqual(words(100))
})
