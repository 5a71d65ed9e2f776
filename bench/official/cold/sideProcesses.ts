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

/** The processes of one side. Like Lambda, they load a function when it is first called. */
export interface SideProcesses extends AsyncDisposable {
  /** Rotates a secret that `Scene.enrol` made. @throws Error if the rotation fails */
  rotate(secret: string): Promise<RotationCost>
}

/** What a rotation cost: milliseconds of loading functions and of the steps, and the peak memory of one process in bytes. */
export type RotationCost = { wall: number; memory: number }

/** Starts the processes of a side, which have loaded no function then. */
export type StartProcesses = () => Promise<SideProcesses>

/** The title of a database's rows. MySQL's says that AWS's function rotates only with one string changed. */
export const rowTitleOf = ({ engine, name }: Scene) =>
  engine === 'mysql' ? `${name}, one string changed` : name

/** Starts AWS's side: one process for all four steps. */
export const officialProcesses =
  (scene: Scene, { python, source }: Pick<ComparisonInputs, 'python' | 'source'>): StartProcesses =>
  async () => {
    const variant = { strategy: 'single' as const, knowsMysql9: scene.engine === 'mysql' }
    const host = await startHost(scene, python, source, variant, { isLoaded: false })
    let isLoaded = false
    return {
      async rotate(id) {
        const token = scene.secretsManager.stagePending(id)
        const costs: ProcessCost[] = isLoaded ? [] : [await host.load()]
        isLoaded = true
        for (const step of SERVICE_STEPS) {
          const outcome = await host.step(step, { id, token })
          if (outcome.error) throw new Error(`${step} of AWS's function ended with ${outcome.error.name}`)
          costs.push(outcome)
        }
        return rotationCostOf(costs)
      },
      [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
    }
  }

/** Starts Keyturn's side: a process for each function that an execution may call. */
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
    const call = async (name: string, event: unknown, costs: ProcessCost[]) => {
      const process = processes.get(name)
      if (!process) throw new Error(`there is no function ${name}`)
      if (!process.isLoaded) costs.push(await process.functions.load(name, process.entry))
      process.isLoaded = true
      const outcome = await process.functions.call(name, event)
      costs.push(outcome)
      return answerOrThrow(outcome)
    }
    return {
      async rotate(id) {
        const costs: ProcessCost[] = []
        const tasks: Tasks = { ...makeEventBusTasks() }
        for (const [state, name] of functionsOfRotate) tasks[state] = event => call(name, event, costs)
        await rotateWithTasks(tasks, id)
        return rotationCostOf(costs)
      },
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
  }

/** The sum of all milliseconds, and the maximum of all peaks. */
const rotationCostOf = (costs: ProcessCost[]): RotationCost => ({
  wall: costs.reduce((sum, { wall }) => sum + wall, 0),
  memory: Math.max(...costs.map(({ memory }) => memory)),
})
