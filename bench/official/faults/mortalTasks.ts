import type { Task, Tasks } from '../../../local/embedded/stateMachine.ts'
import { makeSerialRunner } from '../serialRunner.ts'
import type { Death } from './mortal.ts'
import { CountedProcess, runCounted } from './operations.ts'

/** What follows when a rotation's process has died: another process rolls back, or nothing runs any more. */
export type Afterwards = 'rolled back' | 'stopped'

/**
 * Makes tasks that run Keyturn's functions as in a process that dies once. The state in which it dies fails at each try.
 * @returns the tasks, and the operations that they did until then
 */
export function makeMortalTasks(
  tasks: Tasks,
  dies: Death | undefined,
  afterwards: Afterwards = 'rolled back',
): { tasks: Tasks; operations: string[] } {
  const counted = new CountedProcess(dies)
  let diedIn: string | undefined
  const runSerially = makeSerialRunner()
  const makeMortal =
    (state: string, task: Task): Task =>
    input =>
      runSerially(async () => {
        if (diedIn === state || (diedIn && afterwards === 'stopped')) throw processKilledError()
        if (diedIn) return task(input)
        try {
          const result = await runCounted(counted, async () => task(input))
          if (!counted.isDead) return result
        } catch (error) {
          if (!counted.isDead) throw error
        }
        diedIn = state
        throw processKilledError()
      })
  const mortalTasks = Object.entries(tasks).map(([state, task]) => [state, makeMortal(state, task)])
  return { tasks: Object.fromEntries(mortalTasks), operations: counted.operations }
}

/** An error whose name no state machine retries. */
const processKilledError = () => Object.assign(new Error('the process was killed'), { name: 'Killed' })
