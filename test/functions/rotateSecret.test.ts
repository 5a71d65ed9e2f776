import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'
import { GetExecutionHistoryCommand, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { STATE_AFTER_STEP } from '../../fleet/serviceSteps.ts'
import type { StateName } from '../../fleet/states.ts'
import { type Embedded, startEmbedded } from '../../local/embedded/embedded.ts'
import { definitionOf, type Task } from '../../local/embedded/stateMachine.ts'
import { captureOutput } from '../support/observe.ts'

const rotationToken = `rotation-token-${randomUUID()}`
const steps = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const
type Step = (typeof steps)[number]

let embedded: Embedded
let handler: (event: object, context: object) => Promise<unknown>
let id: string
let user: string
/** All that somebody with access to logs or executions could read. */
let written: string[]
const sent = vi.spyOn(SecretsManagerClient.prototype, 'send')

beforeAll(async () => {
  process.env.POWERTOOLS_LOG_LEVEL = 'DEBUG'
  embedded = await startEmbedded()
  ;({ handler } = await import('../../functions/rotateSecret.ts'))
})
afterAll(async () => {
  await embedded.stop()
})

beforeEach(async () => {
  written = captureOutput()
  sent.mockClear()
  const { rotateExecutions, tasks } = embedded.stepFunctions
  rotateExecutions.clear()
  Object.assign(tasks, embedded.tasks)
  user = `user_${randomUUID().slice(0, 8)}`
  id = await embedded.users.enrol(user)
  return async () => {
    // Before the spies are removed: no value may be in what they have seen.
    const passwords = await storedPasswords()
    vi.mocked(process.stdout.write).mockRestore()
    vi.mocked(process.stderr.write).mockRestore()
    const histories = JSON.stringify([...rotateExecutions].map(([name, execution]) => [name, execution]))
    expect(passwords.length).toBeGreaterThan(0)
    const asJson = passwords.map(password => JSON.stringify(JSON.stringify(password)).slice(3, -3))
    for (const hidden of [...passwords, ...asJson, rotationToken])
      for (const text of [histories, ...written]) expect(text).not.toContain(hidden)
  }
})

/** Calls one step as Secrets Manager does. */
const call = (
  Step: Step,
  ClientRequestToken: string,
  more: object = { RotationToken: rotationToken },
  context = {},
) =>
  handler(
    { Step, SecretId: id, ClientRequestToken, ...more },
    {
      functionName: 'rotateSecret',
      awsRequestId: randomUUID(),
      getRemainingTimeInMillis: () => 900_000,
      ...context,
    },
  )

/** Calls the steps in order until one throws, as one try of Secrets Manager does. */
async function rotate(token: string): Promise<{ passed: Step[]; error?: Error }> {
  const passed: Step[] = []
  for (const step of steps) {
    try {
      await call(step, token)
      passed.push(step)
    } catch (error) {
      return { passed, error: error as Error }
    }
  }
  return { passed }
}

/** Labels a version without a value as pending, as RotateSecret does. */
const begin = () => embedded.secretsManager.stagePending(id)

const read = async (which: { VersionId?: string; VersionStage?: string } = {}) => {
  const value = await embedded.secrets.send(new GetSecretValueCommand({ SecretId: id, ...which }))
  return { token: value.VersionId, ...JSON.parse(value.SecretString ?? '') }
}

async function storedPasswords(): Promise<string[]> {
  const versions = new Set(
    embedded.secretsManager.calls.flatMap(({ secret, version }) => (secret === id ? (version ?? []) : [])),
  )
  const values = await Promise.allSettled([read(), ...[...versions].map(VersionId => read({ VersionId }))])
  return values.flatMap(value => (value.status === 'fulfilled' ? value.value.password : []))
}

async function logsIn({ username, password, host, port }: Awaited<ReturnType<typeof read>>) {
  const client = new pg.Client({
    ...{ host, port, user: username, password, database: 'postgres' },
    ssl: { ca: readFileSync(embedded.postgres.caFile, 'utf8') },
  })
  return client.connect().then(
    () => client.end().then(() => true),
    () => false,
  )
}

async function superuser(sql: string): Promise<void> {
  const { host, port, superuser } = embedded.postgres
  const ssl = { ca: readFileSync(embedded.postgres.caFile, 'utf8') }
  const client = new pg.Client({ host, port, ssl, database: 'postgres', ...superuser })
  await client.connect()
  await client.query(sql)
  await client.end()
}

/** @returns the calls of Step Functions */
const asked = () => embedded.stepFunctions.calls.map(({ action }) => action)
const executions = () => [...embedded.stepFunctions.rotateExecutions.keys()]
const execution = (name: string) => embedded.stepFunctions.rotateExecutions.get(name)
const statesOf = (name: string) =>
  execution(name)?.history.flatMap(event => event.stateEnteredEventDetails?.name ?? []) ?? []

/** Has `state` fail. @returns a function that ends this */
function failing(state: StateName<'rotate'>, name: string): { mend(): void } {
  const task = embedded.tasks[state] as Task
  embedded.stepFunctions.tasks[state] = () => {
    throw Object.assign(new Error(`${state}: no, not\nnow`), { name })
  }
  return {
    mend: () => {
      embedded.stepFunctions.tasks[state] = task
    },
  }
}

/** Has something happen before each call of GetExecutionHistory. */
function beforeHistories(act: () => unknown) {
  const send = SFNClient.prototype.send
  return vi.spyOn(SFNClient.prototype, 'send').mockImplementation(async function (
    this: SFNClient,
    ...[command, ...more]: unknown[]
  ) {
    if (command instanceof GetExecutionHistoryCommand) await act()
    return Reflect.apply(send, this, [command, ...more])
  } as never)
}

/** Stops an execution before `state`, until the returned function is called. */
function holding(state: StateName<'rotate'>): { reached: Promise<void>; release(): void } {
  const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const task = embedded.stepFunctions.tasks[state] as Task
  embedded.stepFunctions.tasks[state] = async input => {
    reached.resolve()
    await released.promise
    return task(input)
  }
  return { reached: reached.promise, release: released.resolve }
}

/** @returns the context of a call whose time is over when an execution is in `state` */
function untilIn(name: string, state: StateName<'rotate'>) {
  let looks = 0
  const isIn = () => statesOf(name).includes(state)
  return { getRemainingTimeInMillis: () => (isIn() && looks++ > 0 ? 60_000 : 900_000) }
}

test('STATE_AFTER_STEP has the state to which a step’s success leads, behind replicas and rehearsal', () => {
  type State = { Next?: string; Default?: string; Choices?: { Next: string }[]; Catch?: { Next: string }[] }
  const { States } = definitionOf('rotate') as { States: Record<string, State> }
  const between = ['HasReplicas', 'AwaitPendingReplicas', 'MustRehearse', 'Rehearse', 'Rehearsed']
  const targetsOf = ({ Next, Default, Choices = [], Catch = [] }: State) =>
    [Next, Default, ...[...Choices, ...Catch].map(({ Next }) => Next)].filter(name => name !== undefined)
  const leadingTo = (state: string) =>
    Object.keys(States).filter(name => targetsOf(States[name] as State).includes(state))
  /** @returns the states that lead to a state through those in between */
  const stepsBefore = (state: string): string[] =>
    leadingTo(state).flatMap(name => (between.includes(name) ? stepsBefore(name) : [name]))
  for (const step of steps) {
    const state = `${step[0]?.toUpperCase()}${step.slice(1)}`
    expect(new Set(stepsBefore(STATE_AFTER_STEP[step])), step).toEqual(
      new Set(step === 'finishSecret' ? [state, 'HadFinished'] : [state]),
    )
    expect([STATE_AFTER_STEP[step], 'HasReplicas']).toContain(States[state]?.Next)
  }
})

describe('a successful rotation', () => {
  test('takes four calls, and one execution that is named as the token', async () => {
    const before = await read()
    const token = begin()
    expect(await rotate(token)).toEqual({ passed: [...steps] })
    expect(executions()).toEqual([token])
    expect(JSON.parse(execution(token)?.input ?? '')).toEqual({ store: 'secrets-manager', id, token })
    const after = await read()
    expect(after.token).toBe(token)
    expect(await logsIn(after)).toBe(true)
    expect(await logsIn(before)).toBe(false)
  })

  test.each([1, 2])(
    'that ends at poll %i makes at most six calls in all, none of Secrets Manager',
    async last => {
      const { release } = holding('CreateSecret')
      const token = begin()
      sent.mockClear()
      embedded.stepFunctions.calls.length = 0
      let looks = 0
      const looked = beforeHistories(async () => {
        if (++looks > last) return
        expect(sent).not.toHaveBeenCalled()
        if (looks < last) return
        release()
        await execution(token)?.ended
      })
      await call('createSecret', token, {})
      const calls = sent.mock.calls.length
      for (const step of steps.slice(1)) await call(step, token, {})
      looked.mockRestore()
      expect(sent).toHaveBeenCalledTimes(calls)
      // The rehearsal of the rollback also calls DescribeExecution for a second attempt.
      const rehearsed = 2
      expect(asked()).toEqual(['StartExecution', ...Array(last + 3 + rehearsed).fill('GetExecutionHistory')])
      expect(last + 4).toBeLessThanOrEqual(6)
      expect((await read()).token).toBe(token)
    },
  )

  test('returns from each call when the execution has passed that step', async () => {
    const token = begin()
    const held = steps.map(step => [step, holding(STATE_AFTER_STEP[step])] as const)
    for (const [step, { reached, release }] of held) {
      await call(step, token, {}, untilIn(token, STATE_AFTER_STEP[step]))
      await reached
      const next = steps[steps.indexOf(step) + 1]
      if (next) {
        const early = { getRemainingTimeInMillis: () => 60_000 }
        await expect(call(next, token, {}, early)).rejects.toMatchObject({ name: 'RotationInProgress' })
      }
      release()
    }
    await execution(token)?.ended
  })

  test('sends the RotationToken with PutSecretValue, and with no other call', async () => {
    const token = begin()
    await rotate(token)
    const puts = sent.mock.calls.flatMap(([command]) =>
      command instanceof PutSecretValueCommand ? command.input : [],
    )
    expect(puts).toMatchObject([{ ClientRequestToken: token, RotationToken: rotationToken }])
    for (const [command] of sent.mock.calls)
      if (!(command instanceof PutSecretValueCommand))
        expect(JSON.stringify(command.input)).not.toContain(rotationToken)
    expect(written.join('')).toContain(token)
  })

  test('has the execution write the value if there is no RotationToken', async () => {
    const token = begin()
    await call('createSecret', token, {})
    expect(statesOf(token)).toContain('SetSecret')
    await rotate(token)
    expect((await read()).token).toBe(token)
    // The event has both names of the secret, whichever started the rotation.
    const { Name: name, ARN: arn } = await embedded.secrets.send(new DescribeSecretCommand({ SecretId: id }))
    expect(execution(token)?.result?.output).toMatchObject({ id, name, arn })
  })

  test('of alternating users does not wait for the grace time in finishSecret', async () => {
    const admin = await embedded.users.makeAdmin(`admin_${user}`)
    user = `${user}_two`
    id = await embedded.users.enrol(user, { admin })
    const before = await read()
    const { release } = holding('RetireSecret')
    const token = begin()
    expect(await rotate(token)).toEqual({ passed: [...steps] })
    expect((await read()).username).toBe(`${user}_clone`)
    expect(await logsIn(before)).toBe(true)
    release()
    await execution(token)?.ended
    expect(await logsIn(before)).toBe(false)
  })
})

describe('a call that is repeated', () => {
  test('at each step starts no second execution', async () => {
    const token = begin()
    for (const step of steps) await Promise.all([call(step, token), call(step, token)])
    expect(executions()).toEqual([token])
    expect((await read()).token).toBe(token)
  })

  test('after a rotation that has succeeded returns at once', async () => {
    const token = begin()
    await rotate(token)
    await execution(token)?.ended
    embedded.stepFunctions.calls.length = 0
    expect(await rotate(token)).toEqual({ passed: [...steps] })
    expect(executions()).toEqual([token])
    expect(asked()).toEqual(steps.map(() => 'GetExecutionHistory'))
  })

  test('during a rotation joins it', async () => {
    const token = begin()
    const { reached, release } = holding('TestSecret')
    const created = call('createSecret', token)
    await reached
    const joined = call('createSecret', token)
    await call('setSecret', token)
    const tested = call('testSecret', token)
    release()
    await Promise.all([created, joined, tested])
    await call('finishSecret', token)
    expect(executions()).toEqual([token])
  })

  test('during a rotation with another input joins that too', async () => {
    const token = begin()
    const { reached, release } = holding('CreateSecret')
    await new SFNClient().send(
      new StartExecutionCommand({
        stateMachineArn: process.env.KEYTURN_EXECUTIONS?.replace(':execution:', ':stateMachine:'),
        name: token,
        input: JSON.stringify({ store: 'secrets-manager', id, group: 'a run' }),
      }),
    )
    await reached
    const created = call('createSecret', token, {})
    release()
    await created
    for (const step of steps.slice(1)) await call(step, token, {})
    expect(executions()).toEqual([token])
  })
})

describe('a rotation that fails', () => {
  test('without a RotationToken is followed by an attempt with the next name', async () => {
    const { mend } = failing('TestSecret', 'TestFailed')
    const token = begin()
    await call('createSecret', token, {})
    await expect(call('testSecret', token, {})).rejects.toMatchObject({ name: 'TestFailed' })
    mend()
    for (const step of steps) await call(step, token, {})
    expect(executions()).toEqual([token, `${token}-2`])
    expect((await read()).token).toBe(token)
  })

  test.each<[StateName<'rotate'>, string, string[]]>([
    ['CreateSecret', 'InvalidCredential', []],
    ['SetSecret', 'LoginRefused', ['createSecret']],
    ['TestSecret', 'TestFailed', ['createSecret', 'setSecret']],
    ['FinishSecret', 'Superseded', ['createSecret', 'setSecret', 'testSecret']],
  ])('in %s throws its error in that step’s call, once the rollback is done', async (state, name, passed) => {
    const before = await read()
    failing(state, name)
    const token = begin()
    const { passed: found, error } = await rotate(token)
    expect(found).toEqual(passed)
    expect(error).toMatchObject({ name, message: `rotateSecret: ${state}: no, not now` })
    expect(execution(token)?.result?.failure?.error).toBe(name)
    expect(await read()).toEqual(before)
    expect(await logsIn(before)).toBe(true)
    await expect(read({ VersionStage: 'AWSPENDING' })).rejects.toThrow()
  })

  test('with a RotationToken is followed by an attempt with the next name and the same value', async () => {
    const { mend } = failing('TestSecret', 'TestFailed')
    const token = begin()
    await rotate(token)
    const first = await read({ VersionId: token })
    await rotate(token)
    mend()
    expect(await rotate(token)).toEqual({ passed: [...steps] })
    expect(executions()).toEqual([token, `${token}-2`, `${token}-3`])
    expect(await read()).toEqual(first)
    expect(await logsIn(first)).toBe(true)
    expect(await rotate(token)).toEqual({ passed: [...steps] })
    expect(executions()).toHaveLength(3)
  })

  test('a database that accepts no connections was not changed, and later the next attempt succeeds', async () => {
    const token = begin()
    await superuser(`alter role ${user} connection limit 0`)
    const { passed, error } = await rotate(token)
    expect([passed, error?.name]).toEqual([[], 'Unreachable'])
    expect(statesOf(token).slice(-2)).toEqual(['AnnounceFailure', 'RotationFailed'])
    await expect(read({ VersionStage: 'AWSPENDING' })).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    })
    await superuser(`alter role ${user} connection limit -1`)
    expect(await rotate(token)).toEqual({ passed: [...steps] })
    expect(executions()).toEqual([token, `${token}-2`])
    expect(await logsIn(await read())).toBe(true)
  })

  test('a database that accepts no connections after the password was set fails even the rollback', async () => {
    const held = holding('TestSecret')
    const token = begin()
    const rotated = rotate(token)
    await held.reached
    await superuser(`alter role ${user} connection limit 0`)
    held.release()
    expect((await rotated).error?.name).toBe('Unreachable')
    expect(statesOf(token).slice(-2)).toEqual(['AnnounceLockout', 'RollbackFailed'])
    await superuser(`alter role ${user} connection limit -1`)
    expect(await rotate(token)).toEqual({ passed: [...steps] })
    expect(await logsIn(await read())).toBe(true)
  })

  const makeTable = () =>
    superuser(`create table public.${user} (); grant select on public.${user} to public`)

  test('a test query that never succeeds fails before any change', async () => {
    id = await embedded.users.enrol(`${user}_query`, {
      tags: { 'keyturn:test-query': `table public.${user}` },
    })
    const before = await read()
    const token = begin()
    const { passed, error } = await rotate(token)
    expect([passed, error?.name]).toEqual([[], 'TestFailed'])
    expect(error?.message).toMatch(/: testSecret: in the rehearsal, before anything was changed: /)
    expect(statesOf(token)).not.toContain('SetSecret')
    expect(statesOf(token).slice(-3)).toEqual(['DiscardSecret', 'AnnounceFailure', 'RotationFailed'])
    expect(await logsIn(before)).toBe(true)
    await makeTable()
    expect(await rotate(token)).toEqual({ passed: [...steps] })
    expect(executions()).toEqual([token, `${token}-2`])
    expect(await logsIn(await read())).toBe(true)
  })

  test('a test that fails after SetSecret is rolled back, and the next attempt succeeds', async () => {
    id = await embedded.users.enrol(`${user}_query`, {
      tags: { 'keyturn:test-query': `table public.${user}` },
    })
    await makeTable()
    const before = await read()
    const held = holding('TestSecret')
    const token = begin()
    const rotated = rotate(token)
    await held.reached
    await superuser(`drop table public.${user}`)
    held.release()
    const { passed, error } = await rotated
    expect([passed, error?.name]).toEqual([['createSecret', 'setSecret'], 'TestFailed'])
    expect(await logsIn(before)).toBe(true)
    await makeTable()
    expect(await rotate(token)).toEqual({ passed: [...steps] })
    expect(await logsIn(await read())).toBe(true)
    expect(await logsIn(before)).toBe(false)
  })

  test('a retirement that fails leaves the rotation a success', async () => {
    const admin = await embedded.users.makeAdmin(`admin_${user}`)
    user = `${user}_two`
    id = await embedded.users.enrol(user, { admin })
    failing('RetireSecret', 'DatabaseFailed')
    const token = begin()
    await rotate(token)
    await execution(token)?.ended
    await call('finishSecret', token)
    for (const more of [{}, undefined]) await call('createSecret', token, more)
    expect(executions()).toEqual([token])
  })

  test('if rotateSecret cannot write the value, the execution does, after it has rolled an abandoned version back', async () => {
    const abandoned = begin()
    await embedded.tasks.CreateSecret?.({ execution: abandoned, rotation: { store: 'secrets-manager', id } })
    const token = randomUUID()
    expect(await rotate(token)).toEqual({ passed: [...steps] })
    const looked = ['MayHaveReplicas', 'CreateSecret']
    expect(statesOf(token).slice(0, 5)).toEqual([...looked, 'RollbackAbandoned', ...looked])
    expect(written.join('')).toContain('RotationAbandoned')
    expect((await read()).token).toBe(token)
  })

  test('an execution that goes on long after its version was rolled back throws Superseded', async () => {
    const execution = begin()
    const { CreateSecret, SetSecret, RollbackSecret, FinishSecret } = embedded.tasks
    const before = await read()
    const rotation = await CreateSecret?.({ execution, rotation: { store: 'secrets-manager', id } })
    await SetSecret?.({ execution, rotation })
    await RollbackSecret?.({ execution, rotation })
    const started = new Date(Date.now() - 3_600_000).toISOString()
    const finished = Promise.resolve(FinishSecret?.({ execution, started, rotation }))
    await expect(finished).rejects.toMatchObject({ name: 'Superseded' })
    expect(await read()).toEqual(before)
  })

  test('another rotation that runs keeps this one from changing anything', async () => {
    const other = begin()
    embedded.stepFunctions.foreignRunning.add(other)
    const token = randomUUID()
    const { passed, error } = await rotate(token)
    expect([passed, error?.name]).toEqual([[], 'RotationInProgress'])
    embedded.stepFunctions.foreignRunning.delete(other)
  })

  test('a throttled call of Step Functions is repeated later', async () => {
    const token = begin()
    let refusals = 2
    const throttled = beforeHistories(() => {
      if (refusals-- > 0) throw Object.assign(new Error('slow down'), { name: 'ThrottlingException' })
    })
    await call('createSecret', token)
    expect(refusals).toBeLessThan(0)
    throttled.mockRestore()
    expect(await rotate(token)).toEqual({ passed: [...steps] })
  })

  test('an execution that takes longer than the function may be joined by another call', async () => {
    const { reached, release } = holding('SetSecret')
    const token = begin()
    await call('createSecret', token, {}, untilIn(token, 'SetSecret'))
    await reached
    let remaining = 61_000
    const context = {
      getRemainingTimeInMillis: () => {
        remaining -= 500
        return remaining
      },
    }
    await expect(call('setSecret', token, {}, context)).rejects.toMatchObject({
      name: 'RotationInProgress',
      message: 'rotateSecret: the execution has not passed setSecret yet, and goes on',
    })
    release()
    expect(await rotate(token)).toEqual({ passed: [...steps] })
    expect(executions()).toEqual([token])
  })
})

