import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { type App, randomHex, rejectRds } from '../../local/servers/postgresDatabase.ts'
import { hasChangedNothingMark } from '../../rotation/changedNothingMark.ts'
import { checkCredential } from '../../rotation/check/check.ts'
import type { CheckResult } from '../../rotation/check/line.ts'
import type { Credential } from '../../rotation/credential.ts'
import { engineTraits } from '../../rotation/engines/traits.ts'
import { InvalidCredential, RotationError } from '../../rotation/errors.ts'
import { parseOptions } from '../../rotation/options.ts'
import type { Pipeline } from '../../rotation/pipeline.ts'
import { rehearseFinish, rehearseRollback, rehearseTest } from '../../rotation/rehearse.ts'
import { retire } from '../../rotation/retire.ts'
import { rollback, rollbackAbandoned } from '../../rotation/rollback.ts'
import type { Rotation } from '../../rotation/rotationState.ts'
import { shorten } from '../../rotation/shorten.ts'
import * as steps from '../../rotation/steps.ts'
import { MemoryStore } from '../../rotation/stores/memory.ts'
import { ADMIN_PAUSES_MS } from '../../rotation/strategies/adminSession.ts'
import { strategies } from '../../rotation/strategies/index.ts'
import type { StrategyName } from '../../rotation/strategies/strategyNames.ts'
import { SlowRds } from '../faults/slowRds.ts'
import type { MatrixServer } from '../support/testServers.ts'

// The pauses of retries are shorter than in production, as an admin's own rotation takes no time here.
ADMIN_PAUSES_MS.splice(0, Infinity, 20, 100, 300)

/**
 * When a state begins. `after create` is also after the rehearsal, which so meets what was there before. `before rollback` is
 * after SetSecret has succeeded and TestSecret has failed.
 */
export const moments = ['before', 'after create', 'after set', 'before rollback'] as const
export type Moment = (typeof moments)[number]

/** A state in which a server, a user or an admin may be when a rotation meets it. Its name is the name of a test. */
export type Entry = {
  name: string
  make(world: World): Promise<unknown>
  /** Ends the state, as far as possible. The next rotation must then succeed. */
  undo(world: World): Promise<unknown>
  /** Whether the state keeps the current value from logging in, so that no rotation can prevent this. */
  locksOut?: boolean | ((world: World) => boolean)
  /** Whether Keyturn cannot find out if the current value logs in. A critical end is then right. */
  isUndecidable?: boolean | ((world: World) => boolean)
  /** The cases in which the state is possible: every case, for those of these three that are left out. */
  strategies?: readonly StrategyName[]
  holders?: readonly CurrentUser[]
  moments?: readonly Moment[]
  /** How a rotation that meets the state must end: `rotated`, or the name of an error. */
  expectedEnd?: (world: World) => RegExp
  /** Set if each login counts against a limit, so that a check changes what the rotation then meets. */
  usesUpLogin?: true
  /** Set if the state ends by itself within seconds, so that retries wait for its end. */
  endsByItself?: boolean
  /** @returns whether user and password log in, for states in which the test server's own client cannot tell */
  admits?(world: World, credential: Credential): Promise<boolean>
}

/** Which of the two users is current when the rotation begins. */
export type CurrentUser = 'user' | 'clone'

/** @returns all strategies of an engine but master, which needs RDS, with each user that can be current */
function scenesOf(app: App): { strategy: StrategyName; holder: CurrentUser }[] {
  const names = Object.keys(engineTraits[app.current.engine].actorByStrategy) as StrategyName[]
  return names
    .filter(strategy => strategy !== 'master')
    .flatMap(strategy =>
      (strategies[strategy].pairOf ? (['user', 'clone'] as const) : (['user'] as const)).map(holder => ({
        strategy,
        holder,
      })),
    )
}

/** One secret, its users in a real database, and how its rotations ended. */
export class World {
  readonly id = 'app'
  readonly testServer: MatrixServer
  readonly app: App
  readonly strategy: StrategyName
  readonly holder: CurrentUser
  readonly store: MemoryStore
  readonly pipeline: Pipeline
  /** The value of the admin's secret, or undefined if that was deleted. */
  admin: Credential | undefined
  /** What an entry needs to end its state. */
  kept: unknown
  /** All results and errors that somebody outside could see. */
  readonly shown: unknown[] = []
  readonly #passwords = new Set<string>()
  readonly #stored: Credential[] = []
  readonly #running = new Set<string>()
  readonly #untouched = new Set<string>()
  readonly #set = new Set<string>()

