import { RotationError, Unexpected, Unreachable } from '../errors.ts'
import { shorten } from '../shorten.ts'
import { type CheckLine, type CheckLineName, type CheckResult, LINE_NAMES } from './line.ts'
import { remedyOf } from './remedies.ts'

/**
 * What one look saw: `says` tells it in a sentence, and `value` is for the looks after it. If there is a `remedy`, which says what
 * to do about it, the line is a warning.
 */
export type Seen<T> = { says: string; value: T; remedy?: string }

/** A look that saw nothing. `notSeen` says why: the server does not tell, or the deployment does not allow the look. */
export type NotSeen = { notSeen: string }

/** Collects the lines of one check. The error of a look becomes its line, and is not thrown to the caller. */
export class Report {
  readonly #lines = new Map<CheckLineName, CheckLine>()
  readonly #meaningless = new Set<CheckLineName>()
  #last: CheckLineName = 'tags'
  #isClosed = false
  readonly #onUnexpected: (error: Unexpected) => void

  /** @param onUnexpected gets each Unexpected error with its stack, which a line does not show */
  constructor(onUnexpected: (error: Unexpected) => void = () => {}) {
    this.#onUnexpected = onUnexpected
  }

  /** Begins a line. @returns false if the report is closed, so that nothing more may be looked at */
  begin(line: CheckLineName): boolean {
    if (!this.#isClosed) this.#last = line
    return !this.#isClosed
  }

  /**
   * Closes the report when the time is over, after `timeoutMs` milliseconds. The line that was begun last fails; if that one was
   * added already, the first line that is missing.
   */
  close(timeoutMs: number): void {
    const missing = this.#missingLines()
    const unfinished = missing.includes(this.#last) ? this.#last : missing[0]
    if (unfinished)
      this.fail(
        unfinished,
        new Unreachable(
          `there was no answer within the ${timeoutMs / 1000} seconds that all looks have together`,
        ),
      )
    this.#isClosed = true
  }

  /**
   * Runs a look and adds its line.
   * @returns the value that it saw, in an object; undefined if it failed or saw nothing, or the report is closed
   */
  async look<T>(
    line: CheckLineName,
    look: () => Seen<T> | NotSeen | Promise<Seen<T> | NotSeen>,
  ): Promise<{ value: T } | undefined> {
    if (!this.begin(line)) return undefined
    try {
      const seen = await look()
      if ('notSeen' in seen) {
        this.add(line, { state: 'not-looked-at', says: seen.notSeen })
        return undefined
      }
      const { says, value, remedy } = seen
      this.add(line, remedy ? { state: 'warning', says, remedy } : { state: 'ok', says })
      return { value }
    } catch (error) {
      this.fail(line, error)
      return undefined
    }
  }

  /** Adds a line that failed, with the remedy for its error. */
  fail(line: CheckLineName, error: unknown): void {
    const failure = error instanceof RotationError ? error : new Unexpected(error)
    const { name, message } = failure
    if (failure instanceof Unexpected) this.#onUnexpected(failure)
    this.add(line, { state: 'failed', says: message, error: name, remedy: remedyOf(line, failure) })
  }

  /** Adds a line, or replaces it. A closed report takes none. */
  add(line: CheckLineName, { says, remedy, ...rest }: Omit<CheckLine, 'line'>): void {
    if (this.#isClosed) return
    this.#lines.set(line, { line, ...rest, says: shorten(says), ...(remedy && { remedy: shorten(remedy) }) })
  }

  /** Leaves lines out of the report that have no meaning for this credential. */
  leaveOut(...lines: CheckLineName[]): void {
    for (const line of lines) this.#meaningless.add(line)
  }

  /** All lines in their order. A line that was not checked says why. */
  lines(): CheckLine[] {
    const uncheckedLine = (line: CheckLineName): CheckLine => ({
      line,
      state: 'not-looked-at',
      says: this.#isClosed ? 'there was no time left for it' : 'something before it failed',
    })
    return this.#meaningfulLines().map(line => this.#lines.get(line) ?? uncheckedLine(line))
  }

  #meaningfulLines(): CheckLineName[] {
    return LINE_NAMES.filter(line => !this.#meaningless.has(line))
  }

  #missingLines(): CheckLineName[] {
    return this.#meaningfulLines().filter(line => !this.#lines.has(line))
  }

  /** The worst state of the lines. */
  result(): CheckResult['result'] {
    const states = this.lines().map(({ state }) => state)
    return states.includes('failed') ? 'failed' : states.includes('warning') ? 'warning' : 'ok'
  }
}
