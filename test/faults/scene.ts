import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { inspect } from 'node:util'
import { expect } from 'vitest'
import { type App, connectionJsonOf, randomHex } from '../../local/servers/postgresDatabase.ts'
import { Credential, type ValueParser } from '../../rotation/credential.ts'
import { RotationError, TestFailed } from '../../rotation/errors.ts'
import { parseOptions } from '../../rotation/options.ts'
import type { Pipeline } from '../../rotation/pipeline.ts'
import { rehearseFinish, rehearseRollback, rehearseTest } from '../../rotation/rehearse.ts'
import { retire } from '../../rotation/retire.ts'
import { rollback, rollbackAbandoned } from '../../rotation/rollback.ts'
import type { Rotation } from '../../rotation/rotationState.ts'
import * as steps from '../../rotation/steps.ts'
import { MemoryStore } from '../../rotation/stores/memory.ts'
import type { StrategyName } from '../../rotation/strategies/strategyNames.ts'
import type { MatrixServer } from '../support/testServers.ts'
import type { Process } from './process.ts'
import { SlowRds } from './slowRds.ts'

/** The id of the secret in the store. */
export const secretId = 'app'

/**
 * The state in which a rotation begins. `first`: there is no clone. `settled`: both users exist and have had turns, and the
 * user is current. `halfway`: both exist, and the clone is current.
 */
export type Start = 'first' | 'settled' | 'halfway'

/** Whether a strategy changes its only user's password, so that current does not log in between SetSecret and FinishSecret. */
export const hasOneUser = (strategy: StrategyName) => strategy === 'single-user' || strategy === 'master'

/** The format of the secret's value: AWS's JSON, a password alone with a connection, or any text. */
export type ValueKind = 'json' | 'password-only' | 'opaque'

const formats: Record<ValueKind, { tags: Record<string, string>; format(app: App): ValueParser }> = {
  json: { tags: {}, format: () => Credential.parse },
  'password-only': {
    tags: { 'keyturn:connection': '/app/connection' },
    format: ({ current }) => Credential.passwordOnlyParser(connectionJsonOf(current)),
  },
  opaque: { tags: { 'keyturn:engine': 'opaque' }, format: () => Credential.parseOpaque },
}

/** How many cases there were, after how many current did not log in, and after how many a version was left pending. */
export type Counts = { cases: number; lockouts: number; stuck: number }

/**
 * One secret in a store and its users in a real database, in a known start for every case. It remembers every password, so that
 * `check` can look for passwords in logs and results.
 */
export class Scene {
  readonly store: MemoryStore
  /** The tokens of the rotations that run. */
  readonly running = new Set<string>()
  /** The tokens of the rotations that have not begun SetSecret. */
  readonly untouched = new Set<string>()
  /** A pipeline without an engine, which each Process adds. */
  readonly base: Pipeline
  /** The token of the version that is current before the rotation. */
  readonly original: string
  /** The store with the parser of the value's format. */
  readonly #values: MemoryStore
  readonly testServer: MatrixServer
  readonly #app: App
  readonly #seen: unknown[] = []
  readonly #passwords = new Set<string>()
  #logFrom: number

  private constructor(testServer: MatrixServer, app: App, logFrom: number, token: string, value: ValueKind) {
    this.store = this.#rememberPasswords(new MemoryStore())
    this.#values = this.store.withParser(formats[value].format(app))
    this.testServer = testServer
    this.#app = app
    this.#logFrom = logFrom
    this.original = token
    this.#passwords.add(app.current.password)
    this.#passwords.add(app.admin.password)
    this.base = {
      store: this.store,
      loadEngine: () => Promise.reject(new Error('a Process has its own engine')),
      readAdmin: async () => app.admin,
      readConnection: async () => connectionJsonOf(app.current),
      rds: async () => new SlowRds(testServer, app),
      isRotating: async token => this.running.has(token),
      isExecutionRunning: async token => this.running.has(token),
      hasChangedNothing: async token => this.untouched.has(token),
      defaults: parseOptions({}),
    }
  }

  /** Puts the users and the secret into the start. */
  static async create(
    testServer: MatrixServer,
    app: App,
    strategy: StrategyName,
    start: Start,
    value: ValueKind = 'json',
  ): Promise<Scene> {
    await SlowRds.setting.get(app)
    const scene = new Scene(testServer, app, size(testServer.logFile), newToken(), value)
    const tags = {
      'keyturn:strategy': strategy,
      'keyturn:grace': '1s',
      ...testServer.tags,
      ...formats[value].tags,
    }
    if (start === 'first') {
      await testServer.reset(app, undefined)
      const first = formats[value].format(app)(
        value === 'json' ? app.current.serialize() : app.current.password,
      )
      scene.store.create(secretId, scene.original, first, tags)
    } else {
      const clone = app.current.with({ username: `${app.user}_clone`, password: `clone-${randomHex(12)}` })
      await testServer.reset(app, clone)
      const [before, now] = start === 'settled' ? [clone, app.current] : [app.current, clone]
      const earlier = newToken()
      scene.store.create(secretId, earlier, before, tags)
      await scene.store.propose(secretId, scene.original, now)
      await scene.store.promote(secretId, scene.original, earlier)
      scene.#passwords.add(clone.password)
    }
    return scene
  }

