/** How often it is said that a step still goes on, in milliseconds. */
const REMINDER_INTERVAL_MS = 15_000

/** Says what goes on, a line each, after the seconds since the beginning; and now and then that it still does. */
export class Progress {
  readonly #say: (line: string) => void
  readonly #began = performance.now()
  #step = ''
  #timer: NodeJS.Timeout | undefined

  constructor(say: (line: string) => void) {
    this.#say = say
  }

  /** Seconds so far. */
  get seconds(): number {
    return Math.round((performance.now() - this.#began) / 1000)
  }

  begin(step: string): void {
    this.#step = step
    this.#line(step)
    clearInterval(this.#timer)
    this.#timer = setInterval(() => this.#line(`still: ${this.#step}`), REMINDER_INTERVAL_MS)
  }

  /** Nothing more is said. */
  end(): void {
    clearInterval(this.#timer)
  }

  #line(text: string): void {
    this.#say(`${`${this.seconds}`.padStart(4)} s  ${text}`)
  }
}
