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
import type { Pipeline, Rotation } from '../../rotation/pipeline.ts'
import { rehearseFinish, rehearseRollback, rehearseTest } from '../../rotation/rehearse.ts'
import { retire } from '../../rotation/retire.ts'
import { rollback, rollbackAbandoned } from '../../rotation/rollback.ts'
import { shorten } from '../../rotation/shorten.ts'
import * as steps from '../../rotation/steps.ts'
import { MemoryStore } from '../../rotation/stores/memory.ts'
import { ADMIN_PAUSES_MS } from '../../rotation/strategies/adminSession.ts'
import { strategies } from '../../rotation/strategies/index.ts'
import type { StrategyName } from '../../rotation/strategies/strategyNames.ts'
import { SlowRds } from '../faults/slowRds.ts'
import type { TestServer } from '../support/testServers.ts'

/** Milliseconds: what takes an admin's own rotation seconds takes it no time here. */
ADMIN_PAUSES_MS.splice(0, Infinity, 20, 100, 300)

/**
 * When a state comes about. After create: and after the rehearsal, which meets what was there before. The last: SetSecret has gone
 * well, TestSecret failed, and nothing is rolled back yet.
 */
export const moments = ['before', 'after create', 'after set', 'before rollback'] as const
export type Moment = (typeof moments)[number]

/** Something that a server, a DBA or an admin may have or do. */
export type Entry = {
  name: string
  make(world: World): Promise<unknown>
  /** Takes it back, as far as it can be; the next rotation then has to go well. */
  undo(world: World): Promise<unknown>
  /** Whether the state itself keeps current from logging in, so that no rotation could help that. */
  locksOut?: boolean | ((world: World) => boolean)
  /** Whether nobody can tell from where Keyturn is whether current logs in: then a critical is right. */
  isUndecidable?: boolean | ((world: World) => boolean)
  /** Where it can be; left out, everywhere. */
  strategies?: readonly StrategyName[]
  holders?: readonly CurrentUser[]
  moments?: readonly Moment[]
  /** What a rotation that meets it ends with where that matters: `rotated`, or the name of an error. */
  expectedEnd?: (world: World) => RegExp
  /** A login uses up what the next one needs, so a check does too, and cannot tell what the rotation then meets. */
  usesUpLogin?: true
  /** The state goes away by itself, within seconds: retries wait for it. */
  endsByItself?: boolean
  /** True if user and password log in, where the place's own way cannot tell. */
  admits?(world: World, credential: Credential): Promise<boolean>
}

/** Which of the two users is current when the rotation begins. */
export type CurrentUser = 'user' | 'clone'

/** All strategies and holders that an engine knows. A master's password is set by RDS, which no server here is. */
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

/** One secret, its users in a real database, and what a rotation of it came to. */
export class World {
  readonly id = 'app'
  readonly testServer: TestServer
  readonly app: App
  readonly strategy: StrategyName
  readonly holder: CurrentUser
  readonly store: MemoryStore
  readonly pipeline: Pipeline
  /** What the admin's secret says; undefined if it was deleted. */
  admin: Credential | undefined
  /** Whatever an entry has to keep until it undoes it. */
  kept: unknown
  /** All that the outside gets to see. */
  readonly shown: unknown[] = []
  readonly #passwords = new Set<string>()
  readonly #stored: Credential[] = []
  readonly #running = new Set<string>()
  readonly #untouched = new Set<string>()
  readonly #set = new Set<string>()

  private constructor(place: TestServer, app: App, strategy: StrategyName, holder: CurrentUser) {
    this.testServer = place
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
    const engine = place.engine((_, effect) => effect())
    const running = async (token: string) => this.#running.has(token)
    this.pipeline = {
      store: this.store,
      loadEngine: async () => engine,
      readAdmin: async arn => {
        if (!this.admin) throw new InvalidCredential('masterarn', `there is no value in secret ${arn}`)
        return this.admin
      },
      readConnection: () => Promise.reject(new Error('the value says it all')),
      rds: strategy === 'master' ? async () => new SlowRds(place, app) : rejectRds,
      isRotating: running,
      isExecutionRunning: running,
      hasChangedNothing: async token => this.#untouched.has(token),
      wasSet: async token => this.#set.has(token),
      defaults: parseOptions({}),
    }
  }

  static async create(place: TestServer, strategy: StrategyName, holder: CurrentUser): Promise<World> {
    const app = await place.makeApp(strategy)
    const world = new World(place, app, strategy, holder)
    const { store, id } = world
    const tags = {
      'keyturn:managed': 'true',
      'keyturn:strategy': strategy,
      'keyturn:grace': '1s',
      ...place.tags,
    }
    const [first, second] = [newToken(), newToken()]
    world.#remember(app.current)
    if (holder === 'user') {
      await place.reset(app, undefined)
      store.create(id, first, app.current, tags)
      return world
    }
    const clone = app.current.with({ username: world.clone, password: `clone-${randomHex(12)}` })
    await place.reset(app, clone)
    store.create(id, first, app.current, tags)
    await store.propose(id, second, clone)
    await store.promote(id, second, first)
    return world
  }

