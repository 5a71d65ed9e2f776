import { RotationError, Unexpected, Unreachable } from '../errors.ts'
import { shorten } from '../shorten.ts'
import { type CheckLine, type CheckLineName, type CheckResult, LINE_NAMES } from './line.ts'
import { remedyOf } from './remedies.ts'

/** What a look found: in a sentence, and what those after it need. `warning` is what to do about it. */
export type Finding<T> = { says: string; value: T; warning?: string }

/** Why there is nothing to be found: the server does not tell, or the deployment does not allow the look. */
export type NoFinding = { untold: string }

/** The lines of one check as they come. A look that fails is its line's, and never the caller's. */
export class Report {
  readonly #lines = new Map<CheckLineName, CheckLine>()
  readonly #meaningless = new Set<CheckLineName>()
  #last: CheckLineName = 'tags'
  #isClosed = false
  readonly #onUnexpected: (error: Unexpected) => void

  /** `onUnexpected` gets what no line tells: where an error without a name of ours came from. */
  constructor(onUnexpected: (error: Unexpected) => void = () => {}) {
    this.#onUnexpected = onUnexpected
  }

  /** Notes what is looked at now. @returns false if the report is closed: then nothing more is to be looked at */
  begin(line: CheckLineName): boolean {
    if (!this.#isClosed) this.#last = line
    return !this.#isClosed
  }

  /** Ends it, after so many milliseconds: the look that goes on fails, and no other begins. */
  close(bound: number): void {
    const missing = this.#missingLines()
    const late = missing.includes(this.#last) ? this.#last : missing[0]
    if (late)
      this.fail(
        late,
        new Unreachable(
          `there was no answer within the ${bound / 1000} seconds that all looks have together`,
        ),
      )
    this.#isClosed = true
  }

  /** Runs a look. @returns what it found, in an object; undefined if it failed, was not had, or the report is closed */
  async look<T>(
    line: CheckLineName,
    look: () => Finding<T> | NoFinding | Promise<Finding<T> | NoFinding>,
  ): Promise<{ value: T } | undefined> {
    if (!this.begin(line)) return undefined
    try {
      const found = await look()
      if ('untold' in found) {
        this.add(line, { state: 'not-looked-at', says: found.untold })
        return undefined
      }
      const { says, value, warning } = found
      this.add(line, warning ? { state: 'warning', says, remedy: warning } : { state: 'ok', says })
      return { value }
    } catch (error) {
      this.fail(line, error)
      return undefined
    }
  }

  fail(line: CheckLineName, error: unknown): void {
    const known = error instanceof RotationError ? error : new Unexpected(error)
    const { name, message } = known
    if (known instanceof Unexpected) this.#onUnexpected(known)
    this.add(line, { state: 'failed', says: message, error: name, remedy: remedyOf(line, known) })
  }

  add(line: CheckLineName, { says, remedy, ...rest }: Omit<CheckLine, 'line'>): void {
    if (this.#isClosed) return
    this.#lines.set(line, { line, ...rest, says: shorten(says), ...(remedy && { remedy: shorten(remedy) }) })
  }

  /** These have no meaning for this credential. */
  leaveOut(...lines: CheckLineName[]): void {
    for (const line of lines) this.#meaningless.add(line)
  }

  /** All lines in their order; what was not looked at says after which line. */
  lines(): CheckLine[] {
    const missed = (line: CheckLineName): CheckLine => ({
      line,
      state: 'not-looked-at',
      says: this.#isClosed ? 'there was no time left for it' : 'something before it failed',
    })
    return this.#meaningfulLines().map(line => this.#lines.get(line) ?? missed(line))
  }

  #meaningfulLines(): CheckLineName[] {
    return LINE_NAMES.filter(line => !this.#meaningless.has(line))
  }

  #missingLines(): CheckLineName[] {
    return this.#meaningfulLines().filter(line => !this.#lines.has(line))
  }

  /** The worst of the lines. */
  result(): CheckResult['result'] {
    const states = this.lines().map(({ state }) => state)
    return states.includes('failed') ? 'failed' : states.includes('warning') ? 'warning' : 'ok'
  }
}
