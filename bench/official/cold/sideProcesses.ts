import { SERVICE_STEPS } from '../../../fleet/serviceSteps.ts'
import { functionsOfRotate } from '../../../local/embedded/embedded.ts'
import { makeEventBusTasks } from '../../../local/embedded/eventBus.ts'
import type { Tasks } from '../../../local/embedded/stateMachine.ts'
import type { Package } from '../../rotation/start.ts'
import type { ProcessCost } from '../child.ts'
import type { ComparisonInputs } from '../compare.ts'
import { answerOrThrow, FunctionsProcess, rotateWithTasks } from '../keyturnRotator.ts'
import { startHost } from '../officialRotator.ts'
import type { Scene } from '../scene.ts'

/** The processes of one side, which load its functions when they are first called, as Lambda does. */
export interface SideProcesses extends AsyncDisposable {
  /** Rotates a secret that `Scene.enrol` made. @throws if it does not go well */
  rotate(secret: string): Promise<RotationCost>
}

/** What one rotation took: milliseconds of loading and of the steps, and the most bytes that one process had so far. */
export type RotationCost = { wall: number; memory: number }

/** Starts a crew: it has loaded nothing yet, and is ready to. */
export type StartProcesses = () => Promise<SideProcesses>

/** What rows about a database are called: MySQL's say that AWS's function rotates it only with one string changed. */
export const rowTitleOf = ({ engine, name }: Scene) =>
  engine === 'mysql' ? `${name}, one string changed` : name

/** One process for all four steps. */
export const officialProcesses =
  (scene: Scene, { python, source }: Pick<ComparisonInputs, 'python' | 'source'>): StartProcesses =>
  async () => {
    const variant = { strategy: 'single' as const, knowsMysql9: scene.engine === 'mysql' }
    const host = await startHost(scene, python, source, variant, { ready: true })
    let isLoaded = false
    return {
      async rotate(id) {
        const token = scene.secretsManager.stagePending(id)
        const spent: ProcessCost[] = isLoaded ? [] : [await host.load()]
        isLoaded = true
        for (const step of SERVICE_STEPS) {
          const outcome = await host.step(step, { id, token })
          if (outcome.error) throw new Error(`${step} of AWS's function ended with ${outcome.error.name}`)
          spent.push(outcome)
        }
        return rotationCostOf(spent)
      },
      [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
    }
  }

/** A process for each function that an execution may call. */
export const keyturnProcesses =
  (scene: Scene, { packages }: { packages: Pick<Package, 'name' | 'entry'>[] }): StartProcesses =>
  async () => {
    await using started = new AsyncDisposableStack()
    const called = new Set<string>(functionsOfRotate.values())
    const processes = new Map(
      packages
        .filter(({ name }) => called.has(name))
        .map(({ name, entry }) => [
          name,
          { entry, functions: started.use(new FunctionsProcess(scene)), isLoaded: false },
        ]),
    )
    await Promise.all([...processes.values()].map(({ functions }) => functions.ready()))
    const stack = started.move()
    const call = async (name: string, event: unknown, spent: ProcessCost[]) => {
      const process = processes.get(name)
      if (!process) throw new Error(`there is no function ${name}`)
      if (!process.isLoaded) spent.push(await process.functions.load(name, process.entry))
      process.isLoaded = true
      const outcome = await process.functions.call(name, event)
      spent.push(outcome)
      return answerOrThrow(outcome)
    }
    return {
      async rotate(id) {
        const spent: ProcessCost[] = []
        const tasks: Tasks = { ...makeEventBusTasks() }
        for (const [state, name] of functionsOfRotate) tasks[state] = event => call(name, event, spent)
        await rotateWithTasks(tasks, id)
        return rotationCostOf(spent)
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
  }

const rotationCostOf = (spent: ProcessCost[]): RotationCost => ({
  wall: spent.reduce((all, { wall }) => all + wall, 0),
  memory: Math.max(...spent.map(({ memory }) => memory)),
})