  /** Has a store remember every password that is proposed. */
  #rememberPasswords(store: MemoryStore): MemoryStore {
    const [propose, withParser] = [store.propose.bind(store), store.withParser.bind(store)]
    store.propose = (id, token, credential) => {
      this.#passwords.add(credential.password)
      return propose(id, token, credential)
    }
    store.withParser = format => this.#rememberPasswords(withParser(format))
    return store
  }

  /** Keeps a result or an error, which somebody outside could see. */
  recordSeen(thing: unknown): void {
    this.#seen.push(thing)
  }

  /** Counts a case, and expects what must hold after each. `winners` are the tokens that may be current. */
  async check(winners: string[], where: string, counts: Counts): Promise<void> {
    await this.checkState(winners, where, counts)
    this.checkSecrecy()
  }

  /** Like `check`, without the search for passwords. */
  async checkState(winners: string[], where: string, counts: Counts): Promise<void> {
    const found = await this.store.describe(secretId)
    const isRdsBusy = SlowRds.setting.has(this.#app)
    const loggedIn = await this.currentLogsIn()
    counts.cases++
    if (!loggedIn) counts.lockouts++
    if (found.pending) counts.stuck++
    expect(found.pending, `${where}: nothing is pending`).toBeUndefined()
    await this.waitForRds()
    expect(winners, `${where}: at most one value won`).toContain(found.current)
    const logsIn = isRdsBusy ? await this.currentLogsIn() : loggedIn
    expect(logsIn, `${where}: current logs in`).toBe(true)
  }

  /** Expects that no password is in a result, in an error, or in what the server has logged since this scene began. */
  checkSecrecy(): void {
    const log = readFrom(this.testServer.logFile, this.#logFrom)
    const seen = this.#seen
      .map(thing => `${JSON.stringify(thing)} ${inspect(thing, { depth: 9 })}`)
      .join('\n')
    for (const password of this.#passwords) {
      expect(log.includes(password), 'no password in the log of the server').toBe(false)
      expect(seen.includes(password), 'no password in any result or error').toBe(false)
    }
  }

  /** @returns the current value */
  async current(): Promise<Credential> {
    const current = await this.#values.read(secretId, { stage: 'current' })
    if (!current) throw new Error('there is no current version')
    return current.credential
  }

  /** @returns whether current logs in; for an opaque value, whether it is one that was stored */
  async currentLogsIn(): Promise<boolean> {
    const current = await this.#values.read(secretId, { stage: 'current' })
    if (current?.credential.engine === 'opaque') return this.#passwords.has(current.credential.password)
    return current !== undefined && (await this.testServer.admits(current.credential))
  }

  /** Waits until RDS has set the password that it was told to set. */
  async waitForRds(): Promise<void> {
    await SlowRds.setting.get(this.#app)
  }

  /** @returns whether the previous value logs in */
  async previousLogsIn(): Promise<boolean> {
    const previous = await this.#values.read(secretId, { stage: 'previous' })
    return previous !== undefined && (await this.testServer.admits(previous.credential))
  }

  get user(): string {
    return this.#app.user
  }
}

/** @returns a token for a rotation */
export const newToken = () => `${randomHex(16)}`

/** Makes the process that runs a step. `rehearses` is whether the step is one of the rehearsal. */
type NextProcess = (rehearses: boolean) => Process

const RETRIED_ERRORS = ['Unreachable', 'Throttled', 'Conflict', 'RdsBusy']

/**
 * One execution of rotate, in a few lines instead of the state machine: the steps in order, retries by the error's name, and
 * rollback when a step fails for good. Each step runs in a process that `next` makes, and in another after each death.
 */
export class Execution {
  readonly token = newToken()
  outcome: 'rotated' | 'rolled back' | 'died' | 'locked out' | undefined
  error: RotationError | undefined
  /** The second rotation of a temporary clone. */
  secondHalf: Execution | undefined
  readonly #scene: Scene
  readonly #next: NextProcess
  /** After so many deaths a step is not tried again. */
  readonly #maxDeaths: number
  /** Called before a retry. */
  readonly #wait: () => Promise<void>
  /** Whether a temporary clone's second rotation is left out. */
  readonly #alone: boolean
  /** Whether TestSecret is taken to fail, whatever its result. */
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
    this.#maxDeaths = deaths
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
      this.secondHalf = new Execution(this.#scene, this.#next, this.#maxDeaths, { wait: this.#wait })
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

  /** @returns the last of the one or two rotations */
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
        if (++deaths >= this.#maxDeaths) throw 'died'
      } catch (error) {
        if (!(error instanceof RotationError) || !RETRIED_ERRORS.includes(error.name) || ++retries > 5)
          throw error
        this.#scene.recordSeen(error)
        await this.#wait()
      }
    }
  }
}

/** @returns the length of a file in bytes */
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