  /** Notes that setSecret went well. */
  wasSet(token: string): void {
    this.#set.add(token)
  }

  get user(): string {
    return this.app.user
  }
  get clone(): string {
    return `${this.app.user}_clone`
  }
  /** The account that the application uses when the rotation begins, and the one that takes over. */
  get inUse(): string {
    return this.holder === 'user' ? this.user : this.clone
  }
  get next(): string {
    if (!strategies[this.strategy].pairOf) return this.user
    return this.holder === 'user' ? this.clone : this.user
  }

  /** Stores a value as somebody does by hand: it is current at once. */
  async edit(value: Credential): Promise<void> {
    const { current = '' } = await this.store.describe(this.id)
    const edited = newToken()
    await this.store.propose(this.id, edited, value)
    await this.store.promote(this.id, edited, current)
  }

  /** What `keyturn check` says of it now. */
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

  /** Every value that was ever stored, but current. */
  async replaced(): Promise<Credential[]> {
    const current = await this.current()
    return this.#stored.filter(({ username, password }) => {
      return username !== current.username || password !== current.password
    })
  }

  /** No password is in what the outside gets to see. */
  leaks(): boolean {
    const seen = this.shown
      .map(thing => `${JSON.stringify(thing)} ${inspect(thing, { depth: 9 })}`)
      .join('\n')
    return [...this.#passwords].some(password => seen.includes(password))
  }

  /**
   * Plays one rotation as the state machine does; `at` is called at each moment. It ends `rotated`, or with the name of
   * the step's error, as an `error` or as a `critical`.
   */
  async rotate(
    at: (moment: Moment) => Promise<unknown>,
    { fails = false, passes = false }: { fails?: boolean; passes?: boolean } = {},
  ): Promise<Outcome & { untouched?: boolean }> {
    const rotation = new Played(this, passes)
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

/** How a rotation ended. `rollback` is what the rollback said of itself, or what it failed with. */
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
const retried = ['Unreachable', 'Throttled', 'Conflict', 'RdsBusy', 'AdminRefused']

/** One execution: what the state machine does, in a few lines. */
class Played {
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
      if (fails) throw new Forced('the test is said to have failed')
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

  /** As a rollback, but that only a lockout is critical: nothing was changed. */
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

  /** Whether the rotation before has closed what it replaced, or the second half of it, is asked in the end. */
  async #retire(rotation: Rotation): Promise<Outcome> {
    if (!rotation.grace) return { end: 'rotated' }
    try {
      const { outcome } = await this.#step(() => retire(this.#world.pipeline, rotation))
      if (outcome !== 'halfway') return { end: 'rotated' }
    } catch (error) {
      return { end: 'rotated', retirement: named(error) }
    }
    const back = new Played(this.#world, false)
    return await back.run(
      async () => {},
      false,
      () => {},
      true,
    )
  }

  #ended(error: unknown, { rollback, lockout }: { rollback?: string; lockout?: unknown } = {}): Outcome {
    return {
      end: error instanceof Forced ? 'Forced' : named(error).name,
      severity: lockout ? 'critical' : 'error',
      ...(error instanceof Forced ? {} : { error: named(error) }),
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
        if (pause === undefined || !(error instanceof RotationError) || !retried.includes(error.name))
          throw error
        await sleep(pause)
      }
  }
}

class Forced extends Error {}
class Critical extends Error {}

/** @throws the error itself if it is none of ours: it would be Unexpected, which retries nothing and says nothing */
function named(error: unknown): RotationError {
  if (error instanceof RotationError && error.name !== 'Unexpected') return error
  throw error
}

/** Errors that a rotation ends with after tries that a check does not make: their words may be others. */
const triedMore = ['LoginRefused', 'AdminRefused', 'LockedOut']

/** What a rotation says of an error, without what its steps put around it. */
const inShort = ({ message }: RotationError) =>
  shorten(
    message
      .replace(/; this try changed nothing$/, '')
      .replace(/^in the rehearsal, before anything was changed: /, ''),
  )

/**
 * What a rotation refused before its first change, the check has said beforehand in the same words; and of what was rotated it
 * said nothing is in the way, but that current is refused, where an older value logged in.
 */
function foretold(
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
  if (!triedMore.includes(error.name))
    expect(
      failed.map(({ says }) => says),
      told,
    ).toContain(inShort(error))
}

const holds = (rule: boolean | ((world: World) => boolean) | undefined, world: World) =>
  typeof rule === 'function' ? rule(world) : (rule ?? false)

/** Whether all is played, or each entry with each strategy and each moment, but not each with each. */
const whole = process.env.KEYTURN_WORLD === 'whole'

/** The names of entries that a server of the same family plays too, and which of the two this one is. */
export type Shared = { names: Set<string>; half: 0 | 1 }

/**
 * Plays every entry on a server, and of those that another of its family plays too every second round: for each strategy, with current the user and current the clone, at each moment. What
 * must hold is written here once:
 * - current logs in afterwards, wherever the state itself lets it;
 * - the rotation ends rotated or with an error that has a name;
 * - it is critical only if current does not log in, or nobody can tell, and never says that current is well if it is not;
 * - once the state is undone, the next rotation goes well; nothing is pending, and nothing that was replaced logs in.
 */
export function worldMatrix(place: TestServer, entries: Entry[], shared?: Shared): void {
  const counts = { cases: 0, lockouts: 0, stuck: 0, falseCriticals: 0 }
  const ends: Record<string, number> = {}

  async function play(
    entry: Entry,
    strategy: StrategyName,
    holder: CurrentUser,
    moment: Moment,
  ): Promise<void> {
    const world = await World.create(place, strategy, holder)
    const where = `${entry.name}, ${strategy}, current the ${holder}, ${moment}`
    // In some states the server has other words than that it refuses: whatever they are, it does not let in.
    const admits = async (credential: Credential) =>
      (entry.admits?.(world, credential) ?? place.admits(credential)).catch(() => false)
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
    const told = `${where}: ${outcome.end}, ${outcome.rollback ?? outcome.lockout ?? 'no rollback'} (${outcome.error})`
    counts.cases++
    ends[outcome.end] = (ends[outcome.end] ?? 0) + 1
    const lockedOut = holds(entry.locksOut, world)
    const critical = outcome.severity === 'critical'
    try {
      const current = await world.current().catch(() => undefined)
      const loggedIn = current !== undefined && (await admits(current))
      if (!lockedOut && !loggedIn) counts.lockouts++
      if (checked && !entry.usesUpLogin) foretold(checked, outcome, where)
      if (critical && loggedIn && !holds(entry.isUndecidable, world)) counts.falseCriticals++
      if (!lockedOut) expect(loggedIn, `${told}: current logs in`).toBe(true)
      if (critical && !holds(entry.isUndecidable, world))
        expect(loggedIn, `${told}: critical is told only if current does not log in`).toBe(false)
      if (!loggedIn)
        expect(['intact', 'restored', 'open'], `${told}: what is not well is not called so`).not.toContain(
          outcome.rollback,
        )
      if (entry.expectedEnd) expect(outcome.end, told).toMatch(entry.expectedEnd(world))
      expect(world.leaks(), `${told}: no password in any result or error`).toBe(false)
    } finally {
      await entry.undo(world)
    }
    const next = await world.rotate(async () => {}, { passes: true })
    const found = await world.store.describe(world.id)
    if (found.pending || next.end !== 'rotated') counts.stuck++
    const then = `${told}; undone, ${next.end} (${next.lockout ?? next.error ?? next.retirement})`
    expect(next, then).toEqual({ end: 'rotated' })
    expect(found.pending, `${then}: nothing is pending`).toBeUndefined()
    expect(await place.admits(await world.current()), `${then}: current logs in`).toBe(true)
    for (const replaced of await world.replaced())
      expect(
        await place.admits(replaced),
        `${then}: ${replaced.username} logs in with what was replaced`,
      ).toBe(false)
    await place.clear?.(world.app)
  }

  describe(place.name, () => {
    let scenes: ReturnType<typeof scenesOf>
    const all = async () => {
      scenes ??= scenesOf(await place.makeApp('single-user'))
      return scenes
    }
    for (const [index, entry] of entries.entries())
      test(entry.name, { timeout: 300_000 }, async () => {
        const possible = (await all()).filter(
          ({ strategy, holder }) =>
            (entry.strategies?.includes(strategy) ?? true) && (entry.holders?.includes(holder) ?? true),
        )
        const when = entry.moments ?? moments
        // Each scene with one moment, and each moment with one scene: they go round, another way for each entry.
        const rounds = whole ? possible.length * when.length : Math.max(possible.length, when.length)
        const half = whole || rounds === 1 || !shared?.names.has(entry.name) ? undefined : shared.half
        for (let round = 0; round < rounds; round++) {
          if (half !== undefined && (round + entry.name.length) % 2 !== half) continue
          const scene = possible[round % possible.length]
          const shift = whole ? Math.floor(round / possible.length) : index
          const moment = when[(round + shift) % when.length]
          if (!scene || !moment) throw new Error('an entry that is played nowhere')
          await play(entry, scene.strategy, scene.holder, moment)
        }
      })

    afterAll(() => {
      console.info(
        `${place.name}, the world: ${entries.length} states, ${counts.cases} rotations, ${counts.lockouts} lockouts, ${counts.stuck} stuck, ${counts.falseCriticals} false criticals; they ended`,
        ends,
      )
    })
  })
}
