/** After so many milliseconds a step that still goes on is printed again, and again after as many more. */
const REMINDER_INTERVAL_MS = 15_000

/** Prints one line for each step of a long command, after the seconds since its start, and reminds of a step that takes long. */
export class Progress {
  readonly #say: (line: string) => void
  readonly #began = performance.now()
  #step = ''
  #timer: NodeJS.Timeout | undefined

  constructor(say: (line: string) => void) {
    this.#say = say
  }

  /** Whole seconds since this object was made. */
  get seconds(): number {
    return Math.round((performance.now() - this.#began) / 1000)
  }

  /** Prints that a step begins. It lasts until the next one begins, or until `end`. */
  begin(step: string): void {
    this.#step = step
    this.#line(step)
    clearInterval(this.#timer)
    this.#timer = setInterval(() => this.#line(`still: ${this.#step}`), REMINDER_INTERVAL_MS)
  }

  /** Ends the last step: no reminder follows. */
  end(): void {
    clearInterval(this.#timer)
  }

  #line(text: string): void {
    this.#say(`${`${this.seconds}`.padStart(4)} s  ${text}`)
  }
}