  private constructor(testServer: MatrixServer, app: App, strategy: StrategyName, holder: CurrentUser) {
    this.testServer = testServer
    this.app = app
    this.strategy = strategy
    this.holder = holder
    this.admin = app.admin
    this.store = new MemoryStore()
    const propose = this.store.propose.bind(this.store)
    this.store.propose = (id, token, credential) => {
      this.#remember(credential)
      return propose(id, token, credential)
    }
    const engine = testServer.engine((_, effect) => effect())
    const running = async (token: string) => this.#running.has(token)
    this.pipeline = {
      store: this.store,
      loadEngine: async () => engine,
      readAdmin: async arn => {
        if (!this.admin) throw new InvalidCredential('masterarn', `there is no value in secret ${arn}`)
        return this.admin
      },
      readConnection: () => Promise.reject(new Error('the value names no connection')),
      rds: strategy === 'master' ? async () => new SlowRds(testServer, app) : rejectRds,
      isRotating: running,
      isExecutionRunning: running,
      hasChangedNothing: async token => this.#untouched.has(token),
      wasSet: async token => this.#set.has(token),
      defaults: parseOptions({}),
    }
  }

  /** Makes the users and the secret, with the user or its clone as current. */
  static async create(testServer: MatrixServer, strategy: StrategyName, holder: CurrentUser): Promise<World> {
    const app = await testServer.makeApp(strategy)
    const world = new World(testServer, app, strategy, holder)
    const { store, id } = world
    const tags = {
      'keyturn:managed': 'true',
      'keyturn:strategy': strategy,
      'keyturn:grace': '1s',
      ...testServer.tags,
    }
    const [first, second] = [newToken(), newToken()]
    world.#remember(app.current)
    if (holder === 'user') {
      await testServer.reset(app, undefined)
      store.create(id, first, app.current, tags)
      return world
    }
    const clone = app.current.with({ username: world.clone, password: `clone-${randomHex(12)}` })
    await testServer.reset(app, clone)
    store.create(id, first, app.current, tags)
    await store.propose(id, second, clone)
    await store.promote(id, second, first)
    return world
  }

  /** Notes that SetSecret succeeded. */
  wasSet(token: string): void {
    this.#set.add(token)
  }

  get user(): string {
    return this.app.user
  }
  get clone(): string {
    return `${this.app.user}_clone`
  }
  /** The user of the current value when the rotation begins. `next` is the user of the next value. */
  get inUse(): string {
    return this.holder === 'user' ? this.user : this.clone
  }
  get next(): string {
    if (!strategies[this.strategy].pairOf) return this.user
    return this.holder === 'user' ? this.clone : this.user
  }

  /** Stores a value as somebody does by hand, so that it is current at once. */
  async edit(value: Credential): Promise<void> {
    const { current = '' } = await this.store.describe(this.id)
    const edited = newToken()
    await this.store.propose(this.id, edited, value)
    await this.store.promote(this.id, edited, current)
  }

  /** @returns what `keyturn check` says about the secret now */
  async check(): Promise<CheckResult> {
    const engines = () => this.pipeline.loadEngine(this.app.current.engine)
    const target = { store: 'secrets-manager', id: this.id } as const
    const checked = await checkCredential(this.pipeline, target, {
      loadCheckEngine: engines,
      testMayWrite: false,
    })
    this.shown.push(checked)
    return checked
  }

  async current(): Promise<Credential> {
    const version = await this.store.read(this.id, { stage: 'current' })
    if (!version) throw new Error('there is no current version')
    return version.credential
  }

