import { expect, test } from 'vitest'
import type { StateName, TaskName } from '../../fleet/states.ts'
import { definitionOf, functionsOf } from '../../local/embedded/stateMachine.ts'

test('the type StateName allows each state, also inside a Map, and no other text', () => {
  const inRotate: StateName<'rotate'> = 'MustRetire'
  const inMap: StateName<'rotate-server'> = 'AwaitRotation'
  // @ts-expect-error: it is rotate-server's
  const ofAnother: StateName<'rotate'> = 'AwaitRotation'
  // @ts-expect-error: no state has it
  const ofNone: StateName = 'SetSecrets'
  const task: TaskName<'rotate'> = 'AnnounceSuccess'
  // @ts-expect-error: it calls nothing
  const noTask: TaskName<'rotate'> = 'MustRetire'
  const names = Object.keys(definitionOf('rotate').States)
  expect(names).toEqual(expect.arrayContaining([inRotate, task, noTask]))
  for (const name of [inMap, ofAnother, ofNone]) expect(names).not.toContain(name)
})

test('functionsOf reads from the definition which function each state runs', () => {
  expect(Object.fromEntries(functionsOf('rotate'))).toEqual({
    LookAtReplicas: 'awaitReplicas',
    CreateSecret: 'createSecret',
    AwaitPendingReplicas: 'awaitReplicas',
    RehearseTest: 'testSecret',
    RehearseFinish: 'finishSecret',
    RehearseRollback: 'rollbackSecret',
    DiscardSecret: 'rollbackSecret',
    RollbackAbandoned: 'rollbackSecret',
    SetSecret: 'setSecret',
    TestSecret: 'testSecret',
    FinishSecret: 'finishSecret',
    AwaitReplicas: 'awaitReplicas',
    AwaitReplicasLonger: 'awaitReplicas',
    LookBeforeRetiring: 'awaitReplicas',
    RetireSecret: 'retireSecret',
    MayMoveBack: 'retireSecret',
    LookBeforeMovingBack: 'awaitReplicas',
    RollbackSecret: 'rollbackSecret',
  })
  expect(Object.fromEntries(functionsOf('rotate-server'))).toEqual({
    TakeSlot: 'takeSlot',
    StartRotation: 'startRotation',
    AwaitRotation: 'awaitRotation',
    ReportRotations: 'reportRotations',
  })
})
