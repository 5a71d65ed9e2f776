import { type Entry, eventBus } from '../../local/embedded/eventBus.ts'
import type { Task } from '../../local/embedded/stateMachine.ts'

/* What the tests of rotate's definition play it with. */

export const name = '0a1b2c3d-0000-4000-8000-000000000001'
export const input = { store: 'secrets-manager', id: 'app' }
export const rotation = {
  ...input,
  token: name,
  engine: 'postgres',
  host: 'db',
  strategy: 'single-user',
  user: 'app',
  nextUser: 'app',
  replaces: 'c',
}

/** Every task succeeds, but those given; what is put on the bus is kept. */
export function tasks(given: Record<string, Task> = {}) {
  const events: Entry[] = []
  const all = {
    LookAtReplicas: () => ({ outcome: 'unasked' }),
    CreateSecret: () => rotation,
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
    ...eventBus(entry => events.push(entry)),
    ...given,
  }
  return { events, all }
}

export const fails = (error: string) => () => {
  throw Object.assign(new Error('the reason'), { name: error })
}
/** Fails so often, then succeeds. */
export const failsFirst = (error: string, times: number, result: unknown = null) => {
  let left = times
  return () => (left-- > 0 ? fails(error)() : result)
}

/** What comes after a rotation in a deployment that names peer Regions. */
export const retiring = ['GraceBeforeLook', 'LookBeforeRetiring', 'RetireSecret']
