import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { inspect } from 'node:util'
import { expect } from 'vitest'
import { type App, connectionJsonOf, randomHex } from '../../local/servers/postgresDatabase.ts'
import { Credential, type ValueParser } from '../../rotation/credential.ts'
import { RotationError, TestFailed } from '../../rotation/errors.ts'
import { parseOptions } from '../../rotation/options.ts'
import type { Pipeline, Rotation } from '../../rotation/pipeline.ts'
import { rehearseFinish, rehearseRollback, rehearseTest } from '../../rotation/rehearse.ts'
import { retire } from '../../rotation/retire.ts'
import { rollback, rollbackAbandoned } from '../../rotation/rollback.ts'
import * as steps from '../../rotation/steps.ts'
import { MemoryStore } from '../../rotation/stores/memory.ts'
import type { StrategyName } from '../../rotation/strategies/strategyNames.ts'
import type { TestServer } from '../support/testServers.ts'
import type { Process } from './process.ts'
import { SlowRds } from './slowRds.ts'

export const secretId = 'app'

/**
 * `first`: there is no clone. `settled`: both users exist and have had turns. `halfway`: the same, and the application
 * is on the clone.
 */
export type Start = 'first' | 'settled' | 'halfway'

/** Whether the one user there is gets another password: current does not log in between set and finish. */
export const hasOneUser = (strategy: StrategyName) => strategy === 'single-user' || strategy === 'master'

/** What the secret's value is. */
export type ValueKind = 'json' | 'password-only' | 'opaque'

const formats: Record<ValueKind, { tags: Record<string, string>; format(app: App): ValueParser }> = {
  json: { tags: {}, format: () => Credential.parse },
  'password-only': {
    tags: { 'keyturn:connection': '/app/connection' },
    format: ({ current }) => Credential.passwordOnlyParser(connectionJsonOf(current)),
  },
  opaque: { tags: { 'keyturn:engine': 'opaque' }, format: () => Credential.parseOpaque },
}

/** How many cases there were, by what an operator would count. */
export type Counts = { cases: number; lockouts: number; stuck: number }

/**
 * One secret in a store and its users in a real database, put back to a known start for every case. Every password
 * that turns up is remembered, so that `check` can look for it where it must not be.
 */
export class Scene {
  readonly store: MemoryStore
  readonly running = new Set<string>()
  /** Those that never entered SetSecret. */
  readonly untouched = new Set<string>()
  readonly base: Pipeline
  readonly original: string
  /** The same store, which reads what the values are. */
  readonly #values: MemoryStore
  readonly place: TestServer
  readonly #app: App
  readonly #seen: unknown[] = []
  readonly #passwords = new Set<string>()
  #logFrom: number

  private constructor(place: TestServer, app: App, logFrom: number, token: string, value: ValueKind) {
    this.store = this.#remembering(new MemoryStore())
    this.#values = this.store.withParser(formats[value].format(app))
    this.place = place
    this.#app = app
    this.#logFrom = logFrom
    this.original = token
    this.#passwords.add(app.current.password)
    this.#passwords.add(app.admin.password)
    this.base = {
      store: this.store,
      loadEngine: () => Promise.reject(new Error('a Process brings its own')),
      readAdmin: async () => app.admin,
      readConnection: async () => connectionJsonOf(app.current),
      rds: async () => new SlowRds(place, app),
      isRotating: async token => this.running.has(token),
      isExecutionRunning: async token => this.running.has(token),
      hasChangedNothing: async token => this.untouched.has(token),
      defaults: parseOptions({}),
    }
  }