describe('testSecret without an execution, as RotateImmediately=false calls it', () => {
  const labelled = () =>
    embedded.secretsManager.calls.filter(({ action }) => /^(Put|Update)/.test(action)).length

  test.each(['a copy of current', 'no value'])(
    'passes for a version with %s, and changes nothing',
    async what => {
      const before = await read()
      const token = begin()
      if (what === 'a copy of current') {
        const { token: _, ...value } = before
        const version = { SecretId: id, ClientRequestToken: token, VersionStages: ['AWSPENDING'] }
        await embedded.secrets.send(
          new PutSecretValueCommand({ ...version, SecretString: JSON.stringify(value) }),
        )
      }
      const changes = labelled()
      await call('testSecret', token)
      expect(labelled()).toBe(changes)
      expect(executions()).toEqual([])
      expect(await read()).toEqual(before)
    },
  )

  test('throws LoginRefused for a password that the database refuses', async () => {
    const { token: current, ...value } = await read()
    const wrong = randomUUID()
    await embedded.secrets.send(
      new PutSecretValueCommand({
        SecretId: id,
        ClientRequestToken: wrong,
        VersionStages: ['AWSPENDING'],
        SecretString: JSON.stringify({ ...value, password: `wrong-${wrong}` }),
      }),
    )
    await embedded.secrets.send(
      new UpdateSecretVersionStageCommand({
        SecretId: id,
        VersionStage: 'AWSCURRENT',
        MoveToVersionId: wrong,
        RemoveFromVersionId: current,
      }),
    )
    await expect(call('testSecret', begin())).rejects.toMatchObject({ name: 'LoginRefused' })
  })

  test('throws TestFailed for a test query that fails', async () => {
    id = await embedded.users.enrol(`${user}_query`, {
      tags: { 'keyturn:test-query': 'table no_such_table' },
    })
    await expect(call('testSecret', begin())).rejects.toMatchObject({ name: 'TestFailed' })
  })

  test.each(['setSecret', 'finishSecret'] as const)(
    'is the only step that may be called so: %s is refused',
    async step => {
      await expect(call(step, begin())).rejects.toMatchObject({
        name: 'InvalidInput',
        message: `rotateSecret: Step: ${step} was called before createSecret`,
      })
    },
  )
})

test.each(['x'.repeat(65), 'short', `${randomUUID()}:odd`, `${randomUUID()}/odd`])(
  'a token that cannot be the name of an execution is refused: %s',
  async token => {
    await expect(call('createSecret', token)).rejects.toMatchObject({
      name: 'InvalidInput',
      message: 'rotateSecret: ClientRequestToken: should be 32 to 64 letters, digits, - or _',
    })
    expect(executions()).toEqual([])
  },
)

test('the longest token leaves room for the number of an attempt', async () => {
  const { mend } = failing('SetSecret', 'LoginRefused')
  const token = embedded.secretsManager.stagePending(id, 'T_'.repeat(32))
  await rotate(token)
  mend()
  expect(await rotate(token)).toEqual({ passed: [...steps] })
  expect(executions().every(name => name.length <= 80)).toBe(true)
})
