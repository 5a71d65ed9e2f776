import { join } from 'node:path'
import { SERVICE_STEPS } from '../../../fleet/serviceSteps.ts'
import { Child } from '../child.ts'

/** Where a process dies: before or after which operation. Operations are counted from 0. */
export type Death = { at: number; when: 'before' | 'after' }

/** All places where a process with so many operations can die. */
export const deathsOf = (operations: number): Death[] =>
  Array.from({ length: operations }, (_, at) => at).flatMap(at => [
    { at, when: 'before' },
    { at, when: 'after' },
  ])

/** What a process did: its operations in order, whether it died, and the class of the exception that ended it, if one did. */
export type ProcessRun = { operations: string[]; died: boolean; error: string | null }

/** AWS's rotation functions. Each rotation runs in a process of its own that can die: see mortal.py. */
export class OfficialProcesses implements AsyncDisposable {
  readonly #child: Child

  /**
   * @param bin the bin folder of the Python environment
   * @param endpoint the URL of Secrets Manager
   */
  constructor(bin: string, endpoint: string) {
    this.#child = new Child([join(bin, 'python'), join(import.meta.dirname, 'mortal.py')], {
      SECRETS_MANAGER_ENDPOINT: endpoint,
      AWS_DEFAULT_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
    })
  }

  /** Loads a function's source text under a name. */
  async load(name: string, source: string): Promise<void> {
    await this.#child.ask({ name, source })
  }

  /** Calls a function for each step of a rotation, as Secrets Manager does. A process that dies is not started again. */
  rotate(name: string, SecretId: string, ClientRequestToken: string, dies?: Death): Promise<ProcessRun> {
    const events = SERVICE_STEPS.map(Step => ({ SecretId, ClientRequestToken, Step }))
    return this.#child.ask({ name, events, dies })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]()
  }
}
