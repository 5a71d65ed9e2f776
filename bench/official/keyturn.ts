import { randomUUID } from 'node:crypto'
import { functionsOfRotate } from '../../local/embedded/embedded.ts'
import { eventBus } from '../../local/embedded/eventBus.ts'
import { arnOf, runRotation, type Tasks } from '../../local/embedded/stateMachine.ts'
import type { Package } from '../rotation/start.ts'
import { Child, type Spent } from './child.ts'
import { type Rotation, type Rotator, together, type Work } from './rotator.ts'
import type { Scene } from './scene.ts'

type Outcome = Spent & { answer?: unknown; error: { name: string; message: string } | null }

/** Runs in the process that is measured: imports files, and calls their handlers as Lambda does. */
const script = `
  import { readFileSync, writeSync } from 'node:fs'
  import { createInterface } from 'node:readline'
  const handlers = new Map()
  const orders = {
    ready: () => {},
    load: async (name, entry) => void handlers.set(name, (await import(entry)).handler),
    call: (name, event) => handlers.get(name)(event, {
      functionName: name,
      awsRequestId: crypto.randomUUID(),
      getRemainingTimeInMillis: () => 900_000,
    }),
    login: async (entry, value) => {
      const [Engine] = Object.values(await import(entry))
      const session = await new Engine({ caFile: process.env.KEYTURN_CA_FILE }).login({ ssl: true, ...value })
      session[Symbol.asyncDispose]()
    },
  }
  const mostMemory = () => {
    try {
      return Number(/VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
    } catch {
      return process.resourceUsage().maxRSS * 1024
    }
  }
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line)
    const before = process.cpuUsage()
    const began = performance.now()
    const result = await (async () => orders[order.do](...order.with))().then(
      answer => ({ answer, error: null }),
      ({ name, message }) => ({ error: { name, message } }),
    )
    const wall = performance.now() - began
    const { user, system } = process.cpuUsage(before)
    const spent = { wall, cpu: (user + system) / 1000, memory: mostMemory() }
    writeSync(1, JSON.stringify({ ...spent, ...result }) + '\\n')
  }`

/** Keyturn's functions, as they are packed, in a process of its own. */
export class Functions implements AsyncDisposable {
  readonly #child: Child

  constructor({ secretsManager, issuer, roots }: Scene) {
    this.#child = new Child([process.execPath, '--input-type=module', '--eval', script], {
      AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsManager.url,
      NODE_EXTRA_CA_CERTS: issuer,
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      KEYTURN_EXECUTIONS: arnOf('states', 'execution:keyturn-local-rotate'),
      KEYTURN_CA_FILE: roots,
      POWERTOOLS_SERVICE_NAME: 'keyturn',
      POWERTOOLS_LOG_LEVEL: 'SILENT',
      POWERTOOLS_METRICS_DISABLED: 'true',
    })
  }

  /** Imports a file; what has a handler is known by this name from then on. @throws if it cannot be imported */
  async load(name: string, entry: string): Promise<Spent> {
    const { error, ...spent } = await this.#child.ask<Outcome>({ do: 'load', with: [name, entry] })
    if (error) throw new Error(`${name} cannot be loaded: ${error.message}`)
    return spent
  }

  /** Waits until the process can import, and has imported nothing yet: as far as Lambda is before a cold start counts. */
  async ready(): Promise<void> {
    await this.#child.ask({ do: 'ready', with: [] })
  }

  /** Logs in to the database by an engine, which is imported if it is not there yet. @throws if it is not let in */
  async login(entry: string, value: object): Promise<Spent> {
    const { error, ...spent } = await this.#child.ask<Outcome>({ do: 'login', with: [entry, value] })
    if (error) throw new Error(`Keyturn could not log in: ${error.name}`)
    return spent
  }

  /** Calls a function's handler. What it throws is in the outcome. */
  call(name: string, event: unknown): Promise<Outcome> {
    return this.#child.ask({ do: 'call', with: [name, event] })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]()
  }
}

/** Keyturn's side: an execution of the state machine, which runs here, calls one function after the other, there. */
export class KeyturnRotator implements Rotator {
  readonly title = 'Keyturn'
  readonly #scene: Scene
  readonly #functions: Functions

  private constructor(scene: Scene, functions: Functions) {
    this.#scene = scene
    this.#functions = functions
  }

  static async start(scene: Scene, packages: Package[]): Promise<KeyturnRotator> {
    const functions = new Functions(scene)
    const used = new Set<string>(functionsOfRotate.values())
    for (const { name, entry } of packages) if (used.has(name)) await functions.load(name, entry)
    return new KeyturnRotator(scene, functions)
  }

  async rotate(id: string): Promise<Rotation> {
    const works: [state: string, Work][] = []
    const tasks: Tasks = { ...eventBus() }
    for (const [state, name] of functionsOfRotate)
      tasks[state] = async event => {
        this.#scene.seen()
        const { answer, error, ...spent } = await this.#functions.call(name, event)
        works.push([state, { ...spent, ...this.#scene.seen() }])
        if (error) throw Object.assign(new Error(error.message), { name: error.name })
        return answer
      }
    const { failure } = await runRotation(tasks, randomUUID(), { store: 'secrets-manager', id })
    if (failure) throw new Error(`a rotation by Keyturn failed with ${failure.error}`)
    const retirement = works.flatMap(([state, work]) => (state === 'RetireSecret' ? work : []))
    const rest = works.flatMap(([state, work]) => (state === 'RetireSecret' ? [] : work))
    return { work: together(rest), ...(retirement.length && { retirement: together(retirement) }) }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#functions[Symbol.asyncDispose]()
  }
}