  #remember(credential: Credential): void {
    this.#passwords.add(credential.password)
    this.#stored.push(credential)
  }

  /** @returns every value that was ever stored, except the current one */
  async replaced(): Promise<Credential[]> {
    const current = await this.current()
    return this.#stored.filter(({ username, password }) => {
      return username !== current.username || password !== current.password
    })
  }

  /** @returns whether a password is in what somebody outside could see */
  leaks(): boolean {
    const seen = this.shown
      .map(thing => `${JSON.stringify(thing)} ${inspect(thing, { depth: 9 })}`)
      .join('\n')
    return [...this.#passwords].some(password => seen.includes(password))
  }

  /**
   * Runs one rotation as the state machine does, and calls `at` at each moment. If it `fails`, TestSecret is taken to fail. If
   * the state `passes`, retries wait longer.
   * @returns how it ended: `rotated`, or the name of the step's error with a severity
   */
  async rotate(
    at: (moment: Moment) => Promise<unknown>,
    { fails = false, passes = false }: { fails?: boolean; passes?: boolean } = {},
  ): Promise<Outcome & { untouched?: boolean }> {
    const rotation = new PlayedRotation(this, passes)
    this.#running.add(rotation.token)
    try {
      const outcome = await rotation.run(at, fails, () => this.#untouched.add(rotation.token))
      this.shown.push(outcome)
      return { ...outcome, ...(this.#untouched.has(rotation.token) && { untouched: true }) }
    } finally {
      this.#running.delete(rotation.token)
    }
  }
}

/**
 * How a rotation ended: `end` is `rotated` or the name of an error. `rollback` is the rollback's outcome, and `lockout` the
 * error with which the rollback failed.
 */
export type Outcome = {
  end: string
  severity?: 'error' | 'critical'
  error?: RotationError
  rollback?: string
  lockout?: RotationError
  /** What failed after the rotation had succeeded. */
  retirement?: RotationError
}

const newToken = () => randomHex(16)
const RETRIED_ERRORS = ['Unreachable', 'Throttled', 'Conflict', 'RdsBusy', 'AdminRefused']

/** One execution of rotate, in a few lines instead of the state machine. */
class PlayedRotation {
  readonly token = newToken()
  readonly #world: World
  readonly #pauses: number[]

  constructor(world: World, passes: boolean) {
    this.#world = world
    this.#pauses = passes ? [200, 500, 1000, 2000, 4000] : [20, 50]
  }

  async run(
    at: (moment: Moment) => Promise<unknown>,
    fails: boolean,
    leaveUntouched: () => void,
    moveBack?: true,
  ): Promise<Outcome> {
    const { id, pipeline } = this.#world
    let rotation: Rotation
    try {
      await at('before')
      rotation = await this.#create(moveBack)
    } catch (error) {
      if (error instanceof Critical) return this.#ended(error.cause, { lockout: error.cause })
      leaveUntouched()
      await rollback(pipeline, { id, token: this.token }).catch(problem => this.#world.shown.push(problem))
      return this.#ended(error)
    }
    try {
      if (rotation.rehearse)
        for (const rehearse of [rehearseTest, rehearseFinish, rehearseRollback])
          await this.#step(() => rehearse(pipeline, rotation))
    } catch (error) {
      leaveUntouched()
      return await this.#discard(rotation, error)
    }
    try {
      await at('after create')
      const setErrors: unknown[] = []
      try {
        this.#world.shown.push(await this.#step(() => steps.setSecret(pipeline, rotation), setErrors))
        this.#world.wasSet(this.token)
      } finally {
        if (setErrors.every(error => error instanceof RotationError && hasChangedNothingMark(error.message)))
          if (setErrors.length) leaveUntouched()
      }
      await at('after set')
      if (fails) await at('before rollback')
      if (fails) throw new ForcedTestFailure('the test is said to have failed')
      await this.#step(() => steps.testSecret(pipeline, rotation))
      await this.#step(() => steps.finishSecret(pipeline, rotation))
    } catch (error) {
      return await this.#rollBack(rotation, error)
    }
    return this.#retire(rotation)
  }

  async #create(moveBack?: true): Promise<Rotation> {
    const { id, pipeline } = this.#world
    try {
      const start = { id, token: this.token, ...(moveBack && { moveBack }) }
      return await this.#step(() => steps.createSecret(pipeline, start))
    } catch (error) {
      if (!(error instanceof RotationError) || error.name !== 'RotationAbandoned') throw error
      try {
        await this.#step(() => rollbackAbandoned(pipeline, id))
      } catch (problem) {
        throw new Critical('the rollback of an abandoned rotation failed', { cause: problem })
      }
      return await this.#create(moveBack)
    }
  }

  /** Like a rollback, but only LockedOut is critical, as nothing was changed. */
  async #discard(rotation: Rotation, error: unknown): Promise<Outcome> {
    const { lockout, ...ended } = await this.#rollBack(rotation, error)
    if (!lockout || lockout.name === 'LockedOut') return { ...ended, ...(lockout && { lockout }) }
    return { ...ended, severity: 'error' }
  }

  async #rollBack(rotation: Rotation, error: unknown): Promise<Outcome> {
    try {
      const { outcome } = await this.#step(() => rollback(this.#world.pipeline, rotation))
      return this.#ended(error, { rollback: outcome })
    } catch (lockout) {
      return this.#ended(error, { lockout })
    }
  }

  /** Closes what was replaced, and runs the second rotation of a temporary clone. */
  async #retire(rotation: Rotation): Promise<Outcome> {
    if (!rotation.grace) return { end: 'rotated' }
    try {
      const { outcome } = await this.#step(() => retire(this.#world.pipeline, rotation))
      if (outcome !== 'halfway') return { end: 'rotated' }
    } catch (error) {
      return { end: 'rotated', retirement: named(error) }
    }
    const back = new PlayedRotation(this.#world, false)
    return await back.run(
      async () => {},
      false,
      () => {},
      true,
    )
  }

  #ended(error: unknown, { rollback, lockout }: { rollback?: string; lockout?: unknown } = {}): Outcome {
    return {
      end: error instanceof ForcedTestFailure ? 'Forced' : named(error).name,
      severity: lockout ? 'critical' : 'error',
      ...(error instanceof ForcedTestFailure ? {} : { error: named(error) }),
      ...(rollback && { rollback }),
      ...(lockout ? { lockout: named(lockout) } : {}),
    }
  }

  async #step<T>(step: () => Promise<T>, errors: unknown[] = []): Promise<T> {
    for (let tries = 0; ; tries++)
      try {
        return await step()
      } catch (error) {
        errors.push(error)
        this.#world.shown.push(error)
        const pause = this.#pauses[tries]
        if (pause === undefined || !(error instanceof RotationError) || !RETRIED_ERRORS.includes(error.name))
          throw error
        await sleep(pause)
      }
  }
}

