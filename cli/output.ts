import { stripVTControlCharacters, styleText } from 'node:util'
import { minuteOf } from '../fleet/minute.ts'
import type { CommandError } from './exit.ts'

/** What a command writes to, as far as it matters here: process.stdout and process.stderr, or a test's. */
export type OutputStream = {
  write(text: string): unknown
  isTTY?: boolean | undefined
  columns?: number | undefined
  rows?: number | undefined
}
type Style = Parameters<typeof styleText>[0]

/** Narrower than this no terminal is. */
const MIN_WIDTH = 40

/** What a command prints: results on stdout, and whatever else it has to say on stderr. */
export class Output {
  readonly #out: OutputStream
  readonly #err: OutputStream
  readonly #env: NodeJS.ProcessEnv

  constructor(out: OutputStream, err: OutputStream, env: NodeJS.ProcessEnv) {
    this.#out = out
    this.#err = err
    this.#env = env
  }

  /** Whether somebody looks on, so that what is shown may change in place. */
  get isInteractive(): boolean {
    return this.#out.isTTY === true && this.#env.TERM !== 'dumb'
  }

  /** Columns of the terminal; a pipe has no end. */
  get width(): number {
    return widthOf(this.#out)
  }

  /** Lines of the terminal; a pipe has no end. */
  get height(): number {
    return this.#out.isTTY ? (this.#out.rows ?? 24) : Number.POSITIVE_INFINITY
  }

  /** A line of the result, wrapped where the terminal ends; what goes on is indented as `indent` says. */
  line(text = '', indent = 0): void {
    this.#out.write(`${wrapText(text, this.width, indent).join('\n')}\n`)
  }

  /** A command to paste: it stays one line, wherever the terminal breaks it. */
  unwrappedLine(text: string): void {
    this.#out.write(`${text}\n`)
  }

  /** Begins a new screen. */
  clear(): void {
    this.#out.write('\u001b[2J\u001b[H')
  }

  /** A remark on how far it is, over which the next thing is written. */
  progress(text: string): void {
    this.#err.write(`\r${sanitize(text)}\u001b[K\r`)
  }

  /** The result, for a program: one document. */
  json(document: unknown): void {
    this.#out.write(`${JSON.stringify(document, undefined, 2)}\n`)
  }

  /** Rows under a head, as wide as the terminal. */
  table(head: string[], rows: string[][]): void {
    for (const line of tableLines(head, rows, this.width)) this.#out.write(`${line}\n`)
  }

  /** A remark that is no part of the result; what goes on of an indented one is indented more, as another one would begin there. */
  note(text: string): void {
    const lead = text.length - text.trimStart().length
    const indent = lead && lead + 2
    this.#err.write(`${wrapText(sanitize(text), widthOf(this.#err), indent).join('\n')}\n`)
  }

  /** What went wrong, and in a second line what to do. */
  error({ message, remedy }: Pick<CommandError, 'message' | 'remedy'>): void {
    this.note(`keyturn: ${message}`)
    if (remedy) this.note(remedy)
  }

  /** The text in a colour, where there are colours. */
  styled(style: Style, text: string): string {
    const coloured = this.isInteractive && !this.#env.NO_COLOR
    return coloured ? styleText(style, text, { validateStream: false }) : text
  }
}

const widthOf = ({ isTTY, columns }: OutputStream) =>
  isTTY ? Math.max(MIN_WIDTH, columns ?? 80) : Number.POSITIVE_INFINITY

/** Text that others wrote, fit for a terminal: on one line, without what would move the cursor or hide something. */
export const sanitize = (text: string): string =>
  stripVTControlCharacters(text)
    .replaceAll(/[\t\r\n\u2028\u2029]+/g, ' ')
    .replaceAll(/[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '')

/** How many columns a text takes; colours take none. */
const columnCount = (text: string) => stripVTControlCharacters(text).length

/** A text in lines of this width, broken between words, or within one that is longer than a line. */
export function wrapText(text: string, width: number, indent = 0): string[] {
  const lines: string[] = []
  const [lead = ''] = /^ */.exec(text) ?? []
  let line = lead
  for (const word of text.slice(lead.length).split(' ')) {
    const longer = line === lead ? line + word : `${line} ${word}`
    if (line.trim() !== '' && columnCount(longer) > width) {
      lines.push(line)
      line = ' '.repeat(indent) + word
    } else line = longer
    while (columnCount(line) > width && !line.includes('\u001b')) {
      lines.push(line.slice(0, width))
      line = ' '.repeat(indent) + line.slice(width)
    }
  }
  return [...lines, line]
}

/** Columns as wide as what is in them; if the terminal is narrower, the widest give way and their cells wrap. */
export function tableLines(head: string[], rows: string[][], width: number): string[] {
  const all = [head, ...rows]
  const widths = head.map((_, n) => Math.max(...all.map(row => columnCount(row[n] ?? ''))))
  const gaps = 2 * (head.length - 1)
  const sum = () => widths.reduce((total, width) => total + width, gaps)
  for (let widest = Math.max(...widths); sum() > width && widest > 4; widest = Math.max(...widths))
    widths[widths.indexOf(widest)] = widest - 1
  return all.flatMap(row => {
    const cells = widths.map((width, n) => wrapText(row[n] ?? '', width))
    const height = Math.max(...cells.map(lines => lines.length))
    return Array.from({ length: height }, (_, i) =>
      cells
        .map((lines, n) => {
          const text = lines[i] ?? ''
          return text + ' '.repeat(Math.max(0, (widths[n] ?? 0) - columnCount(text)))
        })
        .join('  ')
        .trimEnd(),
    )
  })
}

/** A moment, for a person. */
export const formatTime = (date: Date): string => minuteOf(date.toISOString())
