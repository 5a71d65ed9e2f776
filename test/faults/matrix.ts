import { beforeAll, describe, expect, test } from 'vitest'
import type { App } from '../../local/servers/postgresDatabase.ts'
import type { StrategyName } from '../../rotation/strategies/strategyNames.ts'
import type { TestServer } from '../support/testServers.ts'
import { Process, type VisitPoint } from './process.ts'
import { type Counts, Execution, hasOneUser, Scene, type Start, type ValueKind } from './scene.ts'

const startsOf: Record<StrategyName, Start[]> = {
  'single-user': ['first'],
  'alternating-users': ['first', 'settled'],
  'temporary-clone': ['first', 'halfway'],
  'dual-password': ['first'],
  master: ['first'],
}

/** Whether every pair and triple of points is tried, or a part of them, as each says. */
const whole = process.env.KEYTURN_FAULTS === 'whole'

type Options = {
  value?: ValueKind
  extent?: 'full' | 'first' | 'brief'
  /** One start of those that the strategy has: the others are in another file, which runs at the same time. */
  only?: Start
}

/**
 * The fault matrix of one strategy on servers of one engine, the newest first: whatever single thing goes wrong at
 * whatever point of a rotation, the application logs in and nothing is left pending. Prints how many cases there were.
 *
 * For values that are not AWS's JSON it has the single faults alone: how they are stored is all that is different. The
 * two long ones, (c) and (d), start from every state (`full`), or from the `first` only: the steps are the same for all
 * engines, and what another engine does in its own way shows most where the clone does not exist yet. `brief` leaves
 * (c) out, has (d) from one state, and of it what one rotation does to another that it interrupts. In (c), the two deaths are
 * at every second pair of points; in (d), two switches at every second pair (alternating users: every sixth), three at every
 * fourth triple; `KEYTURN_FAULTS=whole` has them all. A rehearsal changes nothing, so it is passed at one go in both.
 */
