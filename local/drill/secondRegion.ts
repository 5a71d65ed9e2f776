import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { MachineName } from '../../fleet/states.ts'
import type { Execution, Failure } from '../embedded/stateMachine.ts'

/** Message to the thread: run this execution. All messages about it have its number. */
export type ExecutionRequest = {
  number: number
  machine: MachineName
  name: string
  input: unknown
  graceMs: number
}

/** Message from the thread: a state was entered, a state's task was tried (and perhaps failed), or the execution has ended. */
export type ExecutionMessage = { number: number } & (
  | { entered: string }
  | { tried: string; failure: Failure | undefined }
  | { execution: Execution }
)

/** Called with the name of each state that is entered, and after each try of a state's task. */
type ExecutionListeners = { entered?(state: string): void; tried?(state: string, failure?: Failure): void }

/**
 * The functions and state machines of the second Region. They run in a thread of their own with an environment of its own, as
 * functions read their environment when they are loaded, and the AWS SDK remembers the Region that it found there.
 */
export class SecondRegion {
  readonly #worker: Worker
  /** By the number of the execution. */
  readonly #listeners = new Map<number, (message: ExecutionMessage) => void>()
  #count = 0

  private constructor(worker: Worker) {
    this.#worker = worker
    worker.on('message', (message: ExecutionMessage) => this.#listeners.get(message.number)?.(message))
  }

  /** Starts the thread and loads the functions there. */
  static async start(env: NodeJS.ProcessEnv): Promise<SecondRegion> {
    const worker = new Worker(new URL('functions.ts', import.meta.url), { env })
    // The first message says that the functions are loaded. `once` throws if the thread fails before.
    await once(worker, 'message')
    return new SecondRegion(worker)
  }

  /** Runs one execution to its end. The grace time takes `grace` milliseconds in place of what the tag says. */
  async run(
    machine: MachineName,
    name: string,
    input: unknown,
    { grace = 0, ...listeners }: ExecutionListeners & { grace?: number } = {},
  ): Promise<Execution> {
    const number = ++this.#count
    const ended = Promise.withResolvers<Execution>()
    this.#listeners.set(number, message => {
      if ('entered' in message) listeners.entered?.(message.entered)
      else if ('tried' in message) listeners.tried?.(message.tried, message.failure)
      else ended.resolve(message.execution)
    })
    this.#worker.once('error', ended.reject)
    try {
      const request: ExecutionRequest = { number, machine, name, input, graceMs: grace }
      this.#worker.postMessage(request)
      return await ended.promise
    } finally {
      this.#worker.off('error', ended.reject)
      this.#listeners.delete(number)
    }
  }

  /** Ends the thread, with whatever runs in it. */
  async stop(): Promise<void> {
    await this.#worker.terminate()
  }
}
