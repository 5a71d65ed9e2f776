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
 * A rotation whose rollback cannot run leaves a version pending: these tests run the next one.
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

/** Runs one execution, which Step Functions can describe afterwards. */
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

test('after a rotation that changed nothing and was not rolled back, no later one reports a lockout', async () => {
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

test('a rotation that changed the database is rolled back, and is a lockout if that fails', async () => {
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

test('a rotation whose execution no longer exists, as after 90 days, is rolled back', async () => {
  fails('RehearseTest', 'DiscardSecret')
  await rotate()
  mended()
  embedded.stepFunctions.rotateExecutions.clear()
  const { failure, states } = await rotate()
  expect([failure, states.includes('RollbackAbandoned')]).toEqual([undefined, true])
})

test('if nothing is pending, only the rehearsal calls Step Functions', async () => {
  await rotate()
  const asked = embedded.stepFunctions.calls.map(({ action }) => action)
  expect(asked.filter(action => action !== 'StartExecution')).toEqual([
    'GetExecutionHistory',
    'GetExecutionHistory',
  ])
})
