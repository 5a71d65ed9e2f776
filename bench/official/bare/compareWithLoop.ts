import { randomUUID } from 'node:crypto'
import { cp, mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { bundleHandlerFile } from '../../../bundleFunction.ts'
import { formatCount, formatTable } from '../../markdown.ts'
import { median } from '../../median.ts'
import type { Package } from '../../rotation/start.ts'
import { type Conditions, conditionsSentence } from '../conditions.ts'
import { FunctionsProcess, KeyturnRotator } from '../keyturnRotator.ts'
import { ratioOf } from '../ratio.ts'
import type { Scene } from '../scene.ts'
import { type Pairs, takeInTurns } from '../takeInTurns.ts'
import type { LoopEvent, LoopStep } from './loop.ts'
import {
  LOGGED_PASSWORD,
  type RecordedRotation,
  recordCallsDuring,
  recordRotation,
} from './recordRotation.ts'

/** So many rotations in a row are timed together, so that one pause of the machine does not decide a pair. */
const ROTATIONS_PER_TIMING_COUNT = 5

/** Rotations of a single user by a loop and by Keyturn. */
export type LoopComparison = {
  database: string
  /** How many calls, logins and statements one rotation has. */
  calls: number
  logins: number
  statements: number
  /** Rotations a second. The loop's are in `official`. */
  rates: Pairs<number>
}

/**
 * Rotates one secret by Keyturn and another by a loop of the same calls, logins and statements, in turns.
 * @throws Error if the loop does not do the same as Keyturn
 */
export async function compareWithLoop(
  scene: Scene,
  packages: Package[],
  pairs: number,
): Promise<LoopComparison> {
  await using stack = new AsyncDisposableStack()
  const [keyturnSecret, loopSecret] = [await scene.enrol(false), await scene.enrol(false)]
  const recorded = await recordRotation(scene, packages, loopSecret)
  const usedFunctions = new Set(recorded.steps.map(step => step.function))
  const keyturn = stack.use(
    await KeyturnRotator.start(
      scene,
      packages.filter(({ name }) => usedFunctions.has(name)),
    ),
  )
  const { path } = stack.use(await mkdtempDisposable(join(tmpdir(), 'keyturn-loop-')))
  const loop = stack.use(await Loop.start(scene, loopSecret, recorded, path))
  await loop.check()
  const rates = await takeInTurns(pairs, {
    official: () => rateOf(() => loop.rotate()),
    keyturn: () => rateOf(async () => (await keyturn.rotate(keyturnSecret)).work.wall),
  })
  const { calls, logins, statements } = loop
  return { database: scene.name, calls, logins, statements, rates }
}

/** Times some rotations. @param rotate rotates once, and returns how many milliseconds that took @returns rotations a second */
async function rateOf(rotate: () => Promise<number>): Promise<number> {
  let sum = 0
  for (let i = 0; i < ROTATIONS_PER_TIMING_COUNT; i++) sum += await rotate()
  return (ROTATIONS_PER_TIMING_COUNT * 1000) / sum
}

/**
 * The loop, in a process of its own, with the secret that it rotates. Each step is done by a function with a package of its own,
 * made as Keyturn's are. So on both sides each function has its own code, clients and connections.
 */
class Loop implements AsyncDisposable {
  readonly #scene: Scene
  readonly #secret: string
  readonly #steps: LoopStep[]
  readonly #child: FunctionsProcess
  /** Token of the current version. */
  #current: string

  private constructor(scene: Scene, secret: string, { steps, token }: RecordedRotation) {
    this.#scene = scene
    this.#secret = secret
    this.#steps = steps
    this.#current = token
    this.#child = new FunctionsProcess(scene)
  }

  /** Packs the functions into `folder`, which must exist as long as the loop, and loads them. */
  static async start(
    scene: Scene,
    secret: string,
    recorded: RecordedRotation,
    folder: string,
  ): Promise<Loop> {
    const loop = new Loop(scene, secret, recorded)
    const bundle = join(folder, 'bundle')
    await bundleHandlerFile('bench/official/bare/loop.ts', bundle)
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

  /** Rotates once. @returns how many milliseconds the steps took @throws Error if one fails */
  async rotate(): Promise<number> {
    let wallMs = 0
    await this.#forEachStep(async event => {
      const { error, ...spent } = await this.#child.call(event.step.function, event)
      if (error) throw new Error(`the loop failed with ${error.name}`)
      wallMs += spent.wall
    })
    return wallMs
  }

  /**
   * Rotates once. @throws Error if its calls, logins and statements differ from Keyturn's in more than passwords and process ids
   */
  async check(): Promise<void> {
    await this.#forEachStep(async event => {
      const { error, step } = await recordCallsDuring(this.#scene, event.tokens.pending, () =>
        this.#child.call(event.step.function, event),
      )
      if (error) throw new Error(`the loop failed with ${error.name}`)
      const { loginStage: _, function: __, ...recorded } = event.step
      if (comparableTextOf(step) !== comparableTextOf(recorded))
        throw new Error(
          `the loop does not do what Keyturn does: ${comparableTextOf(step)}, not ${comparableTextOf(recorded)}`,
        )
    })
  }

  /** Runs something for each step of a rotation to a new version. */
  async #forEachStep(run: (event: LoopEvent) => Promise<void>): Promise<void> {
    const tokens = { current: this.#current, pending: randomUUID() }
    for (const step of this.#steps)
      await run({ engine: this.#scene.engine, secret: this.#secret, tokens, step })
    this.#current = tokens.pending
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]()
  }
}

/** What a step did as a text, which is the same for two steps that did the same. */
const comparableTextOf = (step: Pick<LoopStep, 'calls' | 'logins'>) =>
  JSON.stringify(step)
    .split(LOGGED_PASSWORD)
    .join('')
    .replaceAll(/(?<=pg_backend_pid\(\) <> )\d+/g, '')

/** The heading of the section on the loop. */
export const LOOP_HEADING = '## Beside a loop of the same calls'

/** The section of TIMES.md on how much of a rotation's time Keyturn's own code takes. */
export const loopReport = (all: LoopComparison[], conditions: Conditions) => `${LOOP_HEADING}

${formatTable(
  ['', 'calls', 'logins', 'statements', 'the loop, a second', 'Keyturn, a second', 'ratio'],
  all.map(({ database, calls, logins, statements, rates }) => [
    `${database}, one user`,
    ...[calls, logins, statements].map(formatCount),
    ...[rates.official, rates.keyturn].map(values => median(values).toFixed(1)),
    ratioOf(rates),
  ]),
)}

${conditionsSentence(conditions)}
The loop sends the calls, logins and statements that a rotation by Keyturn was seen to send, in their order, over the same SDK
and drivers, and compares, checks and logs nothing. Its functions are as many as Keyturn's, and packed alike: each has its own code,
clients and connections, as on Lambda. It makes its passwords from random bytes, and their verifiers as Keyturn does.
The rates are those of one warm process at its rotations, one after the other: medians of ${Math.min(...all.map(({ rates }) => rates.keyturn.length))} pairs of ${ROTATIONS_PER_TIMING_COUNT} rotations each. A
ratio is Keyturn's rate divided by the loop's: at 1.00, Keyturn's own code would take no time.
`
