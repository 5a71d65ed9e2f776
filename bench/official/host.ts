import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ServiceStep } from '../../fleet/serviceSteps.ts'
import { makePython } from '../../local/stack/python.ts'
import { Child, type ProcessCost } from './child.ts'

/** How an order went. */
export type OrderOutcome = ProcessCost & {
  error: {
    /** The exception's class, such as `ValueError`. */
    name: string
    /** What the service or the database said, such as `ResourceNotFoundException` or 1064. */
    code: string | number | null
    /** Whether its text has one of the values in it that the order named. */
    quotes: boolean
  } | null
}

/** A Python that can run AWS's functions. */
export type OfficialPython = {
  /** Its bin folder. */
  bin: string
  /** False where PyGreSQL cannot be built, so that the functions for PostgreSQL cannot run. */
  hasPostgresDriver: boolean
}

/** @throws if Python, boto3 or PyMySQL cannot be had */
export async function makeOfficialPython(): Promise<OfficialPython> {
  const requirements = await readFile(join(import.meta.dirname, 'requirements.txt'), 'utf8')
  const postgres = await canBuildPyGreSql()
  const text = postgres ? requirements : requirements.replace(/^PyGreSQL.*\n/m, '')
  return { bin: await makePython(text), hasPostgresDriver: postgres }
}

/** What PyGreSQL is built with. */
const canBuildPyGreSql = () =>
  Promise.all(['pg_config', 'gcc'].map(name => promisify(execFile)(name, ['--version']))).then(
    () => true,
    () => false,
  )

/** Writes the roots that boto3 trusts, and `more` certificates, files too, into one file. */
export async function writeTrustedCertificates(
  { bin }: OfficialPython,
  more: string[],
  file: string,
): Promise<void> {
  const where = 'import botocore.httpsession; print(botocore.httpsession.where())'
  const { stdout } = await promisify(execFile)(join(bin, 'python'), ['-c', where])
  const texts = await Promise.all([stdout.trim(), ...more].map(path => readFile(path, 'utf8')))
  await writeFile(file, texts.join('\n'))
}

/**
 * Where a function finds what it needs: `roots` is the file of certificates that it trusts at `endpoint`, where Secrets
 * Manager is; `home` is a folder without settings of AWS.
 */
type FunctionSurroundings = { endpoint: string; roots: string; home: string }

/** One of AWS's functions in a process of its own, which has loaded nothing else. */
export class FunctionHost implements AsyncDisposable {
  readonly #child: Child
  readonly #source: string
  #loaded: OrderOutcome | undefined

  private constructor(child: Child, source: string) {
    this.#child = child
    this.#source = source
  }

  /** Starts a process that can load a function, and has not yet: as far as Lambda is before a cold start counts. */
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

  /** Loads the function, with all that it imports. @throws if it cannot be loaded */
  async load(): Promise<OrderOutcome> {
    const loaded = await this.#child.ask<OrderOutcome>({ do: 'load', with: [this.#source], values: [] })
    if (loaded.error) throw new Error(`AWS's function cannot be loaded: ${loaded.error.name}`)
    this.#loaded = loaded
    return loaded
  }

  /** How the function was loaded. @throws if it was not */
  get loaded(): OrderOutcome {
    if (!this.#loaded) throw new Error("AWS's function is not loaded yet")
    return this.#loaded
  }

  /** Calls the function for a step, as Secrets Manager does. `values` are looked for in what it throws. */
  step(
    Step: ServiceStep,
    rotation: { id: string; token: string },
    values: string[] = [],
  ): Promise<OrderOutcome> {
    const event = { Step, SecretId: rotation.id, ClientRequestToken: rotation.token }
    return this.#child.ask({ do: 'step', with: [event], values })
  }

  /** Makes a client for Secrets Manager, as the function does in each step. */
  client(): Promise<OrderOutcome> {
    return this.#child.ask({ do: 'client', with: [], values: [] })
  }

  /** Logs in to the database, as the function does with every value. @throws if it is not let in */
  async login(value: object): Promise<OrderOutcome> {
    const outcome = await this.#child.ask<OrderOutcome>({ do: 'login', with: [value], values: [] })
    if (outcome.error) throw new Error(`AWS's function could not log in: ${outcome.error.name}`)
    return outcome
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]()
  }
}
