import { afterAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { type Pgbouncer, POOL_MODES, USER_LOOKUPS } from '../../local/servers/pgbouncer.ts'
import { RETIRE_WAIT_MS } from '../../rotation/retire.ts'
import { SESSION_LOOK_PAUSES_MS } from '../../rotation/strategies/alternatingUsers.ts'
import { LOGIN_PAUSES_MS } from '../../rotation/strategies/login.ts'
import type { StrategyName } from '../../rotation/strategies/strategyNames.ts'
import { Process, type VisitPoint } from '../faults/process.ts'
import { type Counts, Execution, hasOneUser, Scene, secretId } from '../faults/scene.ts'
import { type Application, furnish, startApplication } from './application.ts'
import { pooledPlace } from './place.ts'

// Shorter waits than in production: RDS is played, and a pooler keeps a clone's connections for longer than a test waits.
LOGIN_PAUSES_MS.splice(0, Infinity, 20, 50, 100)
SESSION_LOOK_PAUSES_MS.splice(0, Infinity, 20)
RETIRE_WAIT_MS.sessions = 0

/** Whether every death happens behind every pooler, or each behind one. */
const whole = process.env.KEYTURN_POOLER === 'whole'

/** What happens to a rotation whose process died. */
const fates = ['it is tried again', 'it is rolled back', 'the next one goes on'] as const
type Fate = (typeof fates)[number] | 'its test fails'

/** Each strategy, and whether a tag says that the pooler asks the database, which strategies with one user need. */
const variants: { strategy: StrategyName; asks: boolean }[] = [
  { strategy: 'single-user', asks: false },
  { strategy: 'single-user', asks: true },
  { strategy: 'master', asks: false },
  { strategy: 'master', asks: true },
  { strategy: 'alternating-users', asks: false },
  { strategy: 'temporary-clone', asks: false },
]

const never = () => false
const counts: Counts = { cases: 0, lockouts: 0, stuck: 0 }
const total = { queries: 0, refused: 0, played: 0, possible: 0 }

/** One secret that rotates repeatedly, while an application queries through the same pooler. */
class Chain {
  readonly #scene: Scene
  readonly #application: Application
  readonly #ofOneUser: boolean
  /** Whether a rotation can succeed here. */
  readonly #rotates: boolean
  /** The times between which a single user has another password than the application reads. */
  readonly #turning: { from: number; to: number }[] = []

  private constructor(scene: Scene, application: Application, ofOneUser: boolean, rotates: boolean) {
    this.#scene = scene
    this.#application = application
    this.#ofOneUser = ofOneUser
    this.#rotates = rotates
  }

  static async of(pgbouncer: Pgbouncer, { strategy, asks }: (typeof variants)[number]): Promise<Chain> {
    const place = pooledPlace(pgbouncer, { asks })
    const app = await place.makeApp(strategy)
    onTestFinished(() => app.drop())
    await furnish(pgbouncer, app)
    const scene = await Scene.create(place, app, strategy, 'first')
    const application = await startApplication(pgbouncer, () => scene.current())
    onTestFinished(() => application.stop().then(() => {}))
    const one = hasOneUser(strategy)
    return new Chain(scene, application, one, pgbouncer.userLookup === 'auth_query' && (asks || !one))
  }

  /** Rotates, and has a process die at the point `n`. @returns how many points were passed, and how many before a rollback */
  async rotate(fate: Fate, n?: number): Promise<{ passed: number; before: number }> {
    const { current: before = '' } = await this.#scene.store.describe(secretId)
    const points: string[] = []
    const start = (fatal: (m: number) => boolean, fails: boolean) => {
      const next = () =>
        Process.counting(this.#scene.base, this.#scene.testServer, points, fatal, this.#visit)
      return new Execution(this.#scene, next, fate === 'it is tried again' ? 2 : 1, { fails })
    }
    if (n !== undefined) total.played++
    const execution = start(m => m === n, fate === 'its test fails')
    const rollback = execution.rollback.bind(execution)
    let rollbackFrom: number | undefined
    execution.rollback = async () => {
      rollbackFrom ??= points.length
      if (fate === 'the next one goes on') return
      await rollback()
      if (execution.outcome === 'died') await rollback()
    }
    await execution.run()
    const passed = points.length
    const all = [execution]
    if (fate === 'the next one goes on') {
      all.push(start(never, false))
      await all.at(-1)?.run()
    }
    const where = `${fate}, ${n === undefined ? 'no death' : `${n} ${points[n]}`}`
    await this.#settle(before, all, fate, where)
    return { passed, before: rollbackFrom ?? passed }
  }

  /** Notes the times of changes, and waits for as long as the replaced user may be in use. */
  readonly #visit: VisitPoint = async point => {
    if (point === 'after promote') await this.#application.turns()
    if (this.#ofOneUser && /^before (statement password|setMasterPassword)$/.test(point))
      this.#turning.push({ from: performance.now(), to: Number.POSITIVE_INFINITY })
  }

  async #settle(before: string, all: Execution[], fate: Fate, where: string): Promise<void> {
    const ends = all.map(({ outcome, lastHalf, error }) => `${outcome}, ${lastHalf.outcome} (${error})`)
    const told = `${where}: ${ends.join('; ')}`
    const made = all.flatMap(({ token, lastHalf }) => [token, lastHalf.token])
    await this.#scene.checkState(this.#rotates ? [before, ...made] : [before], told, counts)
    for (const window of this.#turning) window.to = Math.min(window.to, performance.now())
    const outcome = all.at(-1)?.lastHalf.outcome
    if (!this.#rotates || fate === 'its test fails') expect(outcome, told).toBe('rolled back')
    else if (fate !== 'it is rolled back') expect(outcome, told).toBe('rotated')
    const refusal = this.#rotates ? /^$/ : this.#ofOneUser ? /^NotPermitted$/ : /^LoginRefused$/
    for (const { error } of all)
      if (error && fate !== 'its test fails') expect(error.name, told).toMatch(refusal)
    // A retirement that died is not retried.
    if (outcome === 'rotated' && !this.#ofOneUser && fate !== 'it is rolled back')
      expect(await this.#scene.previousLogsIn(), `${told}: what was replaced is closed`).toBe(false)
  }

  /** Expects that the application had only the errors that its strategy allows. */
  async end(): Promise<void> {
    const { failures, refusals, queries } = await this.#application.stop()
    expect(failures).toEqual([])
    const unexplained = refusals.filter(
      ({ began, ended }) => !this.#turning.some(({ from, to }) => began <= to && ended >= from),
    )
    expect(unexplained).toEqual([])
    this.#scene.checkSecrecy()
    total.queries += queries
    total.refused += refusals.length
  }
}

describe.each(inject('pgbouncer'))('PgBouncer: $name', pgbouncer => {
  const { mode, userLookup, name } = pgbouncer
  // The older PgBouncer is left out, as it does not differ in this.
  const turn = name.includes('bookworm')
    ? undefined
    : POOL_MODES.indexOf(mode) * USER_LOOKUPS.length + USER_LOOKUPS.indexOf(userLookup)
  const turns = POOL_MODES.length * USER_LOOKUPS.length

  test.each(variants.map((variant, index) => ({ ...variant, index })))(
    '$strategy, tagged auth-query: $asks: no rotation or death locks the application out',
    { timeout: 600_000 },
    async ({ index, ...variant }) => {
      const chain = await Chain.of(pgbouncer, variant)
      const here = (n: number) => whole || (n + index) % turns === turn
      const rotations = [await chain.rotate('it is tried again'), await chain.rotate('it is tried again')]
      const failing = await chain.rotate('its test fails')
      // Each death has one pooler and one consequence, in another pairing for each strategy.
      const points = Math.max(...rotations.map(({ passed }) => passed))
      total.possible += points * fates.length + failing.passed - failing.before
      for (let n = 0; n < points; n++)
        for (const [f, fate] of fates.entries())
          if (whole || (here(n) && (n + Math.floor(n / turns)) % fates.length === f))
            await chain.rotate(fate, n)
      for (let n = failing.before; n < failing.passed; n++)
        if (here(n)) await chain.rotate('its test fails', n)
      await chain.end()
    },
  )
})

afterAll(() => {
  console.info(
    `PgBouncer: ${total.played} deaths of ${total.possible} there could be, ${counts.cases} rotations, ${counts.lockouts} lockouts, ${counts.stuck} stuck; ` +
      `the application made ${total.queries} queries, ${total.refused} logins of it were refused`,
  )
})
