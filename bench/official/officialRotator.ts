import { SERVICE_STEPS } from '../../fleet/serviceSteps.ts'
import { FunctionHost, type OfficialPython } from './host.ts'
import { type MeasuredWork, type Rotation, type Rotator, sumWork } from './rotator.ts'
import type { Scene } from './scene.ts'
import { adaptSource, type OfficialSource, type Strategy } from './source.ts'

/** Which of AWS's functions, and whether it is changed so that it knows MySQL 9: see adaptSource. */
export type FunctionVariant = { strategy: Strategy; knowsMysql9: boolean }

/** Starts a process for one of AWS's functions. @param options with `isLoaded: false` the process has not loaded the function yet */
export async function startHost(
  scene: Scene,
  python: OfficialPython,
  source: OfficialSource,
  { strategy, knowsMysql9 }: FunctionVariant,
  { isLoaded = true } = {},
): Promise<FunctionHost> {
  const text = adaptSource(await source.read(scene.engine, strategy), scene.roots, { knowsMysql9 })
  const { secretsManager, roots, home } = scene
  return FunctionHost[isLoaded ? 'start' : 'ready'](python, text, {
    endpoint: secretsManager.url,
    roots,
    home,
  })
}

/** AWS's side: one function that is called for all four steps. */
export class OfficialRotator implements Rotator {
  readonly title: string
  readonly #scene: Scene
  readonly #host: FunctionHost

  private constructor(title: string, scene: Scene, host: FunctionHost) {
    this.title = title
    this.#scene = scene
    this.#host = host
  }

  /** Starts the process and loads the function. */
  static async start(
    scene: Scene,
    python: OfficialPython,
    source: OfficialSource,
    variant: FunctionVariant,
  ): Promise<OfficialRotator> {
    const title = variant.knowsMysql9 ? "AWS's, one string changed" : "AWS's"
    return new OfficialRotator(title, scene, await startHost(scene, python, source, variant))
  }

  async rotate(id: string): Promise<Rotation> {
    const rotation = { id, token: this.#scene.secretsManager.stagePending(id) }
    const works: MeasuredWork[] = []
    for (const step of SERVICE_STEPS) {
      const pending = await this.#scene.pendingPassword(id)
      this.#scene.takeSeen()
      const { error, ...spent } = await this.#host.step(step, rotation, pending ? [pending] : [])
      works.push({ ...spent, ...this.#scene.takeSeen() })
      if (error) return { work: sumWork(works), failure: { step, ...error } }
    }
    return { work: sumWork(works) }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#host[Symbol.asyncDispose]()
  }
}
