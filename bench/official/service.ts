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

/** A rotation that is started by Secrets Manager. */
export type ServiceRotation = {
  /** What the rotation function did in its four calls. `wall` is how long Secrets Manager waits for them. */
  functionWork: MeasuredWork
  /** What the functions of the execution did, without the retirement. They ask a Step Functions that does not know the execution. */
  execution: MeasuredWork
  /** The actions of the rotation function's calls to Step Functions. */
  stepFunctions: string[]
}

/** Rotations by both sides that are started by Secrets Manager. `side` is the title of AWS's side. */
export type ServiceComparison = {
  database: string
  strategy: Strategy
  side: string
  pairs: Pairs<ServiceRotation>
}

/**
 * Calls AWS's function and Keyturn's rotateSecret for the four steps, in turns, each with a secret of its own. AWS's function for
 * MySQL has one string changed: see adaptSource.
 * @throws Error if a rotation fails
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
  const [officialSecret, keyturnSecret] = [await enrol(), await enrol()]
  const pairsTaken = await takeInTurns(pairs, {
    official: () => rotateOfficial(official, officialSecret),
    keyturn: () => keyturn.rotate(keyturnSecret),
  })
  return { database: scene.name, strategy, side: official.title, pairs: pairsTaken }
}

/** Rotates by AWS's function, which is always called as Secrets Manager calls it. */
async function rotateOfficial(rotator: OfficialRotator, secret: string): Promise<ServiceRotation> {
  const { work, failure } = await rotator.rotate(secret)
  if (failure) throw new Error(`a rotation by AWS's function failed in ${failure.step} with ${failure.name}`)
  return { functionWork: work, execution: NO_WORK, stepFunctions: [] }
}

const NO_WORK: MeasuredWork = { calls: [], accepted: 0, refused: 0, wall: 0, cpu: 0, memory: 0 }

/**
 * Keyturn as Secrets Manager calls it: rotateSecret runs in a process of its own, starts an execution over HTTPS and waits for it.
 * The functions of the execution run in another process.
 */
export class KeyturnAsService implements AsyncDisposable {
  readonly #scene: Scene
  readonly #stepFunctions: StepFunctionsServer
  readonly #rotateSecret: FunctionsProcess
  readonly #stack: AsyncDisposableStack
  /** What the functions of the running execution did. */
  readonly #works: StateWork[] = []
  /** The calls of Secrets Manager that rotateSecret made, while no function of the execution ran. */
  readonly #ownCalls: string[] = []

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

  /** Starts both processes and loads the functions. */
  static async start(scene: Scene, packages: Package[]): Promise<KeyturnAsService> {
    await using stack = new AsyncDisposableStack()
    const stepFunctions = stack.adopt(await startStepFunctions({ tls: scene.tls }), server => server.stop())
    const rotateSecret = stack.use(new FunctionsProcess(scene, { AWS_ENDPOINT_URL_SFN: stepFunctions.url }))
    for (const { name, entry } of packages) if (name === 'rotateSecret') await rotateSecret.load(name, entry)
    const functions = stack.use(new FunctionsProcess(scene))
    await functions.loadAll(packages)
    const keyturn = new KeyturnAsService(scene, stepFunctions, rotateSecret, stack.move())
    const wrapper = recordWorkIn(scene, keyturn.#works, ({ calls }) => keyturn.#ownCalls.push(...calls))
    Object.assign(stepFunctions.tasks, makeFunctionTasks(functions, wrapper))
    return keyturn
  }

  /** Calls rotateSecret for all four steps, and waits until the execution has ended. @throws Error if a call fails */
  async rotate(id: string): Promise<ServiceRotation> {
    const token = this.#scene.secretsManager.stagePending(id)
    const { calls, rotateExecutions } = this.#stepFunctions
    calls.length = 0
    this.#works.length = 0
    this.#ownCalls.length = 0
    this.#scene.takeSeen()
    const steps: MeasuredWork[] = []
    // Secrets Manager sends a RotationToken: https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda.html
    const event = { SecretId: id, ClientRequestToken: token, RotationToken: randomUUID() }
    for (const Step of SERVICE_STEPS) {
      const { error, answer: _, ...spent } = await this.#rotateSecret.call('rotateSecret', { Step, ...event })
      if (error) throw new Error(`rotateSecret failed in ${Step} with ${error.name}`)
      steps.push({ ...NO_WORK, ...spent })
    }
    const stepFunctions = calls.map(({ action }) => action)
    await rotateExecutions.get(token)?.ended
    rotateExecutions.clear()
    // These calls were made while no function of the execution ran, so rotateSecret made them.
    this.#ownCalls.push(...this.#scene.takeSeen().calls)
    const functionWork = { ...sumWork(steps), calls: [...this.#ownCalls] }
    return { functionWork, execution: sumRotationWork(this.#works).work, stepFunctions }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}
