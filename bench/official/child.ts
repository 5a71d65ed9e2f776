import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** What a piece of work took: milliseconds by the clock and of the processors, and the most bytes the process had so far. */
export type ProcessCost = { wall: number; cpu: number; memory: number }

/** Milliseconds that an answer may take: more than the logins of one step that all wait five seconds in vain. */
const ANSWER_TIMEOUT_MS = 60_000

/** A process that answers one line of JSON by another. It ends when its standard input does: so also when this process does. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcessWithoutNullStreams
  /** Why nothing will be answered any more. */
  #ended: Error | undefined
  #answered: PromiseWithResolvers<string> | undefined
  #last: Promise<unknown> = Promise.resolve()

  /** `env` is all of its environment. */
  constructor([command = '', ...words]: string[], env: NodeJS.ProcessEnv) {
    this.#process = spawn(command, words, { env, stdio: ['pipe', 'pipe', 'pipe'] })
    // What it says there can have a value in it.
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

  /** Asks after all that was asked before is answered. @throws if the process ends instead, or takes longer than a minute */
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
    const late = setTimeout(() => reject(new Error('no answer came within a minute')), ANSWER_TIMEOUT_MS)
    this.#process.stdin.write(`${JSON.stringify(order)}\n`)
    try {
      return JSON.parse(await promise)
    } finally {
      clearTimeout(late)
    }
  }
}