class ForcedTestFailure extends Error {}
class Critical extends Error {}

/** @returns the error if it has a name of its own @throws the error itself if not: as Unexpected, it would be neither retried nor explained */
function named(error: unknown): RotationError {
  if (error instanceof RotationError && error.name !== 'Unexpected') return error
  throw error
}

/** Errors after which a rotation tries more than a check does, so that its message may differ. */
const ERRORS_WITH_MORE_TRIES = ['LoginRefused', 'AdminRefused', 'LockedOut']

/** @returns an error's message without what the steps add to it */
const messageOf = ({ message }: RotationError) =>
  shorten(
    message
      .replace(/; this try changed nothing$/, '')
      .replace(/^in the rehearsal, before anything was changed: /, ''),
  )

/**
 * Expects that the check before a rotation said what the rotation then did. If the rotation was refused before its first
 * change, a line of the check has the same error and message. If it rotated, no line failed; only the login may have, as a
 * rotation also tries older values than the current one.
 */
function expectCheckForetold(
  { lines }: CheckResult,
  { end, error, untouched }: Awaited<ReturnType<World['rotate']>>,
  where: string,
) {
  const failed = lines.filter(({ state }) => state === 'failed')
  const told = `${where}: ${error ?? end}, and the check said ${JSON.stringify(failed)}`
  if (end === 'rotated')
    expect(
      failed.filter(({ line }) => line !== 'login'),
      told,
    ).toEqual([])
  if (!error || !untouched) return
  expect(
    failed.map(({ error }) => error),
    told,
  ).toContain(error.name)
  if (!ERRORS_WITH_MORE_TRIES.includes(error.name))
    expect(
      failed.map(({ says }) => says),
      told,
    ).toContain(messageOf(error))
}

const appliesIn = (rule: boolean | ((world: World) => boolean) | undefined, world: World) =>
  typeof rule === 'function' ? rule(world) : (rule ?? false)

/** Whether each entry runs in all combinations of strategy, user and moment, instead of each strategy and each moment once. */
const runsAllCombinations = process.env.KEYTURN_WORLD === 'whole'

/** The entries that two servers of one family share: their names, and which half of the rounds this server runs. */
export type Shared = { names: Set<string>; half: 0 | 1 }

/**
 * Makes one test for each entry on a server: for each strategy, with the user or the clone as current, at each moment. Of the
 * entries that it shares with another server it runs every second round. What must hold is written here once:
 * - the current value logs in afterwards, unless the state itself prevents it;
 * - the rotation ends as rotated or with an error that has a name;
 * - the end is critical only if current does not log in, or Keyturn cannot find out; and no rollback says that current logs
 *   in if it does not;
 * - once the state has ended, the next rotation succeeds, nothing is pending, and no replaced value logs in.
 */
