import type { Task, Tasks } from '../../../local/embedded/stateMachine.ts'
import { oneAtATime } from '../oneAtATime.ts'
import type { Death } from './mortal.ts'
import { alive, Life } from './operations.ts'

/** What becomes of a rotation whose process died: it is rolled back by another, or nothing runs any more. */
export type Afterwards = 'rolled back' | 'stopped'

/**
 * Keyturn's functions, whose process dies once. The step that it dies in is not tried again: each try dies. `operations` has
 * what was done until then.
 */
export function mortalTasks(
  tasks: Tasks,
  dies: Death | undefined,
  afterwards: Afterwards = 'rolled back',
): { tasks: Tasks; operations: string[] } {
  const life = new Life(dies)
  let diedIn: string | undefined
  const inOrder = oneAtATime()
  const mortal =
    (state: string, task: Task): Task =>
    input =>
      inOrder(async () => {
        if (diedIn === state || (diedIn && afterwards === 'stopped')) throw killed()
        if (diedIn) return task(input)
        try {
          const result = await alive(life, async () => task(input))
          if (!life.dead) return result
        } catch (error) {
          if (!life.dead) throw error
        }
        diedIn = state
        throw killed()
      })
  const all = Object.entries(tasks).map(([state, task]) => [state, mortal(state, task)])
  return { tasks: Object.fromEntries(all), operations: life.operations }
}

/** No definition retries an error of this name. */
const killed = () => Object.assign(new Error('the process was killed'), { name: 'Killed' })
