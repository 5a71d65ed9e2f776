import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** What some work cost: milliseconds by the clock, milliseconds of CPU time, and the peak memory of the process so far in bytes. */
export type ProcessCost = { wall: number; cpu: number; memory: number }

/** Milliseconds that an answer may take. It is more than a step takes whose logins all time out after five seconds. */
const ANSWER_TIMEOUT_MS = 60_000

/** A process that answers each line of JSON with a line of JSON. It ends when its stdin closes, so also when this process ends. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcessWithoutNullStreams
  /** Set when the process has ended. */
  #ended: Error | undefined
  /** Resolved with the answer to the order that was sent last. */
  #answered: PromiseWithResolvers<string> | undefined
  /** Settles when the last order is answered. */
  #last: Promise<unknown> = Promise.resolve()

  /** Starts the process. @param env all of its environment variables */
  constructor([command = '', ...args]: string[], env: NodeJS.ProcessEnv) {
    this.#process = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
    // Its stderr is dropped, as it may contain secret values.
    this.#process.stderr.resume()
    this.#process.stdin.on('error', () => {})
    const lines = createInterface({ input: this.#process.stdout })
    lines.on('line', line => this.#answered?.resolve(line))
    const end = (error: Error) => {
      this.#ended ??= error
      this.#answered?.reject(this.#ended)
    }
    this.#process.on('error', end)
    lines.on('close', () => end(new Error(`${command} ended before it answered`)))
  }

  /**
   * Sends an order once all earlier ones are answered.
   * @throws Error if the process ends before it answers, or does not answer within a minute
   */
  ask<Answer>(order: object): Promise<Answer> {
    const answer = this.#last.then(() => this.#ask(order))
    this.#last = answer.catch(() => {})
    return answer as Promise<Answer>
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.stdin.end()
    const kill = setTimeout(() => this.#process.kill('SIGKILL'), 5_000)
    if (this.#process.exitCode === null && this.#process.signalCode === null)
      await once(this.#process, 'exit')
    clearTimeout(kill)
  }

  async #ask(order: object): Promise<unknown> {
    if (this.#ended) throw this.#ended
    const answered = Promise.withResolvers<string>()
    const { promise, reject } = answered
    this.#answered = answered
    const timeout = setTimeout(() => reject(new Error('no answer came within a minute')), ANSWER_TIMEOUT_MS)
    this.#process.stdin.write(`${JSON.stringify(order)}\n`)
    try {
      return JSON.parse(await promise)
    } finally {
      clearTimeout(timeout)
    }
  }
}
