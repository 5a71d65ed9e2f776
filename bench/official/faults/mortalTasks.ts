import type { Task, Tasks } from '../../../local/embedded/stateMachine.ts'
import { makeSerialRunner } from '../serialRunner.ts'
import type { Death } from './mortal.ts'
import { CountedProcess, runCounted } from './operations.ts'

/** What becomes of a rotation whose process died: it is rolled back by another, or nothing runs any more. */
export type Afterwards = 'rolled back' | 'stopped'

/**
 * Keyturn's functions, whose process dies once. The step that it dies in is not tried again: each try dies. `operations` has
 * what was done until then.
 */
export function makeMortalTasks(
  tasks: Tasks,
  dies: Death | undefined,
  afterwards: Afterwards = 'rolled back',
): { tasks: Tasks; operations: string[] } {
  const life = new CountedProcess(dies)
  let diedIn: string | undefined
  const inOrder = makeSerialRunner()
  const mortal =
    (state: string, task: Task): Task =>
    input =>
      inOrder(async () => {
        if (diedIn === state || (diedIn && afterwards === 'stopped')) throw processKilledError()
        if (diedIn) return task(input)
        try {
          const result = await runCounted(life, async () => task(input))
          if (!life.isDead) return result
        } catch (error) {
          if (!life.isDead) throw error
        }
        diedIn = state
        throw processKilledError()
      })
  const all = Object.entries(tasks).map(([state, task]) => [state, mortal(state, task)])
  return { tasks: Object.fromEntries(all), operations: life.operations }
}

/** No definition retries an error of this name. */
const processKilledError = () => Object.assign(new Error('the process was killed'), { name: 'Killed' })
