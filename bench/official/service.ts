import { randomUUID } from 'node:crypto'
import { SERVICE_STEPS } from '../../fleet/serviceSteps.ts'
import { type StepFunctionsServer, startStepFunctions } from '../../local/aws/stepFunctions.ts'
import type { Package } from '../rotation/start.ts'
import type { ComparisonInputs } from './compare.ts'
import {
  FunctionsProcess,
  makeFunctionTasks,
  recordWorkIn,
  type StateWork,
  sumRotationWork,
} from './keyturnRotator.ts'
import { OfficialRotator } from './officialRotator.ts'
import { type MeasuredWork, sumWork } from './rotator.ts'
import type { Scene } from './scene.ts'
import type { Strategy } from './source.ts'
import { type Pairs, takeInTurns } from './takeInTurns.ts'

/** A rotation that Secrets Manager asked for. */
export type ServiceRotation = {
  /** The four calls of the rotation function. `wall` is how long Secrets Manager waits. */
  functionWork: MeasuredWork
  /** What the functions of an execution did, but for the retirement. Step Functions knows nothing of the execution for them. */
  execution: MeasuredWork
  /** The rotation function's calls of Step Functions, by action. */
  stepFunctions: string[]
}

/** Rotations of one secret a side that Secrets Manager asked for. `side` is AWS's. */
export type ServiceComparison = {
  database: string
  strategy: Strategy
  side: string
  pairs: Pairs<ServiceRotation>
}

/**
 * Calls AWS's function and Keyturn's rotateSecret for the same four steps, each for a secret of its own. MySQL is rotated by
 * AWS's function with its one string changed.
 * @throws if a rotation fails
 */
export async function compareAsService(
  scene: Scene,
  strategy: Strategy,
  { python, source, packages }: ComparisonInputs,
  pairs: number,
): Promise<ServiceComparison> {
  await using stack = new AsyncDisposableStack()
  const variant = { strategy, knowsMysql9: scene.engine === 'mysql' }
  const official = stack.use(await OfficialRotator.start(scene, python, source, variant))
  const keyturn = stack.use(await KeyturnAsService.start(scene, packages))
  const enrol = () => scene.enrol(strategy === 'alternating')
  const [theirs, ours] = [await enrol(), await enrol()]
  const taken = await takeInTurns(pairs, {
    official: () => rotateOfficial(official, theirs),
    keyturn: () => keyturn.rotate(ours),
  })
  return { database: scene.name, strategy, side: official.title, pairs: taken }
}

/** AWS's function is never called in another way. */
async function rotateOfficial(rotator: OfficialRotator, secret: string): Promise<ServiceRotation> {
  const { work, failure } = await rotator.rotate(secret)
  if (failure) throw new Error(`a rotation by AWS's function failed in ${failure.step} with ${failure.name}`)
  return { functionWork: work, execution: NO_WORK, stepFunctions: [] }
}

const NO_WORK: MeasuredWork = { calls: [], accepted: 0, refused: 0, wall: 0, cpu: 0, memory: 0 }

/**
 * Keyturn as Secrets Manager calls it: rotateSecret in a process of its own starts an execution over HTTPS, and waits for
 * it; the execution's functions are in another process.
 */
export class KeyturnAsService implements AsyncDisposable {
  readonly #scene: Scene
  readonly #stepFunctions: StepFunctionsServer
  readonly #rotateSecret: FunctionsProcess
  readonly #stack: AsyncDisposableStack
  /** Of the rotation that goes on: what the functions did, and what rotateSecret had done before each. */
  readonly #works: StateWork[] = []
  readonly #before: string[] = []

  private constructor(
    scene: Scene,
    stepFunctions: StepFunctionsServer,
    rotateSecret: FunctionsProcess,
    stack: AsyncDisposableStack,
  ) {
    this.#scene = scene
    this.#stepFunctions = stepFunctions
    this.#rotateSecret = rotateSecret
    this.#stack = stack
  }

  static async start(scene: Scene, packages: Package[]): Promise<KeyturnAsService> {
    await using stack = new AsyncDisposableStack()
    const stepFunctions = stack.adopt(await startStepFunctions({ tls: scene.tls }), server => server.stop())
    const rotateSecret = stack.use(new FunctionsProcess(scene, { AWS_ENDPOINT_URL_SFN: stepFunctions.url }))
    for (const { name, entry } of packages) if (name === 'rotateSecret') await rotateSecret.load(name, entry)
    const functions = stack.use(new FunctionsProcess(scene))
    await functions.loadAll(packages)
    const keyturn = new KeyturnAsService(scene, stepFunctions, rotateSecret, stack.move())
    const around = recordWorkIn(scene, keyturn.#works, ({ calls }) => keyturn.#before.push(...calls))
    const tasks = makeFunctionTasks(functions, around)
    Object.assign(stepFunctions.tasks, tasks)
    return keyturn
  }

  /** Calls all four steps, and waits until the execution has ended. @throws if a call fails */
  async rotate(id: string): Promise<ServiceRotation> {
    const token = this.#scene.secretsManager.stagePending(id)
    const { calls, rotateExecutions } = this.#stepFunctions
    calls.length = 0
    this.#works.length = 0
    this.#before.length = 0
    this.#scene.takeSeen()
    const steps: MeasuredWork[] = []
    // Secrets Manager sends one as well: https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda.html
    const event = { SecretId: id, ClientRequestToken: token, RotationToken: randomUUID() }
    for (const Step of SERVICE_STEPS) {
      const { error, answer: _, ...spent } = await this.#rotateSecret.call('rotateSecret', { Step, ...event })
      if (error) throw new Error(`rotateSecret failed in ${Step} with ${error.name}`)
      steps.push({ ...NO_WORK, ...spent })
    }
    const stepFunctions = calls.map(({ action }) => action)
    await rotateExecutions.get(token)?.ended
    rotateExecutions.clear()
    // Nothing but rotateSecret makes calls while no other function runs.
    this.#before.push(...this.#scene.takeSeen().calls)
    const own = { ...sumWork(steps), calls: [...this.#before] }
    return { functionWork: own, execution: sumRotationWork(this.#works).work, stepFunctions }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}
