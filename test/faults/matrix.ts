import { beforeAll, describe, expect, inject, test } from 'vitest'
import type { PostgresServer, PostgresVersion } from '../../local/postgres.ts'
import type { StrategyName } from '../../rotation/strategies/strategy.ts'
import { type App, makeApp } from '../database.ts'
import { Process, type Visit } from './process.ts'
import { Execution, Scene, type Start } from './scene.ts'

const serverOf = (version: PostgresVersion) =>
  inject('postgres').find(server => server.version === version) as PostgresServer

/**
 * The fault matrix of one strategy: whatever single thing goes wrong at whatever point of a rotation, the application
 * logs in and nothing is left pending. Prints how many cases there were.
 */
export function faultMatrix(strategy: StrategyName): void {
  const counts = { cases: 0, lockouts: 0, stuck: 0 }

  /** One case, counted by what an operator would count. */
  async function settle(scene: Scene, winners: string[], where = ''): Promise<void> {
    counts.cases++
    if (!(await scene.currentLogsIn())) counts.lockouts++
    if ((await scene.store.describe('app')).pending) counts.stuck++
    await scene.check(winners, where)
  }

  /** Runs a rotation; `visit` decides at each point, by its number, who dies. Returns the points that were passed. */
  async function rotate(scene: Scene, fatal: (n: number) => boolean, deaths = 1) {
    const points: string[] = []
    const execution = new Execution(scene, () => newProcess(scene, points, fatal), deaths)
    await execution.run()
    return { execution, points }
  }

  function newProcess(scene: Scene, points: string[], fatal: (n: number) => boolean): Process {
    const process: Process = new Process(scene.base, scene.caFile, point => {
      points.push(point)
      if (fatal(points.length - 1)) process.die()
    })
    return process
  }

  const never = () => false
  const starts: Start[] = strategy === 'single-user' ? ['settled'] : ['first', 'settled']
  const variants = ([18, 15] as const).flatMap(version => starts.map(start => ({ version, start })))

  describe.each(variants)('PostgreSQL $version, $start', { timeout: 600_000 }, ({ version, start }) => {
    let app: App
    let scene: () => Promise<Scene>
    let clean: string[]
    /** How many of them a rotation takes before it has a new current: dying later loses nothing. */
    let promoted: number
    beforeAll(async () => {
      app = await makeApp(serverOf(version))
      scene = () => Scene.set(serverOf(version), app, strategy, start)
      const { points } = await rotate(await scene(), never)
      clean = points
      promoted = points.indexOf('after promote')
    })

    test('without a fault it rotates', async () => {
      const here = await scene()
      const { execution, points } = await rotate(here, never)
      expect(execution.outcome).toBe('rotated')
      expect(points.filter(point => point === 'after login').length).toBeGreaterThanOrEqual(2)
      await settle(here, [execution.token])
    })

    test('current logs in at every instant, under single-user but between set and finish', async () => {
      const here = await scene()
      let changed = false
      const process = () =>
        new Process(here.base, here.caFile, async point => {
          if (strategy === 'single-user' && point === 'after statement password') changed = true
          if (point === 'after promote') changed = false
          expect(await here.currentLogsIn(), point).toBe(!changed)
        })
      const execution = new Execution(here, process)
      await execution.run()
      expect(execution.outcome).toBe('rotated')
    })

    test('(a) the process dies once, at each point, and the step is retried: it rotates', async () => {
      for (const [n, point] of clean.entries()) {
        const here = await scene()
        const { execution } = await rotate(here, m => m === n, 2)
        expect(execution.outcome, `${n} ${point}`).toBe('rotated')
        await settle(here, [execution.token])
      }
    })

    test('(b) the process dies for good, at each point, and rollback runs', async () => {
      for (const [n, point] of clean.entries()) {
        const here = await scene()
        const { execution } = await rotate(here, m => m === n)
        const expected = n < promoted ? [here.original] : [execution.token]
        expect(execution.outcome, `${n} ${point}`).toBe(n <= promoted ? 'rolled back' : 'rotated')
        await settle(here, expected)
      }
    })

    // The code under test is the same for both versions, and this is the long one.
    test.runIf(version === 18)(
      '(c) as (b), and rollback dies once, at each of its points, and is retried',
      async () => {
        for (const [n, point] of clean.slice(0, promoted + 1).entries()) {
          for (let m = n + 1; ; m++) {
            const here = await scene()
            let steps = 0
            const points: string[] = []
            const execution = new Execution(here, () => newProcess(here, points, k => k === n || k === m), 1)
            const original = execution.rollback.bind(execution)
            execution.rollback = async () => {
              steps = points.length
              await original()
              if (execution.outcome === 'died') await original()
            }
            await execution.run()
            expect(execution.outcome, `${n} ${point}, then ${points[m]}`).toBe('rolled back')
            await settle(here, n < promoted ? [here.original] : [execution.token])
            if (m >= points.length || steps === 0) break
          }
        }
      },
    )

    test('(e) the process dies for good and nobody rolls back: the next rotation does, then goes on', async () => {
      for (const [n, point] of clean.slice(0, promoted).entries()) {
        const here = await scene()
        const points: string[] = []
        const dead = new Execution(here, () => newProcess(here, points, m => m === n))
        dead.rollback = async () => {}
        await dead.run()
        const { execution } = await rotate(here, never)
        expect(execution.outcome, `${n} ${point}: ${execution.error}`).toBe('rotated')
        await settle(here, [execution.token], `${n} ${point}`)
      }
    })
  })

  describe('(d) two rotations against each other', () => {
    /**
     * Each has a gate at every point. A runs to its point i, B to its point j, then A to its end, then B: so every
     * point of either meets every point of the other. One that waits for the other (a retried Conflict) lets it run.
     */
    async function meet(scene: Scene, i: number, j: number) {
      const [a, b] = [new Gate(i), new Gate(j)]
      const start = (mine: Gate, other: Gate) => {
        const visit: Visit = point => (point.startsWith('before') ? mine.pass() : undefined)
        const execution = new Execution(
          scene,
          () => new Process(scene.base, scene.caFile, visit),
          1,
          async () => {
            mine.waiting = true
            other.open()
            if (!other.waiting) await other.ended
            mine.waiting = false
          },
        )
        return execution
      }
      const [first, second] = [start(a, b), start(b, a)]
      const runA = first.run().finally(() => a.end())
      await a.stopped
      const runB = second.run().finally(() => b.end())
      await b.stopped
      a.open()
      await Promise.race([runA, b.ended])
      await runA
      b.open()
      await runB
      return { first, second, passed: [a.count, b.count] }
    }

    const variants = strategy === 'single-user' ? (['settled'] as const) : (['first', 'settled'] as const)
    test.each(variants)(
      'switching at each pair of points, %s',
      async start => {
        const server = serverOf(18)
        const app = await makeApp(server)
        const tally = { both: 0, one: 0, none: 0 }
        const steps = await rotate(await Scene.set(server, app, strategy, start), never)
        const points = steps.points.filter(point => point.startsWith('before')).length
        for (let i = 0; i <= points; i++)
          for (let j = 0; j <= points; j++) {
            const here = await Scene.set(server, app, strategy, start)
            const { first, second } = await meet(here, i, j)
            const where = `A stops at ${i}, B at ${j}: ${first.outcome} ${first.error}, ${second.outcome} ${second.error}`
            expect([first.outcome, second.outcome], where).not.toContain('locked out')
            const won = [first, second].filter(({ outcome }) => outcome === 'rotated')
            tally[won.length === 2 ? 'both' : won.length === 1 ? 'one' : 'none']++
            for (const lost of [first, second].filter(({ outcome }) => outcome !== 'rotated'))
              expect(lost.error?.name, where).toMatch(
                /^(RotationInProgress|Superseded|LoginRefused|Conflict)$/,
              )
            try {
              await settle(here, [here.original, first.token, second.token])
            } catch (error) {
              throw new Error(where, { cause: error })
            }
          }
        console.info(`${strategy}, ${start}: two rotations met ${(points + 1) ** 2} times:`, tally)
      },
      900_000,
    )
  })

  test('the count: no lockout, nothing stuck', () => {
    console.info(`${strategy}: ${counts.cases} faults, ${counts.lockouts} lockouts, ${counts.stuck} stuck`)
    expect(counts).toMatchObject({ lockouts: 0, stuck: 0 })
    expect(counts.cases).toBeGreaterThan(500)
  })
}

/** Lets a run pass so many points, then holds it until it is opened. */
class Gate {
  count = 0
  waiting = false
  readonly #limit: number
  #opened = Promise.withResolvers<void>()
  #stopped = Promise.withResolvers<void>()
  #ended = Promise.withResolvers<void>()

  constructor(limit: number) {
    this.#limit = limit
  }
  async pass(): Promise<void> {
    if (this.count++ < this.#limit) return
    this.#stopped.resolve()
    await this.#opened.promise
  }
  open(): void {
    this.#opened.resolve()
  }
  end(): void {
    this.#stopped.resolve()
    this.#ended.resolve()
  }
  get stopped(): Promise<void> {
    return this.#stopped.promise
  }
  get ended(): Promise<void> {
    return this.#ended.promise
  }
}
