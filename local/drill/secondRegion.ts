import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { MachineName } from '../../fleet/states.ts'
import type { Execution, Failure } from '../embedded/stateMachine.ts'

/** Which execution is to run. */
export type ExecutionRequest = {
  number: number
  machine: MachineName
  name: string
  input: unknown
  grace: number
}

/** What is told of it: each state as it goes by, each try that failed, and how it ended. */
export type ExecutionMessage = { number: number } & (
  | { entered: string }
  | { tried: string; failure: Failure | undefined }
  | { execution: Execution }
)

type ExecutionListeners = { entered?(state: string): void; tried?(state: string, failure?: Failure): void }

/**
 * The functions and state machines of the second Region. They are in a thread of their own, as the functions of a Region read
 * its environment when they are loaded, and the AWS SDK keeps the Region that it has found.
 */
export class SecondRegion {
  readonly #worker: Worker
  readonly #watches = new Map<number, (told: ExecutionMessage) => void>()
  #count = 0

  private constructor(worker: Worker) {
    this.#worker = worker
    worker.on('message', (told: ExecutionMessage) => this.#watches.get(told.number)?.(told))
  }

  /** Loads the functions in this environment. */
  static async start(env: NodeJS.ProcessEnv): Promise<SecondRegion> {
    const worker = new Worker(new URL('functions.ts', import.meta.url), { env })
    // Once they are loaded; an error of the thread is thrown here.
    await once(worker, 'message')
    return new SecondRegion(worker)
  }

  /** Runs one execution to its end. The grace time takes `grace` milliseconds. */
  async run(
    machine: MachineName,
    name: string,
    input: unknown,
    { grace = 0, ...watch }: ExecutionListeners & { grace?: number } = {},
  ): Promise<Execution> {
    const number = ++this.#count
    const ended = Promise.withResolvers<Execution>()
    this.#watches.set(number, told => {
      if ('entered' in told) watch.entered?.(told.entered)
      else if ('tried' in told) watch.tried?.(told.tried, told.failure)
      else ended.resolve(told.execution)
    })
    this.#worker.once('error', ended.reject)
    try {
      this.#worker.postMessage({ number, machine, name, input, grace } satisfies ExecutionRequest)
      return await ended.promise
    } finally {
      this.#worker.off('error', ended.reject)
      this.#watches.delete(number)
    }
  }

  async stop(): Promise<void> {
    await this.#worker.terminate()
  }
}
