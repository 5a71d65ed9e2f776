import { type BusEvent, makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import type { Task } from '../../local/embedded/stateMachine.ts'

/* The input, and the tasks that play the Lambda functions, for tests that run statemachines/rotate.asl.json. */

export const executionName = '0a1b2c3d-0000-4000-8000-000000000001'
export const executionInput = { store: 'secrets-manager', id: 'app' }
/** What CreateSecret returns. */
export const createdRotation = {
  ...executionInput,
  token: executionName,
  engine: 'postgres',
  host: 'db',
  strategy: 'single-user',
  user: 'app',
  nextUser: 'app',
  replaces: 'c',
}

/** @returns tasks that all succeed, except `given`, and the events that are put on the bus */
export function makeTasks(given: Record<string, Task> = {}) {
  const events: BusEvent[] = []
  const all = {
    LookAtReplicas: () => ({ outcome: 'unasked' }),
    CreateSecret: () => createdRotation,
    AwaitPendingReplicas: () => ({ outcome: 'replicated' }),
    RollbackAbandoned: () => ({ outcome: 'intact' }),
    DiscardSecret: () => ({ outcome: 'nothing' }),
    RehearseTest: () => null,
    RehearseFinish: () => null,
    RehearseRollback: () => null,
    SetSecret: () => null,
    TestSecret: () => null,
    FinishSecret: () => null,
    RollbackSecret: () => ({ outcome: 'intact' }),
    LookBeforeRetiring: () => ({ outcome: 'replicated' }),
    RetireSecret: () => ({ outcome: 'retired' }),
    MayMoveBack: () => ({ outcome: 'halfway' }),
    LookBeforeMovingBack: () => ({ outcome: 'replicated' }),
    MoveBack: () => ({ ExecutionArn: 'arn' }),
    ...makeEventBusTasks(entry => events.push(entry)),
    ...given,
  }
  return { events, all }
}

/** @returns a task that fails with an error of this name */
export const makeFailingTask = (error: string) => () => {
  throw Object.assign(new Error('the reason'), { name: error })
}
/** @returns a task that fails so many times and then succeeds */
export const makeTaskFailingFirst = (error: string, times: number, result: unknown = null) => {
  let left = times
  return () => (left-- > 0 ? makeFailingTask(error)() : result)
}

/** The states that follow a rotation in a deployment with peer Regions. */
export const retiringStates = ['GraceBeforeLook', 'LookBeforeRetiring', 'RetireSecret']
