import { describe, expect, test } from 'vitest'
import { CommandError, EXIT, EXIT_MEANINGS, worstExitCode } from '../../cli/exit.ts'
import { tableLines, wrapText } from '../../cli/layout.ts'
import { formatTime, Output, sanitize } from '../../cli/output.ts'

/** An output on a terminal of this width, or into a pipe, and what it has printed. */
function outputOn(columns: number | undefined, env: NodeJS.ProcessEnv = {}) {
  const printed = { out: '', err: '' }
  const stream = (name: keyof typeof printed) => ({
    write: (text: string) => (printed[name] += text),
    isTTY: columns !== undefined,
    columns,
  })
  return { printed, output: new Output(stream('out'), stream('err'), env) }
}

test.each([
  ['a\u001b[31mred\u001b[0m', 'ared'],
  ['a\u001b]0;title\u0007b', 'ab'],
  ['two\nlines\tand\r\nmore', 'two lines and more'],
  ['over\u0008\u007f\u009b2Jwritten', 'overwritten'],
  ['right\u202eleft\u2066', 'rightleft'],
  ['Größe 大', 'Größe 大'],
])('%j is printed as %j', (text, shown) => {
  expect(sanitize(text)).toBe(shown)
})

test('text from AWS cannot move the cursor, wherever it is printed', () => {
  const { printed, output } = outputOn(80)
  output.error(new CommandError(EXIT.failed, 'no\u001b[2J', 'do\u001b[1A\nthis'))
  expect(printed.err).toBe('keyturn: no\ndo this\n')
})

test('lines are wrapped at the width of a terminal, and not in a pipe', () => {
  const text =
    'a word and another, then averyveryverylongwordthatnoterminalhasroomforatallaveryverylongone end'
  for (const line of wrapText(text, 40, 2)) expect(line.length).toBeLessThanOrEqual(40)
  expect(wrapText(text, 40).join(' ').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''))
  const { printed, output } = outputOn(undefined)
  output.line(text)
  expect(printed.out).toBe(`${text}\n`)
  // A narrower terminal counts as one of this width.
  const narrow = outputOn(10)
  narrow.output.line(text)
  expect(narrow.printed.out.split('\n')[0]?.length).toBeGreaterThan(20)
})

test('a wrapped remark is indented further than the next remark', () => {
  const { printed, output } = outputOn(40)
  for (const text of [
    'one remark that is too long for a line',
    '  TagResource  one call that is far too long',
    '  next',
  ])
    output.note(text)
  const lines = [
    'one remark that is too long for a line',
    '  TagResource  one call that is far too',
    '    long',
    '  next',
  ]
  expect(printed.err).toBe(`${lines.join('\n')}\n`)
})

const head = ['credential', 'store', 'last rotated', 'state']
const rows = [
  ['shop/database', 'secrets-manager', '2026-11-29 18:40 UTC', 'rotated'],
  ['/a/very/long/name/of/a/parameter/in/a/path', 'parameter-store', '', 'The rotation failed; unharmed.'],
]

test.each([40, 60, 80, 200])('a table keeps within %i columns and loses nothing', width => {
  const lines = tableLines(head, rows, width)
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(width)
  const letters = (texts: string[]) => [...texts.join('').replaceAll(' ', '')].sort().join('')
  expect(letters(lines)).toBe(letters([...head, ...rows.flat()]))
})

test('a table in a pipe has one line for each row', () => {
  const { printed, output } = outputOn(undefined)
  output.table(head, rows)
  expect(printed.out.trimEnd().split('\n')).toHaveLength(3)
  expect(printed.out.split('\n')[1]).toMatch(
    /^shop\/database {2,}secrets-manager {2}2026-11-29 18:40 UTC {2}rotated$/,
  )
})

test.each([
  [80, {}, true],
  [80, { NO_COLOR: '1' }, false],
  [80, { TERM: 'dumb' }, false],
  [undefined, {}, false],
])('on %s columns with %j, colours: %s', (columns, env, coloured) => {
  const { output } = outputOn(columns, env)
  expect(output.styled('red', 'x') !== 'x').toBe(coloured)
})

test('the worst of several codes is the exit code of the command', () => {
  expect(worstExitCode([])).toBe(0)
  expect(worstExitCode([0, 5])).toBe(5)
  expect(worstExitCode([5, 4, 0])).toBe(4)
  expect(worstExitCode([4, 3, 1, 2, 5])).toBe(1)
  expect(worstExitCode([2, 3])).toBe(3)
  expect(Object.keys(EXIT_MEANINGS).map(Number)).toEqual(Object.values(EXIT))
})

test('a time is printed to the minute, in UTC', () => {
  expect(formatTime(new Date('2026-11-29T18:40:59.999Z'))).toBe('2026-11-29 18:40 UTC')
})

describe('a document', () => {
  test('is a single one, and is not wrapped', () => {
    const { printed, output } = outputOn(40)
    const document = { text: 'x'.repeat(100), at: new Date(0) }
    output.json(document)
    expect(JSON.parse(printed.out)).toEqual({ text: document.text, at: '1970-01-01T00:00:00.000Z' })
  })
})

test('how far a command is goes to a terminal only, as it moves the cursor', () => {
  const onTerminal = outputOn(80)
  onTerminal.output.progress('5 of 10')
  expect(onTerminal.printed.err).toBe('\r5 of 10\u001b[K\r')
  const inFile = outputOn(undefined)
  inFile.output.progress('5 of 10')
  expect(inFile.printed.err).toBe('')
})