export function faultMatrix(
  strategy: StrategyName,
  places: TestServer[],
  { value = 'json', extent = 'full', only }: Options = {},
): void {
  const [newest] = places
  // Where it cannot be had; test/support/servers.ts has said so.
  if (!newest) {
    test.skip(`${strategy} on a server that is not there`)
    return
  }

  const counts: Counts = { cases: 0, lockouts: 0, stuck: 0 }
  const settle = (scene: Scene, winners: string[], where = '') => scene.check(winners, where, counts)

  /** Runs a rotation; `visit` decides at each point, by its number, who dies. Returns the points that were passed. */
  async function rotate(scene: Scene, fatal: (n: number) => boolean, deaths = 1) {
    const points: string[] = []
    const execution = new Execution(scene, () => newProcess(scene, points, fatal), deaths)
    await execution.run()
    return { execution, points }
  }

  const newProcess = (scene: Scene, points: string[], fatal: (n: number) => boolean) =>
    Process.counting(scene.base, scene.place, points, fatal)
  /** One that passes no points. */
  const atOneGo = (scene: Scene) => new Process(scene.base, scene.place, () => {})

  const never = () => false
  const all = startsOf[strategy].filter(start => !only || start === only)
  // What only a temporary clone does, to drop the clone, comes at the end of its second half.
  const starts = extent === 'brief' && strategy === 'temporary-clone' ? all.slice(1) : all
  // Both halves are turns of alternating users, which have a matrix of their own.
  const long = strategy === 'temporary-clone' ? [] : extent === 'full' ? starts : starts.slice(0, 1)
  const meetings = strategy === 'temporary-clone' ? all.slice(1) : long
  const tried = value === 'json' ? places : [newest]
  const variants = tried.flatMap(place => starts.map(start => ({ name: place.name, place, start })))

  describe.each(variants)('$name, $start', { timeout: 600_000 }, ({ place, start }) => {
    let app: App
    let scene: () => Promise<Scene>
    let clean: string[]
    /** How many of them a rotation takes before it has a new current: dying later loses nothing. */
    let promoted: number
    beforeAll(async () => {
      app = await place.makeApp(strategy)
      scene = () => Scene.create(place, app, strategy, start, value)
      const { points } = await rotate(await scene(), never)
      clean = points
      promoted = points.indexOf('after promote')
    })

    test('without a fault it rotates', async () => {
      const here = await scene()
      const { execution, points } = await rotate(here, never)
      expect([execution.outcome, execution.error]).toEqual(['rotated', undefined])
      const logins = points.filter(point => point === 'after login').length
      if (value === 'opaque') expect(logins).toBe(0)
      else expect(logins).toBeGreaterThanOrEqual(2)
      expect(execution.secondHalf?.outcome).toBe(
        strategy === 'temporary-clone' && start === 'first' ? 'rotated' : undefined,
      )
      await settle(here, [execution.lastHalf.token])
    })

    test('current logs in at every instant, under single-user but between set and finish', async () => {
      const here = await scene()
      let changed = false
      const process = () =>
        new Process(here.base, here.place, async point => {
          if (hasOneUser(strategy) && /^after (statement password|setMasterPassword)$/.test(point))
            changed = true
          if (point === 'after promote') changed = false
          await here.waitForRds()
          expect(await here.currentLogsIn(), point).toBe(!changed)
        })
      const execution = new Execution(here, process)
      await execution.run()
      expect([execution.outcome, execution.error]).toEqual(['rotated', undefined])
    })

    test('(a) the process dies once, at each point, and the step is retried: it rotates', async () => {
      for (const [n, point] of clean.entries()) {
        const here = await scene()
        const { execution } = await rotate(here, m => m === n, 2)
        expect(execution.lastHalf.outcome, `${n} ${point}`).toBe('rotated')
        await settle(here, [execution.lastHalf.token])
      }
    })

    test('(b) the process dies for good, at each point, and rollback runs', async () => {
      for (const [n, point] of clean.entries()) {
        const here = await scene()
        const { execution, points } = await rotate(here, m => m === n)
        const { lastHalf, secondHalf } = execution
        // Of this run: one that waits for something may pass more points, or fewer.
        const promotions = points.slice(0, n + 1).filter(point => point === 'after promote').length
        const before = promotions === (secondHalf ? 1 : 0) || points[n] === 'after promote'
        expect(lastHalf.outcome, `${n} ${point}`).toBe(before ? 'rolled back' : 'rotated')
        const winner = [here.original, execution.token, lastHalf.token][promotions] ?? ''
        await settle(here, [winner], `${n} ${point}`)
      }
    })

    /** @returns the points that were passed */
    async function rollbackThatDies(n: number, m: number) {
      const here = await scene()
      const points: string[] = []
      const next = () => newProcess(here, points, k => k === n || k === m)
      const execution = new Execution(here, rehearses => (rehearses ? atOneGo(here) : next()))
      const rollback = execution.rollback.bind(execution)
      execution.rollback = async () => {
        await rollback()
        if (execution.outcome === 'died') await rollback()
      }
      await execution.run()
      expect(execution.outcome, `${points[n]}, then ${points[m]}`).toBe('rolled back')
      await settle(here, points[n] === 'after promote' ? [execution.token] : [here.original])
      return points
    }

    // The code under test is the same for all versions, and this is the long one.
    if (place === newest && value === 'json' && extent !== 'brief' && long.includes(start))
      test('(c) as (b), and rollback dies once, at each of its points, and is retried', async () => {
        const step = whole ? 1 : 2
        for (let n = 0, last = false; !last; n++)
          for (let m = n + 1 + ((n + 1) % step), points = m + 1; m < points; m += step) {
            const passed = await rollbackThatDies(n, m)
            last = passed[n] === 'after promote'
            points = passed.length
          }
      })

    test('(e) the process dies for good and nobody rolls back: the next rotation does, or takes back what changed nothing, then goes on', async () => {
      for (const [n, point] of clean.slice(0, promoted).entries()) {
        const here = await scene()
        const points: string[] = []
        const dead = new Execution(here, () => newProcess(here, points, m => m === n))
        dead.rollback = async () => {}
        await dead.run()
        // Every second time nobody can tell whether it changed anything: then it is rolled back, whatever it did.
        if (n % 2) here.untouched.clear()
        const { lastHalf } = (await rotate(here, never)).execution
        expect(lastHalf.outcome, `${n} ${point}: ${lastHalf.error}`).toBe('rotated')
        await settle(here, [lastHalf.token], `${n} ${point}`)
      }
    })
  })

  if (value === 'json')
    describe('(d) two rotations against each other', () => {
      /**
       * Each has a gate at every point. A runs to its point i, B to its point j, A to its point k, then B to its end and
       * A to its own. One that waits for the other (a retried Conflict) lets it run.
       */
      async function meet(scene: Scene, i: number, j: number, k: number) {
        const [a, b] = [new Gate([i, k]), new Gate([j])]
        const start = (mine: Gate, other: Gate) => {
          const visit: VisitPoint = point => (point.startsWith('before') ? mine.pass() : undefined)
          const letOther = () => mine.waitFor(other).then(() => scene.waitForRds())
          const next = (rehearses: boolean) =>
            rehearses ? atOneGo(scene) : new Process(scene.base, scene.place, visit)
          return new Execution(scene, next, 1, { wait: letOther, alone: true })
        }
        const [first, second] = [start(a, b), start(b, a)]
        const runs = [first.run().finally(() => a.end())]
        await a.held
        runs.push(second.run().finally(() => b.end()))
        await b.held
        await a.release()
        b.open()
        await Promise.race([b.ended, b.waits])
        a.open()
        await Promise.all(runs)
        return { first, second }
      }

      /** Of two users: the other may have dropped or taken up the one that TestSecret compares with. */
      const reasons = hasOneUser(strategy)
        ? /^(RotationInProgress|Superseded|LoginRefused|Conflict|RdsBusy)$/
        : /^(RotationInProgress|Superseded|LoginRefused|Conflict|TestFailed)$/
      // Three switches where the rotation is short enough, else two: A's second stop is then its end. In brief one less,
      // and one for a temporary clone: B's first stop is then its end as well.
      const most = { 'single-user': 3, 'temporary-clone': 1 }[strategy as string] ?? 2
      const switches = extent === 'brief' ? Math.max(1, most - 1) : most
      const stride = strategy === 'alternating-users' ? 6 : switches === 3 ? 4 : switches
      test.each(meetings)(
        '%s: whoever switches to whom at whatever point',
        { timeout: 900_000 },
        async start => {
          const app = await newest.makeApp(strategy)
          const tally = { both: 0, one: 0, none: 0 }
          const befores: string[] = []
          const scene = await Scene.create(newest, app, strategy, start)
          const clean = new Process(scene.base, scene.place, point => {
            if (point.startsWith('before')) befores.push(point)
          })
          await new Execution(scene, rehearses => (rehearses ? atOneGo(scene) : clean)).run()
          const points = befores.length
          // Until it drops the clone it is a turn of alternating users.
          const from = strategy === 'temporary-clone' ? befores.indexOf('before promote') : 0
          for (let i = from; i <= points; i++)
            for (let j = switches === 1 ? points : 0; j <= points; j++)
              for (let k = switches === 3 ? i + 1 : points + 1; k <= points + 1; k++) {
                if (!whole && (i + j + k) % stride) continue
                const here = await Scene.create(newest, app, strategy, start)
                const { first, second } = await meet(here, i, j, k)
                const where = `A to ${i}, B to ${j}, A to ${k}: ${first.outcome} ${first.error}, ${second.outcome} ${second.error}`
                expect([first.outcome, second.outcome], where).not.toContain('locked out')
                const lost = [first, second].filter(({ outcome }) => outcome !== 'rotated')
                tally[lost.length === 0 ? 'both' : lost.length === 1 ? 'one' : 'none']++
                for (const { error } of lost) expect(error?.name, where).toMatch(reasons)
                await settle(here, [here.original, first.token, second.token], where)
              }
          console.info(
            `${newest.name}, ${strategy}, ${start}: how many of two rotations that met won:`,
            tally,
          )
        },
      )
    })

  test('the count: no lockout, nothing stuck', () => {
    console.info(
      `${newest.name}, ${strategy}, ${value}: ${counts.cases} faults, ${counts.lockouts} lockouts, ${counts.stuck} stuck`,
    )
    expect(counts).toMatchObject({ lockouts: 0, stuck: 0 })
    const brief = strategy === 'alternating-users' ? 120 : 50
    const least = extent === 'brief' ? brief : strategy === 'temporary-clone' ? 150 : whole ? 400 : 200
    expect(counts.cases).toBeGreaterThan({ json: least, 'password-only': 55, opaque: 30 }[value])
  })
}

