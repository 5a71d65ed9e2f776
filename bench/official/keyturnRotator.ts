import { randomUUID } from 'node:crypto'
import type { StateName } from '../../fleet/states.ts'
import { functionsOfRotate } from '../../local/embedded/embedded.ts'
import { makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import { arnOf, runRotation, type Tasks } from '../../local/embedded/stateMachine.ts'
import type { Package } from '../rotation/start.ts'
import { Child, type ProcessCost } from './child.ts'
import { type MeasuredWork, type Rotation, type Rotator, sumWork } from './rotator.ts'
import type { Scene, Seen } from './scene.ts'
import { makeSerialRunner } from './serialRunner.ts'

/** The result of an order to the process: its cost, and what the handler returned or threw. */
type Outcome = ProcessCost & { answer?: unknown; error: { name: string; message: string } | null }

/** The script of the measured process. It imports files and calls their handlers as Lambda does, by orders from stdin. */
const MEASURED_PROCESS_SCRIPT = `
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

/** A process that runs Keyturn's packed functions. */
export class FunctionsProcess implements AsyncDisposable {
  readonly #child: Child

  /** Starts the process. @param more further environment variables */
  constructor({ secretsManager, stepFunctions, issuer, roots }: Scene, more: NodeJS.ProcessEnv = {}) {
    this.#child = new Child([process.execPath, '--input-type=module', '--eval', MEASURED_PROCESS_SCRIPT], {
      AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsManager.url,
      AWS_ENDPOINT_URL_SFN: stepFunctions.url,
      NODE_EXTRA_CA_CERTS: issuer,
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      KEYTURN_EXECUTIONS: arnOf('states', 'execution:keyturn-local-rotate'),
      KEYTURN_CA_FILE: roots,
      POWERTOOLS_SERVICE_NAME: 'keyturn',
      POWERTOOLS_LOG_LEVEL: 'SILENT',
      POWERTOOLS_METRICS_DISABLED: 'true',
      ...more,
    })
  }

  /** Loads all functions that an execution of rotate calls. */
  async loadAll(packages: Package[]): Promise<void> {
    const used = new Set<string>(functionsOfRotate.values())
    for (const { name, entry } of packages) if (used.has(name)) await this.load(name, entry)
  }

  /** Imports a file, whose handler can be called by this name from then on. @throws Error if it cannot be imported */
  async load(name: string, entry: string): Promise<ProcessCost> {
    const { error, ...spent } = await this.#child.ask<Outcome>({ do: 'load', with: [name, entry] })
    if (error) throw new Error(`${name} cannot be loaded: ${error.message}`)
    return spent
  }

  /** Waits until the process runs. It has loaded no function then, as the runtime of Lambda before a cold start. */
  async ready(): Promise<void> {
    await this.#child.ask({ do: 'ready', with: [] })
  }

  /** Logs in to the database by an engine, which is imported at the first time. @throws Error if the login is refused */
  async login(entry: string, value: object): Promise<ProcessCost> {
    const { error, ...spent } = await this.#child.ask<Outcome>({ do: 'login', with: [entry, value] })
    if (error) throw new Error(`Keyturn could not log in: ${error.name}`)
    return spent
  }

  /** Calls a function's handler. An error that it throws is in the result. */
  call(name: string, event: unknown): Promise<Outcome> {
    return this.#child.ask({ do: 'call', with: [name, event] })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]()
  }
}

/** Keyturn's side: executions of the state machine run in this process and call the functions in another process. */
export class KeyturnRotator implements Rotator {
  readonly title = 'Keyturn'
  readonly #scene: Scene
  readonly #functions: FunctionsProcess

  private constructor(scene: Scene, functions: FunctionsProcess) {
    this.#scene = scene
    this.#functions = functions
  }

  /** Starts the process and loads all functions. */
  static async start(scene: Scene, packages: Package[]): Promise<KeyturnRotator> {
    const functions = new FunctionsProcess(scene)
    await functions.loadAll(packages)
    return new KeyturnRotator(scene, functions)
  }

  async rotate(id: string): Promise<Rotation> {
    const works: StateWork[] = []
    const tasks = makeFunctionTasks(this.#functions, recordWorkIn(this.#scene, works))
    await rotateWithTasks(tasks, id)
    return sumRotationWork(works)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#functions[Symbol.asyncDispose]()
  }
}

/** Runs an execution of rotate with these tasks. @throws Error if it fails */
export async function rotateWithTasks(tasks: Tasks, id: string, token: string = randomUUID()): Promise<void> {
  const { failure } = await runRotation(tasks, token, { store: 'secrets-manager', id })
  if (failure) throw new Error(`a rotation by Keyturn failed with ${failure.error}`)
}

/** What a handler returned. @throws Error with the name and message of what the handler threw */
export function answerOrThrow({ answer, error }: Outcome): unknown {
  if (error) throw Object.assign(new Error(error.message), { name: error.name })
  return answer
}

/** What a state's function did. */
export type StateWork = { state: string; work: MeasuredWork }

/** Calls the function of a state by `call`, and may observe it. */
type CallWrapper = (state: StateName<'rotate'>, call: () => Promise<Outcome>) => Promise<Outcome>

/** The tasks of an execution: each calls its state's function, wrapped by `wrapper`. Only one runs at a time. */
export function makeFunctionTasks(functions: FunctionsProcess, wrapper: CallWrapper): Tasks {
  const tasks: Tasks = { ...makeEventBusTasks() }
  const runSerially = makeSerialRunner()
  for (const [state, name] of functionsOfRotate)
    tasks[state] = async event =>
      answerOrThrow(await runSerially(() => wrapper(state, () => functions.call(name, event))))
  return tasks
}

/** A wrapper that adds what each function did to `works`. @param before called with what was seen before each call */
export const recordWorkIn =
  (scene: Scene, works: StateWork[], before: (seen: Seen) => void = () => {}): CallWrapper =>
  async (state, call) => {
    before(scene.takeSeen())
    const outcome = await call()
    const { answer: _, error: __, ...spent } = outcome
    works.push({ state, work: { ...spent, ...scene.takeSeen() } })
    return outcome
  }

/** Sums what the functions of a rotation did, with the retirement apart. */
export function sumRotationWork(works: StateWork[]): Pick<Rotation, 'work' | 'retirement'> {
  const { true: retirement, false: rest = [] } = Object.groupBy(
    works,
    ({ state }) => `${state === 'RetireSecret'}`,
  )
  const sumOf = (some: StateWork[]) => sumWork(some.map(({ work }) => work))
  return { work: sumOf(rest), ...(retirement && { retirement: sumOf(retirement) }) }
}
