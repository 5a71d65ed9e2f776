import { randomUUID } from 'node:crypto'
import { cp, mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { bundleLambda } from '../../../bundleFunction.ts'
import { count, table } from '../../markdown.ts'
import { median } from '../../median.ts'
import type { Package } from '../../rotation/start.ts'
import { type Conditions, measuredUnder } from '../conditions.ts'
import { inTurns, type Pairs } from '../inTurns.ts'
import { Functions, KeyturnRotator } from '../keyturn.ts'
import { ratioOf } from '../ratio.ts'
import type { Scene } from '../scene.ts'
import type { LoopEvent, Step } from './loop.ts'
import { PASSWORD, type Recorded, record, watched } from './record.ts'

/** Rotations in a row that are timed together, so that one pause of the machine does not decide a pair. */
const IN_A_ROW = 5

/** A single user's rotations by a loop, which stands where AWS's side does elsewhere, and by Keyturn: how many a second. */
export type Bare = {
  database: string
  calls: number
  logins: number
  statements: number
  rates: Pairs<number>
}

/**
 * Rotates one secret by Keyturn and another by a loop of the same calls, logins and statements, by turns.
 * @throws if the loop does not do the same as Keyturn
 */
export async function compareBare(scene: Scene, packages: Package[], pairs: number): Promise<Bare> {
  await using stack = new AsyncDisposableStack()
  const [ours, looped] = [await scene.enrol(false), await scene.enrol(false)]
  const recorded = await record(scene, packages, looped)
  const called = new Set(recorded.steps.map(step => step.function))
  const keyturn = stack.use(
    await KeyturnRotator.start(
      scene,
      packages.filter(({ name }) => called.has(name)),
    ),
  )
  const { path } = stack.use(await mkdtempDisposable(join(tmpdir(), 'keyturn-loop-')))
  const loop = stack.use(await Loop.start(scene, looped, recorded, path))
  await loop.check()
  const rates = await inTurns(pairs, {
    official: () => rateOf(() => loop.rotate()),
    keyturn: () => rateOf(async () => (await keyturn.rotate(ours)).work.wall),
  })
  const { calls, logins, statements } = loop
  return { database: scene.name, calls, logins, statements, rates }
}

/** Rotations a second. `rotate` tells its milliseconds. */
async function rateOf(rotate: () => Promise<number>): Promise<number> {
  let sum = 0
  for (let i = 0; i < IN_A_ROW; i++) sum += await rotate()
  return (IN_A_ROW * 1000) / sum
}

/**
 * The loop, in a process of its own, with the secret that it rotates. Each step is done by a function with a package of its own,
 * made as Keyturn's are: so on both sides it has its own code, clients and connections.
 */
class Loop implements AsyncDisposable {
  readonly #scene: Scene
  readonly #secret: string
  readonly #steps: Step[]
  readonly #child: Functions
  #current: string

  private constructor(scene: Scene, secret: string, { steps, token }: Recorded) {
    this.#scene = scene
    this.#secret = secret
    this.#steps = steps
    this.#current = token
    this.#child = new Functions(scene)
  }

  /** Its packages are made in `folder`, which has to last as long as it does. */
  static async start(scene: Scene, secret: string, recorded: Recorded, folder: string): Promise<Loop> {
    const loop = new Loop(scene, secret, recorded)
    const bundle = join(folder, 'bundle')
    await bundleLambda('bench/official/bare/loop.ts', bundle)
    for (const name of new Set(recorded.steps.map(step => step.function))) {
      await cp(bundle, join(folder, name), { recursive: true })
      await loop.#child.load(name, pathToFileURL(join(folder, name, 'index.mjs')).href)
    }
    return loop
  }

  get calls(): number {
    return this.#steps.flatMap(({ calls }) => calls).length
  }

  get logins(): number {
    return this.#steps.flatMap(({ logins }) => logins).length
  }

  get statements(): number {
    return this.#steps.flatMap(({ logins }) => logins.flat()).length
  }

  /** @returns milliseconds that the steps took. @throws if one fails */
  async rotate(): Promise<number> {
    let wall = 0
    await this.#eachStep(async event => {
      const { error, ...spent } = await this.#child.call(event.step.function, event)
      if (error) throw new Error(`the loop failed with ${error.name}`)
      wall += spent.wall
    })
    return wall
  }

  /** Rotates once. @throws if what it calls and sends is not what Keyturn does, but for passwords and processes */
  async check(): Promise<void> {
    await this.#eachStep(async event => {
      const { error, step } = await watched(this.#scene, event.tokens.pending, () =>
        this.#child.call(event.step.function, event),
      )
      if (error) throw new Error(`the loop failed with ${error.name}`)
      const { key: _, function: __, ...recorded } = event.step
      if (comparable(step) !== comparable(recorded))
        throw new Error(
          `the loop does not do what Keyturn does: ${comparable(step)}, not ${comparable(recorded)}`,
        )
    })
  }

  async #eachStep(run: (event: LoopEvent) => Promise<void>): Promise<void> {
    const tokens = { current: this.#current, pending: randomUUID() }
    for (const step of this.#steps)
      await run({ engine: this.#scene.engine, secret: this.#secret, tokens, step })
    this.#current = tokens.pending
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]()
  }
}

/** As one text that is the same for two that do the same. */
const comparable = (step: Pick<Step, 'calls' | 'logins'>) =>
  JSON.stringify(step)
    .split(PASSWORD)
    .join('')
    .replaceAll(/(?<=pg_backend_pid\(\) <> )\d+/g, '')

export const bareHeading = '## Beside a loop of the same calls'

/** The section of TIMES.md about what Keyturn's own code takes. */
export const bareReport = (all: Bare[], conditions: Conditions) => `${bareHeading}

${table(
  ['', 'calls', 'logins', 'statements', 'the loop, a second', 'Keyturn, a second', 'ratio'],
  all.map(({ database, calls, logins, statements, rates }) => [
    `${database}, one user`,
    ...[calls, logins, statements].map(count),
    ...[rates.official, rates.keyturn].map(some => median(some).toFixed(1)),
    ratioOf(rates),
  ]),
)}

${measuredUnder(conditions)}
The loop sends the calls, logins and statements that a rotation by Keyturn was seen to send, in their order, over the same SDK
and drivers, and compares, checks and logs nothing. Its functions are as many as Keyturn's, and packed alike: each has its own code,
clients and connections, as on Lambda. It makes its passwords from random bytes, and their verifiers as Keyturn does.
The rates are those of one warm process at its rotations, one after the other: medians of ${Math.min(...all.map(({ rates }) => rates.keyturn.length))} pairs of ${IN_A_ROW} rotations each. A
ratio is Keyturn's rate by the loop's: 1.00 would be no work of its own at all.
`