/** Holds a run at the points that it is to stop at, counted from its start, until it is released. */
class Gate {
  #count = 0
  #stops: number[]
  #open = false
  #held = Promise.withResolvers<void>()
  #released = Promise.withResolvers<void>()
  readonly #ended = Promise.withResolvers<void>()
  readonly #waits = Promise.withResolvers<void>()

  constructor(stops: number[]) {
    this.#stops = stops
  }
  async pass(): Promise<void> {
    if (this.#open || this.#count++ !== this.#stops[0]) return
    this.#stops.shift()
    const { promise } = this.#released
    this.#held.resolve()
    await promise
  }
  /** Lets the run go on to its next stop or its end, and waits until it is there or waits for the other. */
  async release(): Promise<void> {
    this.#held = Promise.withResolvers()
    const { resolve } = this.#released
    this.#released = Promise.withResolvers()
    resolve()
    await Promise.race([this.#held.promise, this.#ended.promise, this.#waits.promise])
  }
  /** Lets the run go on to its end. */
  open(): void {
    this.#open = true
    this.#released.resolve()
  }
  end(): void {
    this.#held.resolve()
    this.#ended.resolve()
  }
  /** Lets the other go on to its end, unless it waits for this one already. */
  async waitFor(other: Gate): Promise<void> {
    this.#waits.resolve()
    other.open()
    await Promise.race([other.#ended.promise, other.#waits.promise])
  }
  get held(): Promise<void> {
    return Promise.race([this.#held.promise, this.#waits.promise])
  }
  get ended(): Promise<void> {
    return this.#ended.promise
  }
  get waits(): Promise<void> {
    return this.#waits.promise
  }
}
