import { stripVTControlCharacters, styleText } from 'node:util'
import { minuteOf } from '../fleet/minute.ts'
import type { CommandError } from './exit.ts'
import { tableLines, wrapText } from './layout.ts'

/** A stream that a command prints to: process.stdout, process.stderr, or the stream of a test. */
export type OutputStream = {
  write(text: string): unknown
  isTTY?: boolean | undefined
  columns?: number | undefined
  rows?: number | undefined
}
type Style = Parameters<typeof styleText>[0]

/** Columns that a terminal is taken to have at least. */
const MIN_WIDTH = 40

/** Prints what a command has to say: its result on stdout, remarks and errors on stderr. */
export class Output {
  readonly #out: OutputStream
  readonly #err: OutputStream
  readonly #env: NodeJS.ProcessEnv

  constructor(out: OutputStream, err: OutputStream, env: NodeJS.ProcessEnv) {
    this.#out = out
    this.#err = err
    this.#env = env
  }

  /** Whether stdout is a terminal on which a line can be overwritten. */
  get isInteractive(): boolean {
    return this.#out.isTTY === true && this.#env.TERM !== 'dumb'
  }

  /** Columns of the terminal; infinite for a pipe or a file. */
  get width(): number {
    return widthOf(this.#out)
  }

  /** Lines of the terminal; infinite for a pipe or a file. */
  get height(): number {
    return this.#out.isTTY ? (this.#out.rows ?? 24) : Number.POSITIVE_INFINITY
  }

  /** Prints a line of the result, wrapped at the width of the terminal. @param indent blanks before each continued line */
  line(text = '', indent = 0): void {
    this.#out.write(`${wrapText(text, this.width, indent).join('\n')}\n`)
  }

  /** Prints a line without wrapping, such as a command that the user copies. */
  unwrappedLine(text: string): void {
    this.#out.write(`${text}\n`)
  }

  /** Clears the terminal. */
  clear(): void {
    this.#out.write('\u001b[2J\u001b[H')
  }

  /** Prints how far a command is, on a line of stderr that the next output overwrites; nothing if stderr is no terminal. */
  progress(text: string): void {
    if (this.#err.isTTY) this.#err.write(`\r${sanitize(text)}\u001b[K\r`)
  }

  /** Prints the result as a JSON document. */
  json(document: unknown): void {
    this.#out.write(`${JSON.stringify(document, undefined, 2)}\n`)
  }

  /** Prints a table that fits the width of the terminal. */
  table(head: string[], rows: string[][]): void {
    for (const line of tableLines(head, rows, this.width)) this.#out.write(`${line}\n`)
  }

  /**
   * Prints a remark that is no part of the result. The continued lines of an indented remark are indented by two more blanks, so
   * that they do not look like another remark.
   */
  note(text: string): void {
    const lead = text.length - text.trimStart().length
    const indent = lead && lead + 2
    this.#err.write(`${wrapText(sanitize(text), widthOf(this.#err), indent).join('\n')}\n`)
  }

  /** Prints what went wrong, and in a second line what to do. */
  error({ message, remedy }: Pick<CommandError, 'message' | 'remedy'>): void {
    this.note(`keyturn: ${message}`)
    if (remedy) this.note(remedy)
  }

  /** The text in a style, if the terminal shows styles and NO_COLOR is not set; else the text unchanged. */
  styled(style: Style, text: string): string {
    const hasStyles = this.isInteractive && !this.#env.NO_COLOR
    return hasStyles ? styleText(style, text, { validateStream: false }) : text
  }
}

const widthOf = ({ isTTY, columns }: OutputStream) =>
  isTTY ? Math.max(MIN_WIDTH, columns ?? 80) : Number.POSITIVE_INFINITY

/**
 * Makes text from elsewhere safe to print: on one line, without control characters, which could move the cursor, and without
 * the marks that reverse the direction of text, which could hide some of it.
 */
export const sanitize = (text: string): string =>
  stripVTControlCharacters(text)
    .replaceAll(/[\t\r\n\u2028\u2029]+/g, ' ')
    .replaceAll(/[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '')

/** A time to the minute, in UTC, as the command prints it. */
export const formatTime = (date: Date): string => minuteOf(date.toISOString())

/** A duration in its most fitting unit, such as `3.2 s`, `45 min` or `2 h`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${milliseconds} ms`
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`
  const minutes = Math.round(milliseconds / 60_000)
  if (minutes < 120) return `${minutes} min`
  const hours = Math.round(minutes / 60)
  return hours < 72 ? `${hours} h` : `${Math.round(hours / 24)} days`
}
