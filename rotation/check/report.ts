import { RotationError, Unexpected } from '../errors.ts'
import { short } from '../short.ts'
import { type Checked, type Line, type LineName, lineNames } from './line.ts'
import { remedyOf } from './remedies.ts'

/** What a look found: in a sentence, and what those after it need. `warning` is what to do about it. */
export type Found<T> = { says: string; value: T; warning?: string }

/** Why there is nothing to be found: the server does not tell, or the deployment does not allow the look. */
export type Untold = { untold: string }

/** The lines of one check as they come. A look that fails is its line's, and never the caller's. */
export class Report {
  readonly #lines = new Map<LineName, Line>()
  readonly #meaningless = new Set<LineName>()

  /** Runs a look. @returns what it found, in an object; undefined if it failed, or was not had */
  async look<T>(
    line: LineName,
    look: () => Found<T> | Untold | Promise<Found<T> | Untold>,
  ): Promise<{ value: T } | undefined> {
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

  fail(line: LineName, error: unknown): void {
    const { name, message } = error instanceof RotationError ? error : new Unexpected(error)
    this.add(line, { state: 'failed', says: message, error: name, remedy: remedyOf(line, name) })
  }

  add(line: LineName, { says, remedy, ...rest }: Omit<Line, 'line'>): void {
    this.#lines.set(line, { line, ...rest, says: short(says), ...(remedy && { remedy: short(remedy) }) })
  }

  /** These have no meaning for this credential. */
  leaveOut(...lines: LineName[]): void {
    for (const line of lines) this.#meaningless.add(line)
  }

  /** All lines in their order; what was not looked at says after which line. */
  lines(): Line[] {
    const missed = (line: LineName): Line => ({
      line,
      state: 'not-looked-at',
      says: 'something before it failed',
    })
    return lineNames
      .filter(line => !this.#meaningless.has(line))
      .map(line => this.#lines.get(line) ?? missed(line))
  }

  /** The worst of the lines. */
  result(): Checked['result'] {
    const states = this.lines().map(({ state }) => state)
    return states.includes('failed') ? 'failed' : states.includes('warning') ? 'warning' : 'ok'
  }
}
