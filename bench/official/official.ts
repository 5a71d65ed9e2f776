import { serviceSteps } from '../../fleet/serviceSteps.ts'
import { Host, type Python } from './host.ts'
import { type Rotation, type Rotator, together, type Work } from './rotator.ts'
import type { Scene } from './scene.ts'
import { adapted, type Source, type Strategy } from './source.ts'

/** Which of AWS's functions, and as what. */
export type Variant = { strategy: Strategy; knowsMysql9: boolean }

/**
 * Starts one of AWS's functions, in a process of its own. A process that is only `ready` has not loaded it yet.
 */
export async function startHost(
  scene: Scene,
  python: Python,
  source: Source,
  { strategy, knowsMysql9 }: Variant,
  { ready = false } = {},
): Promise<Host> {
  const text = adapted(await source.read(scene.engine, strategy), scene.roots, { knowsMysql9 })
  const { secretsManager, roots, home } = scene
  return Host[ready ? 'ready' : 'start'](python, text, { endpoint: secretsManager.url, roots, home })
}

/** AWS's side: one function does all four steps. */
export class OfficialRotator implements Rotator {
  readonly title: string
  readonly #scene: Scene
  readonly #host: Host

  private constructor(title: string, scene: Scene, host: Host) {
    this.title = title
    this.#scene = scene
    this.#host = host
  }

  static async start(
    scene: Scene,
    python: Python,
    source: Source,
    variant: Variant,
  ): Promise<OfficialRotator> {
    const title = variant.knowsMysql9 ? "AWS's, one string changed" : "AWS's"
    return new OfficialRotator(title, scene, await startHost(scene, python, source, variant))
  }

  async rotate(id: string): Promise<Rotation> {
    const rotation = { id, token: this.#scene.secretsManager.stagePending(id) }
    const works: Work[] = []
    for (const step of serviceSteps) {
      const pending = await this.#scene.pendingPassword(id)
      this.#scene.seen()
      const { error, ...spent } = await this.#host.step(step, rotation, pending ? [pending] : [])
      works.push({ ...spent, ...this.#scene.seen() })
      if (error) return { work: together(works), failure: { step, ...error } }
    }
    return { work: together(works) }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#host[Symbol.asyncDispose]()
  }
}
