import { beforeAll, describe, expect, test } from 'vitest'
import type { App } from '../../local/servers/postgresDatabase.ts'
import type { StrategyName } from '../../rotation/strategies/strategyNames.ts'
import type { MatrixServer } from '../support/testServers.ts'
import { Process, type VisitPoint } from './process.ts'
import { type Counts, Execution, hasOneUser, Scene, type Start, type ValueKind } from './scene.ts'

/** The states in which a rotation by each strategy may begin. */
const startsOf: Record<StrategyName, Start[]> = {
  'single-user': ['first'],
  'alternating-users': ['first', 'settled'],
  'temporary-clone': ['first', 'halfway'],
  'dual-password': ['first'],
  master: ['first'],
}

/** Whether every pair and triple of points is tried, instead of the part that `faultMatrix` describes. */
const triesAllPoints = process.env.KEYTURN_FAULTS === 'whole'

/** See `faultMatrix`. */
type Options = {
  value?: ValueKind
  extent?: 'full' | 'first' | 'brief'
  /** The only start to test. Another file, which runs at the same time, has the strategy's other starts. */
  only?: Start
}

/**
 * The fault matrix of one strategy on servers of one engine, of which the newest is first: whatever single fault happens at
 * whatever point of a rotation, the application logs in afterwards and nothing is left pending. It prints how many cases it had.
 *
 * For values that are not AWS's JSON it has only single faults, as these differ only in how they are stored. The two long parts,
 * (c) and (d), begin in every start (`full`) or in the first one (`first`): the steps are the same for all engines, and engines
 * differ most where the clone does not exist yet. `brief` leaves (c) out, and has (d) from one start with one switch less.
 *
 * In (c), the two deaths are at every second pair of points. In (d), two switches are at every second pair (alternating users:
 * every sixth), and three at every fourth triple. `KEYTURN_FAULTS=whole` has them all. A rehearsal changes nothing, so both
 * parts treat it as one point.
 */
