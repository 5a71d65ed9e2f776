import { randomUUID } from 'node:crypto'
import { serviceSteps } from '../../fleet/serviceSteps.ts'
import { type StepFunctionsServer, startStepFunctions } from '../../local/aws/stepFunctions.ts'
import type { Package } from '../rotation/start.ts'
import type { Sides } from './compare.ts'
import { inTurns, type Pairs } from './inTurns.ts'
import { countedIn, Functions, rotationOf, type StateWork, tasksOf } from './keyturn.ts'
import { OfficialRotator } from './official.ts'
import { together, type Work } from './rotator.ts'
import type { Scene } from './scene.ts'
import type { Strategy } from './source.ts'

/** A rotation that Secrets Manager asked for. */
export type CalledRotation = {
  /** The four calls of the rotation function. `wall` is how long Secrets Manager waits. */
  own: Work
  /** What the functions of an execution did, but for the retirement. Step Functions knows nothing of the execution for them. */
  execution: Work
  /** The rotation function's calls of Step Functions, by action. */
  stepFunctions: string[]
}

/** Rotations of one secret a side that Secrets Manager asked for. `side` is AWS's. */
export type Called = { database: string; strategy: Strategy; side: string; pairs: Pairs<CalledRotation> }

/**
 * Calls AWS's function and Keyturn's rotateSecret for the same four steps, each for a secret of its own. MySQL is rotated by
 * AWS's function with its one string changed.
 * @throws if a rotation fails
 */
export async function callBoth(
  scene: Scene,
  strategy: Strategy,
  { python, source, packages }: Sides,
  pairs: number,
): Promise<Called> {
  await using stack = new AsyncDisposableStack()
  const variant = { strategy, knowsMysql9: scene.engine === 'mysql' }
  const official = stack.use(await OfficialRotator.start(scene, python, source, variant))
  const keyturn = stack.use(await CalledKeyturn.start(scene, packages))
  const enrol = () => scene.enrol(strategy === 'alternating')
  const [theirs, ours] = [await enrol(), await enrol()]
  const taken = await inTurns(pairs, {
    official: () => calledOfficial(official, theirs),
    keyturn: () => keyturn.rotate(ours),
  })
  return { database: scene.name, strategy, side: official.title, pairs: taken }
}

/** AWS's function is never called in another way. */
async function calledOfficial(rotator: OfficialRotator, secret: string): Promise<CalledRotation> {
  const { work, failure } = await rotator.rotate(secret)
  if (failure) throw new Error(`a rotation by AWS's function failed in ${failure.step} with ${failure.name}`)
  return { own: work, execution: nothing, stepFunctions: [] }
}

const nothing: Work = { calls: [], accepted: 0, refused: 0, wall: 0, cpu: 0, memory: 0 }

/**
 * Keyturn as Secrets Manager calls it: rotateSecret in a process of its own starts an execution over HTTPS, and waits for
 * it; the execution's functions are in another process.
 */
export class CalledKeyturn implements AsyncDisposable {
  readonly #scene: Scene
  readonly #stepFunctions: StepFunctionsServer
  readonly #rotateSecret: Functions
  readonly #stack: AsyncDisposableStack
  /** Of the rotation that goes on: what the functions did, and what rotateSecret had done before each. */
  readonly #works: StateWork[] = []
  readonly #before: string[] = []

  private constructor(
    scene: Scene,
    stepFunctions: StepFunctionsServer,
    rotateSecret: Functions,
    stack: AsyncDisposableStack,
  ) {
    this.#scene = scene
    this.#stepFunctions = stepFunctions
    this.#rotateSecret = rotateSecret
    this.#stack = stack
  }

  static async start(scene: Scene, packages: Package[]): Promise<CalledKeyturn> {
    await using stack = new AsyncDisposableStack()
    const stepFunctions = stack.adopt(await startStepFunctions({ tls: scene.tls }), server => server.stop())
    const rotateSecret = stack.use(new Functions(scene, { AWS_ENDPOINT_URL_SFN: stepFunctions.url }))
    for (const { name, entry } of packages) if (name === 'rotateSecret') await rotateSecret.load(name, entry)
    const functions = stack.use(new Functions(scene))
    await functions.loadAll(packages)
    const keyturn = new CalledKeyturn(scene, stepFunctions, rotateSecret, stack.move())
    const around = countedIn(scene, keyturn.#works, ({ calls }) => keyturn.#before.push(...calls))
    const tasks = tasksOf(functions, around)
    Object.assign(stepFunctions.tasks, tasks)
    return keyturn
  }

  /** Calls all four steps, and waits until the execution has ended. @throws if a call fails */
  async rotate(id: string): Promise<CalledRotation> {
    const token = this.#scene.secretsManager.stagePending(id)
    const { calls, executions } = this.#stepFunctions
    calls.length = 0
    this.#works.length = 0
    this.#before.length = 0
    this.#scene.seen()
    const steps: Work[] = []
    // Secrets Manager sends one as well: https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda.html
    const event = { SecretId: id, ClientRequestToken: token, RotationToken: randomUUID() }
    for (const Step of serviceSteps) {
      const { error, answer: _, ...spent } = await this.#rotateSecret.call('rotateSecret', { Step, ...event })
      if (error) throw new Error(`rotateSecret failed in ${Step} with ${error.name}`)
      steps.push({ ...nothing, ...spent })
    }
    const stepFunctions = calls.map(({ action }) => action)
    await executions.get(token)?.ended
    executions.clear()
    // Nothing but rotateSecret makes calls while no other function runs.
    this.#before.push(...this.#scene.seen().calls)
    const own = { ...together(steps), calls: [...this.#before] }
    return { own, execution: rotationOf(this.#works).work, stepFunctions }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}