  static async create(
    place: TestServer,
    app: App,
    strategy: StrategyName,
    start: Start,
    value: ValueKind = 'json',
  ): Promise<Scene> {
    await SlowRds.setting.get(app)
    const scene = new Scene(place, app, size(place.logFile), newToken(), value)
    const tags = {
      'keyturn:strategy': strategy,
      'keyturn:grace': '1s',
      ...place.tags,
      ...formats[value].tags,
    }
    if (start === 'first') {
      await place.reset(app, undefined)
      const first = formats[value].format(app)(
        value === 'json' ? app.current.serialize() : app.current.password,
      )
      scene.store.create(secretId, scene.original, first, tags)
    } else {
      const clone = app.current.with({ username: `${app.user}_clone`, password: `clone-${randomHex(12)}` })
      await place.reset(app, clone)
      const [before, now] = start === 'settled' ? [clone, app.current] : [app.current, clone]
      const earlier = newToken()
      scene.store.create(secretId, earlier, before, tags)
      await scene.store.propose(secretId, scene.original, now)
      await scene.store.promote(secretId, scene.original, earlier)
      scene.#passwords.add(clone.password)
    }
    return scene
  }

  #remembering(store: MemoryStore): MemoryStore {
    const [propose, as] = [store.propose.bind(store), store.withParser.bind(store)]
    store.propose = (id, token, credential) => {
      this.#passwords.add(credential.password)
      return propose(id, token, credential)
    }
    store.withParser = format => this.#remembering(as(format))
    return store
  }

  /** Keeps something that the outside gets to see: a result, an error, a line of a log. */
  recordSeen(thing: unknown): void {
    this.#seen.push(thing)
  }

  /** What must hold after every case, which it counts. `winners` are the tokens that may be current. */
  async check(winners: string[], where: string, counts: Counts): Promise<void> {
    await this.checkState(winners, where, counts)
    this.checkSecrecy()
  }

  /** The same but for what the outside gets to see, which only grows. */
  async checkState(winners: string[], where: string, counts: Counts): Promise<void> {
    const found = await this.store.describe(secretId)
    const setting = SlowRds.setting.has(this.#app)
    const loggedIn = await this.currentLogsIn()
    counts.cases++
    if (!loggedIn) counts.lockouts++
    if (found.pending) counts.stuck++
    expect(found.pending, `${where}: nothing is pending`).toBeUndefined()
    await this.waitForRds()
    expect(winners, `${where}: at most one value won`).toContain(found.current)
    const logsIn = setting ? await this.currentLogsIn() : loggedIn
    expect(logsIn, `${where}: current logs in`).toBe(true)
  }

  /** No password is in what the outside got to see since the scene was set. */
  checkSecrecy(): void {
    const log = readFrom(this.place.logFile, this.#logFrom)
    const seen = this.#seen
      .map(thing => `${JSON.stringify(thing)} ${inspect(thing, { depth: 9 })}`)
      .join('\n')
    for (const password of this.#passwords) {
      expect(log.includes(password), 'no password in the log of the server').toBe(false)
      expect(seen.includes(password), 'no password in any result or error').toBe(false)
    }
  }

  async current(): Promise<Credential> {
    const current = await this.#values.read(secretId, { stage: 'current' })
    if (!current) throw new Error('there is no current version')
    return current.credential
  }

  /** An opaque value is good if it is one that was stored. */
  async currentLogsIn(): Promise<boolean> {
    const current = await this.#values.read(secretId, { stage: 'current' })
    if (current?.credential.engine === 'opaque') return this.#passwords.has(current.credential.password)
    return current !== undefined && (await this.place.admits(current.credential))
  }

  /** Until RDS has done what it was told. */
  async waitForRds(): Promise<void> {
    await SlowRds.setting.get(this.#app)
  }

  /** True if the user that is not current logs in with the value it last had. */
  async previousLogsIn(): Promise<boolean> {
    const previous = await this.#values.read(secretId, { stage: 'previous' })
    return previous !== undefined && (await this.place.admits(previous.credential))
  }

  get user(): string {
    return this.#app.user
  }
}

export const newToken = () => `${randomHex(16)}`

type NextProcess = (rehearses: boolean) => Process

const retried = ['Unreachable', 'Throttled', 'Conflict', 'RdsBusy']

/**
 * What the state machine does, in a few lines: the steps in order, retries by name, rollback when a step fails for
 * good. `steps` run in the process that `next` gives, told whether it only rehearses, and a new one after each death.
 */
export class Execution {
  readonly token = newToken()
  outcome: 'rotated' | 'rolled back' | 'died' | 'locked out' | undefined
  error: RotationError | undefined
  /** The rotation that followed, where a change has two halves. */
  secondHalf: Execution | undefined
  readonly #scene: Scene
  readonly #next: NextProcess
  /** Deaths after which a step is not tried again. */
  readonly #deaths: number
  readonly #wait: () => Promise<void>
  /** No other follows, even if it should. */
  readonly #alone: boolean
  /** The test is said to fail, whatever comes of it. */
  readonly #fails: boolean

  constructor(
    scene: Scene,
    next: NextProcess,
    deaths = 1,
    {
      wait = () => scene.waitForRds(),
      alone = false,
      fails = false,
    }: { wait?: () => Promise<void>; alone?: boolean; fails?: boolean } = {},
  ) {
    this.#scene = scene
    this.#next = next
    this.#deaths = deaths
    this.#wait = wait
    this.#alone = alone
    this.#fails = fails
    scene.running.add(this.token)
    scene.untouched.add(this.token)
  }

  async run(): Promise<void> {
    try {
      const rotation = await this.#create()
      if (rotation.rehearse)
        for (const rehearse of [rehearseTest, rehearseFinish, rehearseRollback])
          await this.#step(pipeline => rehearse(pipeline, rotation), true)
      this.#scene.untouched.delete(this.token)
      await this.#step(pipeline => steps.setSecret(pipeline, rotation))
      await this.#step(pipeline => steps.testSecret(pipeline, rotation))
      if (this.#fails) throw new TestFailed('the test is said to have failed')
      await this.#step(pipeline => steps.finishSecret(pipeline, rotation))
      this.outcome = 'rotated'
      if (!rotation.grace) return
      const { outcome } = await this.#step(pipeline => retire(pipeline, rotation))
      if (outcome !== 'halfway' || this.#alone) return
      this.secondHalf = new Execution(this.#scene, this.#next, this.#deaths, { wait: this.#wait })
      await this.secondHalf.run()
    } catch (error) {
      this.#scene.recordSeen(error)
      if (!(error instanceof RotationError) && error !== 'died') throw error
      if (error instanceof RotationError) this.error = error
      if (this.outcome !== 'rotated') await this.rollback()
    } finally {
      this.#scene.running.delete(this.token)
    }
  }

  /** The one that ends the change. */
  get lastHalf(): Execution {
    return this.secondHalf ?? this
  }

  async rollback(): Promise<void> {
    try {
      await this.#step(pipeline => rollback(pipeline, { id: secretId, token: this.token }))
      this.outcome = 'rolled back'
    } catch (error) {
      this.#scene.recordSeen(error)
      this.outcome = error === 'died' ? 'died' : 'locked out'
      if (error instanceof RotationError) this.error = error
      else if (error !== 'died') throw error
    }
  }

  async #create(): Promise<Rotation> {
    try {
      return await this.#step(pipeline => steps.createSecret(pipeline, { id: secretId, token: this.token }))
    } catch (error) {
      if (!(error instanceof RotationError) || error.name !== 'RotationAbandoned') throw error
      await this.#step(pipeline => rollbackAbandoned(pipeline, secretId))
      return this.#create()
    }
  }

  async #step<T>(step: (pipeline: Pipeline) => Promise<T>, rehearses = false): Promise<T> {
    for (let deaths = 0, retries = 0; ; ) {
      try {
        const result = await this.#next(rehearses).run(step)
        if (result !== 'died') {
          this.#scene.recordSeen(result)
          return result
        }
        if (++deaths >= this.#deaths) throw 'died'
      } catch (error) {
        if (!(error instanceof RotationError) || !retried.includes(error.name) || ++retries > 5) throw error
        this.#scene.recordSeen(error)
        await this.#wait()
      }
    }
  }
}

const size = (file: string) => {
  const handle = openSync(file, 'r')
  const { size } = fstatSync(handle)
  closeSync(handle)
  return size
}

function readFrom(file: string, from: number): string {
  const handle = openSync(file, 'r')
  const buffer = Buffer.alloc(fstatSync(handle).size - from)
  readSync(handle, buffer, 0, buffer.length, from)
  closeSync(handle)
  return buffer.toString('utf8')
}