export function faultMatrix(
  strategy: StrategyName,
  servers: MatrixServer[],
  { value = 'json', extent = 'full', only }: Options = {},
): void {
  const [newest] = servers
  // test/support/servers.ts says which servers this system does not have.
  if (!newest) {
    test.skip(`${strategy} on a server that this system does not have`)
    return
  }

  const counts: Counts = { cases: 0, lockouts: 0, stuck: 0 }
  const settle = (scene: Scene, winners: string[], where = '') => scene.check(winners, where, counts)

  /**
   * Runs a rotation. `isFatal` says by a point's number whether the process dies there. A step is tried until so many
   * processes have died of it.
   * @returns the execution, and the points that were passed
   */
  async function rotate(scene: Scene, isFatal: (n: number) => boolean, deaths = 1) {
    const points: string[] = []
    const execution = new Execution(scene, () => newProcess(scene, points, isFatal), deaths)
    await execution.run()
    return { execution, points }
  }

  const newProcess = (scene: Scene, points: string[], isFatal: (n: number) => boolean) =>
    Process.counting(scene.base, scene.testServer, points, isFatal)
  /** A process whose points are not counted. */
  const withoutPoints = (scene: Scene) => new Process(scene.base, scene.testServer, () => {})

  const neverDies = () => false
  const all = startsOf[strategy].filter(start => !only || start === only)
  // Only the second rotation of a temporary clone drops the clone, which `halfway` begins with.
  const starts = extent === 'brief' && strategy === 'temporary-clone' ? all.slice(1) : all
  // Both rotations of a temporary clone are turns of alternating users, which have a matrix of their own.
  const startsOfLongParts =
    strategy === 'temporary-clone' ? [] : extent === 'full' ? starts : starts.slice(0, 1)
  const meetings = strategy === 'temporary-clone' ? all.slice(1) : startsOfLongParts
  const testedServers = value === 'json' ? servers : [newest]
  const variants = testedServers.flatMap(testServer =>
    starts.map(start => ({ name: testServer.name, testServer, start })),
  )

  describe.each(variants)('$name, $start', { timeout: 600_000 }, ({ testServer, start }) => {
    let app: App
    let scene: () => Promise<Scene>
    /** The points of a rotation without a fault, such as "after propose". */
    let pointsWithoutFault: string[]
    /** The number of the point after which the new version is current. */
    let promotionPoint: number
    beforeAll(async () => {
      app = await testServer.makeApp(strategy)
      scene = () => Scene.create(testServer, app, strategy, start, value)
      const { points } = await rotate(await scene(), neverDies)
      pointsWithoutFault = points
      promotionPoint = points.indexOf('after promote')
    })

    test('a rotation without a fault succeeds', async () => {
      const here = await scene()
      const { execution, points } = await rotate(here, neverDies)
      expect([execution.outcome, execution.error]).toEqual(['rotated', undefined])
      const logins = points.filter(point => point === 'after login').length
      if (value === 'opaque') expect(logins).toBe(0)
      else expect(logins).toBeGreaterThanOrEqual(2)
      expect(execution.secondHalf?.outcome).toBe(
        strategy === 'temporary-clone' && start === 'first' ? 'rotated' : undefined,
      )
      await settle(here, [execution.lastHalf.token])
    })

    test('current logs in at every point, except between SetSecret and FinishSecret with one user', async () => {
      const here = await scene()
      let changed = false
      const process = () =>
        new Process(here.base, here.testServer, async point => {
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

    test('(a) if the process dies once, at each point, the step is retried and the rotation succeeds', async () => {
      for (const [n, point] of pointsWithoutFault.entries()) {
        const here = await scene()
        const { execution } = await rotate(here, m => m === n, 2)
        expect(execution.lastHalf.outcome, `${n} ${point}`).toBe('rotated')
        await settle(here, [execution.lastHalf.token])
      }
    })

    test('(b) if the process dies for good, at each point, the rotation is rolled back', async () => {
      for (const [n, point] of pointsWithoutFault.entries()) {
        const here = await scene()
        const { execution, points } = await rotate(here, m => m === n)
        const { lastHalf, secondHalf } = execution
        // Counted in this run's points, as a run that waits for something may pass more points, or fewer.
        const promotions = points.slice(0, n + 1).filter(point => point === 'after promote').length
        const before = promotions === (secondHalf ? 1 : 0) || points[n] === 'after promote'
        expect(lastHalf.outcome, `${n} ${point}`).toBe(before ? 'rolled back' : 'rotated')
        const winner = [here.original, execution.token, lastHalf.token][promotions] ?? ''
        await settle(here, [winner], `${n} ${point}`)
      }
    })

    /** The process dies at point n, and in the rollback at point m. @returns the points that were passed */
    async function runWithDyingRollback(n: number, m: number) {
      const here = await scene()
      const points: string[] = []
      const next = () => newProcess(here, points, k => k === n || k === m)
      const execution = new Execution(here, rehearses => (rehearses ? withoutPoints(here) : next()))
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

    // One version of a server is enough for this long part, as the code is the same for all.
    if (testServer === newest && value === 'json' && extent !== 'brief' && startsOfLongParts.includes(start))
      test('(c) if the process dies for good, and the rollback dies once at any point, the rollback is retried', async () => {
        const step = triesAllPoints ? 1 : 2
        for (let n = 0, last = false; !last; n++)
          for (let m = n + 1 + ((n + 1) % step), points = m + 1; m < points; m += step) {
            const passed = await runWithDyingRollback(n, m)
            last = passed[n] === 'after promote'
            points = passed.length
          }
      })

    test('(e) if the process dies for good without a rollback, the next rotation rolls it back and succeeds', async () => {
      for (const [n, point] of pointsWithoutFault.slice(0, promotionPoint).entries()) {
        const here = await scene()
        const points: string[] = []
        const dead = new Execution(here, () => newProcess(here, points, m => m === n))
        dead.rollback = async () => {}
        await dead.run()
        // Every second time nothing proves that it changed nothing, so that it is rolled back in any case.
        if (n % 2) here.untouched.clear()
        const { lastHalf } = (await rotate(here, neverDies)).execution
        expect(lastHalf.outcome, `${n} ${point}: ${lastHalf.error}`).toBe('rotated')
        await settle(here, [lastHalf.token], `${n} ${point}`)
      }
    })
  })

  if (value === 'json')
    describe('(d) two rotations against each other', () => {
      /**
       * Runs two rotations, A and B, each with a gate at every point. A runs to its point i, B to its point j, A to its point k,
       * B to its end, then A to its end. A rotation that waits for the other, as before it retries a Conflict, lets it run.
       */
      async function meet(scene: Scene, i: number, j: number, k: number) {
        const [a, b] = [new Gate([i, k]), new Gate([j])]
        const start = (mine: Gate, other: Gate) => {
          const visit: VisitPoint = point => (point.startsWith('before') ? mine.pass() : undefined)
          const letOther = () => mine.waitFor(other).then(() => scene.waitForRds())
          const next = (rehearses: boolean) =>
            rehearses ? withoutPoints(scene) : new Process(scene.base, scene.testServer, visit)
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

      /** With two users, TestSecret fails if the other rotation has dropped or changed the user that it compares with. */
      const acceptedErrors = hasOneUser(strategy)
        ? /^(RotationInProgress|Superseded|LoginRefused|Conflict|RdsBusy)$/
        : /^(RotationInProgress|Superseded|LoginRefused|Conflict|TestFailed)$/
      // Three switches for a short rotation, else two, in which case A's second stop is its end. `brief` has one less, and
      // a temporary clone has one, in which case B's first stop is its end too.
      const maxSwitches = { 'single-user': 3, 'temporary-clone': 1 }[strategy as string] ?? 2
      const switches = extent === 'brief' ? Math.max(1, maxSwitches - 1) : maxSwitches
      const stride = strategy === 'alternating-users' ? 6 : switches === 3 ? 4 : switches
      test.each(meetings)(
        'started in the state %s, in whatever order their calls come, never lock the application out',
        { timeout: 900_000 },
        async start => {
          const app = await newest.makeApp(strategy)
          const tally = { both: 0, one: 0, none: 0 }
          const callsOfRotation: string[] = []
          const scene = await Scene.create(newest, app, strategy, start)
          const countingProcess = new Process(scene.base, scene.testServer, point => {
            if (point.startsWith('before')) callsOfRotation.push(point)
          })
          await new Execution(scene, rehearses => (rehearses ? withoutPoints(scene) : countingProcess)).run()
          const points = callsOfRotation.length
          // Before the promotion, it is the same as a turn of alternating users.
          const from = strategy === 'temporary-clone' ? callsOfRotation.indexOf('before promote') : 0
          for (let i = from; i <= points; i++)
            for (let j = switches === 1 ? points : 0; j <= points; j++)
              for (let k = switches === 3 ? i + 1 : points + 1; k <= points + 1; k++) {
                if (!triesAllPoints && (i + j + k) % stride) continue
                const here = await Scene.create(newest, app, strategy, start)
                const { first, second } = await meet(here, i, j, k)
                const where = `A to ${i}, B to ${j}, A to ${k}: ${first.outcome} ${first.error}, ${second.outcome} ${second.error}`
                expect([first.outcome, second.outcome], where).not.toContain('locked out')
                const lost = [first, second].filter(({ outcome }) => outcome !== 'rotated')
                tally[lost.length === 0 ? 'both' : lost.length === 1 ? 'one' : 'none']++
                for (const { error } of lost) expect(error?.name, where).toMatch(acceptedErrors)
                await settle(here, [here.original, first.token, second.token], where)
              }
          console.info(`${newest.name}, ${strategy}, ${start}: how many of two rotations succeeded:`, tally)
        },
      )
    })

  test('there were enough cases, no lockout, and nothing left pending', () => {
    console.info(
      `${newest.name}, ${strategy}, ${value}: ${counts.cases} faults, ${counts.lockouts} lockouts, ${counts.stuck} stuck`,
    )
    expect(counts).toMatchObject({ lockouts: 0, stuck: 0 })
    const brief = strategy === 'alternating-users' ? 120 : 50
    const least =
      extent === 'brief' ? brief : strategy === 'temporary-clone' ? 150 : triesAllPoints ? 400 : 200
    expect(counts.cases).toBeGreaterThan({ json: least, 'password-only': 55, opaque: 30 }[value])
  })
}

/** Stops a run at points with these numbers, counted from its start, until it is released. */
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
  /** Called by the run at each point. Waits there if it is a stop. */
  async pass(): Promise<void> {
    if (this.#open || this.#count++ !== this.#stops[0]) return
    this.#stops.shift()
    const { promise } = this.#released
    this.#held.resolve()
    await promise
  }
  /** Lets the run go on, and waits until it is at its next stop, has ended, or waits for the other run. */
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
  /** Called when the run has ended. */
  end(): void {
    this.#held.resolve()
    this.#ended.resolve()
  }
  /** Called by a run that must wait for the other, which then runs to its end, unless it waits for this one too. */
  async waitFor(other: Gate): Promise<void> {
    this.#waits.resolve()
    other.open()
    await Promise.race([other.#ended.promise, other.#waits.promise])
  }
  /** Resolves when the run is at a stop, has ended, or waits for the other. */
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
