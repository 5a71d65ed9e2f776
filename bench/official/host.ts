import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ServiceStep } from '../../fleet/serviceSteps.ts'
import { makePython } from '../../local/stack/python.ts'
import { Child, type ProcessCost } from './child.ts'

/** The result of an order to the process of AWS's function. */
export type OrderOutcome = ProcessCost & {
  error: {
    /** The exception's class, such as `ValueError`. */
    name: string
    /** The error code of the service or the database, such as `ResourceNotFoundException` or 1064. */
    code: string | number | null
    /** Whether its text contains one of the values in the order. */
    quotes: boolean
  } | null
}

/** A Python environment that can run AWS's functions. */
export type OfficialPython = {
  /** The environment's bin folder. */
  bin: string
  /** False if PyGreSQL could not be built. Then AWS's functions for PostgreSQL cannot run. */
  hasPostgresDriver: boolean
}

/** Makes the Python environment. @throws Error if there is no Python, or boto3 or PyMySQL cannot be installed */
export async function makeOfficialPython(): Promise<OfficialPython> {
  const requirements = await readFile(join(import.meta.dirname, 'requirements.txt'), 'utf8')
  const hasPostgresDriver = await canBuildPyGreSql()
  const text = hasPostgresDriver ? requirements : requirements.replace(/^PyGreSQL.*\n/m, '')
  return { bin: await makePython(text), hasPostgresDriver }
}

/** Whether this machine has the programs that PyGreSQL is built with. */
const canBuildPyGreSql = () =>
  Promise.all(['pg_config', 'gcc'].map(name => promisify(execFile)(name, ['--version']))).then(
    () => true,
    () => false,
  )

/** Writes the root certificates that boto3 trusts, and those in the files `more`, into one file. */
export async function writeTrustedCertificates(
  { bin }: OfficialPython,
  more: string[],
  file: string,
): Promise<void> {
  const script = 'import botocore.httpsession; print(botocore.httpsession.where())'
  const { stdout } = await promisify(execFile)(join(bin, 'python'), ['-c', script])
  const texts = await Promise.all([stdout.trim(), ...more].map(path => readFile(path, 'utf8')))
  await writeFile(file, texts.join('\n'))
}

/**
 * The environment of a function: the URL of Secrets Manager, the file of certificates that are trusted there, and a home folder
 * without settings for AWS.
 */
type FunctionSurroundings = { endpoint: string; roots: string; home: string }

/** One of AWS's functions in a process of its own. */
export class FunctionHost implements AsyncDisposable {
  readonly #child: Child
  readonly #source: string
  #loaded: OrderOutcome | undefined

  private constructor(child: Child, source: string) {
    this.#child = child
    this.#source = source
  }

  /** Starts a process that has not loaded the function yet, as the runtime of Lambda before a cold start. */
  static async ready(
    python: OfficialPython,
    source: string,
    { endpoint, roots, home }: FunctionSurroundings,
  ): Promise<FunctionHost> {
    const child = new Child([join(python.bin, 'python'), join(import.meta.dirname, 'host.py')], {
      SECRETS_MANAGER_ENDPOINT: endpoint,
      AWS_CA_BUNDLE: roots,
      AWS_REGION: 'eu-west-1',
      AWS_DEFAULT_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      HOME: home,
    })
    try {
      await child.ask({ do: 'ready', with: [], values: [] })
      return new FunctionHost(child, source)
    } catch (error) {
      await child[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Starts a process and loads the function. */
  static async start(
    python: OfficialPython,
    source: string,
    surroundings: FunctionSurroundings,
  ): Promise<FunctionHost> {
    const host = await FunctionHost.ready(python, source, surroundings)
    try {
      await host.load()
      return host
    } catch (error) {
      await host[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Loads the function with its imports. @throws Error if it cannot be loaded */
  async load(): Promise<OrderOutcome> {
    const loaded = await this.#child.ask<OrderOutcome>({ do: 'load', with: [this.#source], values: [] })
    if (loaded.error) throw new Error(`AWS's function cannot be loaded: ${loaded.error.name}`)
    this.#loaded = loaded
    return loaded
  }

  /** The result of loading the function. @throws Error if it was not loaded */
  get loaded(): OrderOutcome {
    if (!this.#loaded) throw new Error("AWS's function is not loaded yet")
    return this.#loaded
  }

  /** Calls the function for one step, as Secrets Manager does. @param values values that are searched for in its error */
  step(
    Step: ServiceStep,
    rotation: { id: string; token: string },
    values: string[] = [],
  ): Promise<OrderOutcome> {
    const event = { Step, SecretId: rotation.id, ClientRequestToken: rotation.token }
    return this.#child.ask({ do: 'step', with: [event], values })
  }

  /** Makes a client of Secrets Manager, as the function does in each step. */
  client(): Promise<OrderOutcome> {
    return this.#child.ask({ do: 'client', with: [], values: [] })
  }

  /** Logs in to the database by the function's own code. @throws Error if the login is refused */
  async login(value: object): Promise<OrderOutcome> {
    const outcome = await this.#child.ask<OrderOutcome>({ do: 'login', with: [value], values: [] })
    if (outcome.error) throw new Error(`AWS's function could not log in: ${outcome.error.name}`)
    return outcome
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]()
  }
}