export function worldMatrix(testServer: MatrixServer, entries: Entry[], shared?: Shared): void {
  const counts = { cases: 0, lockouts: 0, stuck: 0, falseCriticals: 0 }
  const ends: Record<string, number> = {}

  async function play(
    entry: Entry,
    strategy: StrategyName,
    holder: CurrentUser,
    moment: Moment,
  ): Promise<void> {
    const world = await World.create(testServer, strategy, holder)
    const where = `${entry.name}, ${strategy}, current the ${holder}, ${moment}`
    // In some states a login fails with another error than a refusal. It fails all the same.
    const admits = async (credential: Credential) =>
      (entry.admits?.(world, credential) ?? testServer.admits(credential)).catch(() => false)
    const fails = moment === 'before rollback'
    let checked: CheckResult | undefined
    const outcome = await world
      .rotate(
        async now => {
          if (now !== moment) return
          await entry.make(world)
          if (now === 'before' && !entry.endsByItself) checked = await world.check()
        },
        {
          fails,
          passes: entry.endsByItself ?? false,
        },
      )
      .catch(async error => {
        await entry.undo(world)
        throw new Error(`${where}: ended without a name`, { cause: error })
      })
    const summary = `${where}: ${outcome.end}, ${outcome.rollback ?? outcome.lockout ?? 'no rollback'} (${outcome.error})`
    counts.cases++
    ends[outcome.end] = (ends[outcome.end] ?? 0) + 1
    const lockedOut = appliesIn(entry.locksOut, world)
    const critical = outcome.severity === 'critical'
    try {
      const current = await world.current().catch(() => undefined)
      const loggedIn = current !== undefined && (await admits(current))
      if (!lockedOut && !loggedIn) counts.lockouts++
      if (checked && !entry.usesUpLogin) expectCheckForetold(checked, outcome, where)
      if (critical && loggedIn && !appliesIn(entry.isUndecidable, world)) counts.falseCriticals++
      if (!lockedOut) expect(loggedIn, `${summary}: current logs in`).toBe(true)
      if (critical && !appliesIn(entry.isUndecidable, world))
        expect(loggedIn, `${summary}: critical is told only if current does not log in`).toBe(false)
      if (!loggedIn)
        expect(['intact', 'restored', 'open'], `${summary}: what is not well is not called so`).not.toContain(
          outcome.rollback,
        )
      if (entry.expectedEnd) expect(outcome.end, summary).toMatch(entry.expectedEnd(world))
      expect(world.leaks(), `${summary}: no password in any result or error`).toBe(false)
    } finally {
      await entry.undo(world)
    }
    const next = await world.rotate(async () => {}, { passes: true })
    const found = await world.store.describe(world.id)
    if (found.pending || next.end !== 'rotated') counts.stuck++
    const then = `${summary}; undone, ${next.end} (${next.lockout ?? next.error ?? next.retirement})`
    expect(next, then).toEqual({ end: 'rotated' })
    expect(found.pending, `${then}: nothing is pending`).toBeUndefined()
    expect(await testServer.admits(await world.current()), `${then}: current logs in`).toBe(true)
    for (const replaced of await world.replaced())
      expect(
        await testServer.admits(replaced),
        `${then}: ${replaced.username} logs in with what was replaced`,
      ).toBe(false)
    await testServer.clear?.(world.app)
  }

  describe(testServer.name, () => {
    let scenes: ReturnType<typeof scenesOf>
    const all = async () => {
      scenes ??= scenesOf(await testServer.makeApp('single-user'))
      return scenes
    }
    for (const [index, entry] of entries.entries())
      test(entry.name, { timeout: 300_000 }, async () => {
        const possible = (await all()).filter(
          ({ strategy, holder }) =>
            (entry.strategies?.includes(strategy) ?? true) && (entry.holders?.includes(holder) ?? true),
        )
        const when = entry.moments ?? moments
        // Each scene meets one moment, and each moment one scene, in another pairing for each entry.
        const rounds = runsAllCombinations
          ? possible.length * when.length
          : Math.max(possible.length, when.length)
        const half =
          runsAllCombinations || rounds === 1 || !shared?.names.has(entry.name) ? undefined : shared.half
        for (let round = 0; round < rounds; round++) {
          if (half !== undefined && (round + entry.name.length) % 2 !== half) continue
          const scene = possible[round % possible.length]
          const shift = runsAllCombinations ? Math.floor(round / possible.length) : index
          const moment = when[(round + shift) % when.length]
          if (!scene || !moment) throw new Error(`${entry.name} fits no strategy or moment`)
          await play(entry, scene.strategy, scene.holder, moment)
        }
      })

    afterAll(() => {
      console.info(
        `${testServer.name}, the world: ${entries.length} states, ${counts.cases} rotations, ${counts.lockouts} lockouts, ${counts.stuck} stuck, ${counts.falseCriticals} false criticals; they ended`,
        ends,
      )
    })
  })
}
