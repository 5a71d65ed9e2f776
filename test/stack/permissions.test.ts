import { randomUUID } from 'node:crypto'
import { PutSecretValueCommand } from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Embedded, functionOf, startEmbedded } from '../../local/embedded.ts'
import { deployed, packageStack } from './package.ts'

/** Every call that each function made, as IAM names it, over all that can happen to it. */
const made: Record<string, Set<string>> = {}
let embedded: Embedded
let admin: { user: string; arn: string }

beforeAll(async () => {
  embedded = await startEmbedded()
  admin = await embedded.users.makeAdmin('master')
})
afterAll(async () => {
  await embedded.stop()
})

type State = Record<string, unknown> & { token: string }

/** Runs the function of a state, and writes down what it called. An error is part of what can happen. */
async function call(
  state: keyof typeof functionOf,
  token: string,
  rotation: object,
  more = {},
): Promise<State> {
  const { secretsManager, stepFunctions } = embedded
  secretsManager.calls.length = 0
  stepFunctions.calls.length = 0
  try {
    return (await embedded.tasks[state]?.({ execution: token, rotation, ...more })) as State
  } catch {
    return { ...rotation, token }
  } finally {
    const name = functionOf[state]
    made[name] ??= new Set()
    for (const { action } of secretsManager.calls) made[name].add(`secretsmanager:${action}`)
    for (const { action } of stepFunctions.calls) made[name].add(`states:${action}`)
  }
}

/** The actions that a function's role allows, apart from what Lambda itself needs: logs and traces. */
function allowed(template: Awaited<ReturnType<typeof packageStack>>['template'], role: string): string[] {
  type Policy = { PolicyDocument: { Statement: { Effect: string; Action: string | string[] }[] } }
  const policies = deployed(template).Resources[role]?.Properties.Policies as Policy[]
  const actions = policies.flatMap(({ PolicyDocument }) =>
    PolicyDocument.Statement.filter(({ Effect }) => Effect === 'Allow').flatMap(({ Action }) => Action),
  )
  return [...new Set(actions)].filter(action => !/^(logs|xray):/.test(action)).sort()
}

test('each role allows exactly what its function calls, in good times and in bad', async () => {
  const id = await embedded.users.enrol('shop', { admin, tags: { 'keyturn:grace': '1s' } })
  const start = { store: 'secrets-manager', id }
  const begin = async () => {
    const token = randomUUID()
    return [token, await call('CreateSecret', token, start)] as const
  }

  // A good rotation, each step twice: a retry finds its work done.
  const [token, rotation] = await begin()
  for (const state of ['CreateSecret', 'SetSecret', 'TestSecret', 'FinishSecret', 'RetireSecret'] as const)
    for (const _ of [1, 2]) await call(state, token, state === 'CreateSecret' ? start : rotation)
  // Rolled back after the database changed, and begun again with the same token.
  const [failed, state] = await begin()
  await call('SetSecret', failed, state)
  await call('RollbackSecret', failed, state)
  await call('CreateSecret', failed, start)
  // Left behind, found by the next rotation.
  await begin()
  await call('RollbackAbandoned', randomUUID(), start, { abandoned: true })
  // A single user whose stored values are all refused: the rollback goes through every version there is.
  const other = await embedded.users.enrol('other')
  const lost = randomUUID()
  const facts = await call('CreateSecret', lost, { ...start, id: other })
  await call('SetSecret', lost, facts)
  const [wrong, value] = [randomUUID(), { SecretId: other, VersionStages: ['AWSPENDING'] }]
  await embedded.secrets.send(
    new PutSecretValueCommand({
      ...value,
      ClientRequestToken: wrong,
      SecretString: '{"not":"a credential"}',
    }),
  )
  await call('RollbackSecret', lost, facts)

  await using stack = await packageStack()
  for (const [name, actions] of Object.entries(made))
    expect([...actions].sort(), name).toEqual(
      allowed(stack.template, `${name[0]?.toUpperCase()}${name.slice(1)}Role`),
    )
  expect(Object.keys(made).length).toBe(new Set(Object.values(functionOf)).size)
})
