import { randomUUID } from 'node:crypto'
import { DescribeSecretCommand } from '@aws-sdk/client-secrets-manager'
import { SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { StateName } from '../../fleet/states.ts'
import { pendingVersionIn } from '../../fleet/versionLabels.ts'
import { type Embedded, startEmbedded } from '../../local/embedded/embedded.ts'
import { type BusEvent, makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import { arnOf } from '../../local/embedded/stateMachine.ts'
import { admits } from '../../local/servers/postgresDatabase.ts'
import { Credential } from '../../rotation/credential.ts'
import { NotPermitted } from '../../rotation/errors.ts'
import { captureOutput } from '../support/observe.ts'

/*
 * What a rotation leaves pending whose rollbackSecret cannot work, and what the next one makes of it.
 */

let embedded: Embedded
let id: string
let told: BusEvent[]
beforeAll(async () => {
  embedded = await startEmbedded()
})
afterAll(() => embedded?.stop())
beforeEach(async () => {
  captureOutput()
  told = []
  const { calls, tasks } = embedded.stepFunctions
  calls.length = 0
  Object.assign(
    tasks,
    embedded.tasks,
    makeEventBusTasks(entry => told.push(entry)),
  )
  id = await embedded.users.enrol(`user_${randomUUID().slice(0, 8)}`)
})

/** Runs one execution, of which Step Functions can be asked afterwards. */
async function rotate(token: string = randomUUID()) {
  const sfn = new SFNClient()
  const stateMachineArn = arnOf('states', 'stateMachine:keyturn-local-rotate')
  const input = JSON.stringify({ store: 'secrets-manager', id, token })
  await sfn.send(new StartExecutionCommand({ stateMachineArn, name: token, input }))
  const ended = await embedded.stepFunctions.rotateExecutions.get(token)?.ended
  if (!ended) throw new Error('it was not started')
  return { token, ...ended }
}

const fails = (...states: StateName<'rotate'>[]) => {
  for (const state of states)
    embedded.stepFunctions.tasks[state] = () => Promise.reject(new NotPermitted(`${state}: no right`))
}
const mended = () => Object.assign(embedded.stepFunctions.tasks, embedded.tasks)
const broken = ['RehearseRollback', 'DiscardSecret', 'RollbackAbandoned', 'RollbackSecret'] as const
const pending = async () =>
  pendingVersionIn(
    (await embedded.secrets.send(new DescribeSecretCommand({ SecretId: id }))).VersionIdsToStages,
  )
const currentLogsIn = async () =>
  admits(embedded.postgres, Credential.parse((await embedded.users.valueStore.read(id, 'current')) as string))
const severities = () => told.map(({ Detail }) => (Detail as { severity?: string }).severity)

test('a rotation that changed nothing, and that no rollback could end: none that follows is a lockout', async () => {
  fails(...broken)
  for (const _ of [1, 2, 3]) {
    const { token, states, failure } = await rotate()
    expect(failure).toMatchObject({
      error: 'NotPermitted',
      cause: { errorMessage: expect.stringContaining('RehearseRollback') },
    })
    expect(states).not.toContain('RollbackAbandoned')
    expect(await pending()).toBe(token)
  }
  expect(severities()).toEqual(['error', 'error', 'error'])
  expect(await currentLogsIn()).toBe(true)
  mended()
  const { token, failure, states } = await rotate()
  expect(failure).toBeUndefined()
  expect(states).not.toContain('RollbackAbandoned')
  expect(
    (await embedded.secrets.send(new DescribeSecretCommand({ SecretId: id }))).VersionIdsToStages?.[token],
  ).toContain('AWSCURRENT')
  expect(await currentLogsIn()).toBe(true)
})

test('one that changed the database is rolled back, and is a lockout where that cannot be done', async () => {
  fails('TestSecret', 'RollbackAbandoned', 'RollbackSecret')
  const { token } = await rotate()
  const { states } = await rotate()
  expect(states).toContain('RollbackAbandoned')
  expect(severities()).toEqual(['critical', 'critical'])
  expect(await pending()).toBe(token)
  mended()
  const mend = await rotate()
  expect([mend.failure, mend.states.includes('RollbackAbandoned')]).toEqual([undefined, true])
  expect(await currentLogsIn()).toBe(true)
})

test('one whose execution is not known any more, as after 90 days, is rolled back as ever', async () => {
  fails('RehearseTest', 'DiscardSecret')
  await rotate()
  mended()
  embedded.stepFunctions.rotateExecutions.clear()
  const { failure, states } = await rotate()
  expect([failure, states.includes('RollbackAbandoned')]).toEqual([undefined, true])
})

test('without anything pending, Step Functions is asked by the rehearsal alone', async () => {
  await rotate()
  const asked = embedded.stepFunctions.calls.map(({ action }) => action)
  expect(asked.filter(action => action !== 'StartExecution')).toEqual([
    'GetExecutionHistory',
    'GetExecutionHistory',
  ])
})
