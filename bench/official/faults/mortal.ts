import { join } from 'node:path'
import { SERVICE_STEPS } from '../../../fleet/serviceSteps.ts'
import { Child } from '../child.ts'

/** Where a process dies: at which operation, counted from 0, and whether that had taken effect. */
export type Death = { at: number; when: 'before' | 'after' }

/** Every death that a process can die that does so many operations. */
export const deathsOf = (operations: number): Death[] =>
  Array.from({ length: operations }, (_, at) => at).flatMap(at => [
    { at, when: 'before' },
    { at, when: 'after' },
  ])

/** What a process did: its operations in order, and the kind of exception that ended it, if one did. */
export type ProcessRun = { operations: string[]; died: boolean; error: string | null }

/** AWS's rotation functions, each rotation in a process of its own that may die: see mortal.py. */
export class OfficialProcesses implements AsyncDisposable {
  readonly #child: Child

  /** `bin` is Python's folder; `endpoint` is where Secrets Manager is. */
  constructor(bin: string, endpoint: string) {
    this.#child = new Child([join(bin, 'python'), join(import.meta.dirname, 'mortal.py')], {
      SECRETS_MANAGER_ENDPOINT: endpoint,
      AWS_DEFAULT_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
    })
  }

  /** Takes the text of a function, under a name. */
  async load(name: string, source: string): Promise<void> {
    await this.#child.ask({ name, source })
  }

  /** All steps of one rotation, as Secrets Manager calls them. One that dies is not started again. */
  rotate(name: string, SecretId: string, ClientRequestToken: string, dies?: Death): Promise<ProcessRun> {
    const events = SERVICE_STEPS.map(Step => ({ SecretId, ClientRequestToken, Step }))
    return this.#child.ask({ name, events, dies })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]()
  }
}
