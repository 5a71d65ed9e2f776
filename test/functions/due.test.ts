import { randomUUID } from 'node:crypto'
import { AddTagsToResourceCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Embedded, load, startEmbedded } from '../../local/embedded.ts'
import { pythonBin } from '../../local/python.ts'
import type { Task } from '../../local/stateMachine.ts'
import { type Moto, startMoto } from '../moto.ts'
import { captureOutput, failure } from '../observe.ts'

const bin = await pythonBin()
let embedded: Embedded
let startRotation: Task
let awaitRotation: Task
let reportRotations: Task

beforeAll(async () => {
  embedded = await startEmbedded()
  const announce = () => ({ FailedEntryCount: 0 })
  for (const state of ['AnnounceSuccess', 'AnnounceFailure', 'AnnounceLockout'])
    embedded.stepFunctions.tasks[state] = announce
  startRotation = await load('startRotation')
  awaitRotation = await load('awaitRotation')
  reportRotations = await load('reportRotations')
})
afterAll(() => embedded?.stop())
beforeEach(() => void captureOutput())

const rotation = (id: string, token = randomUUID()) => ({ store: 'secrets-manager', id, token })
const executions = () => [...embedded.stepFunctions.executions.keys()]

describe('startRotation', () => {
  test('starts an execution named by the token, with the group in its input', async () => {
    const input = { ...rotation(await embedded.users.enrol('started')), group: 'run-1 db:5432' }
    expect(await startRotation(input)).toEqual({ ...input, outcome: 'started' })
    const execution = embedded.stepFunctions.executions.get(input.token)
    expect(JSON.parse(execution?.input ?? '')).toEqual(input)
    expect((await execution?.ended)?.output).toMatchObject({ group: 'run-1 db:5432', token: input.token })
  })

  test('the same again, while it runs or when it has ended: it is that execution', async () => {
    const input = { ...rotation(await embedded.users.enrol('again')), group: 'run-1' }
    const before = executions().length
    await startRotation(input)
    expect(await startRotation(input)).toMatchObject({ outcome: 'started' })
    await embedded.stepFunctions.executions.get(input.token)?.ended
    expect(await startRotation(input)).toMatchObject({ outcome: 'started' })
    expect(executions()).toHaveLength(before + 1)
  })

  test('a token that another run has tried: skipped', async () => {
    const input = rotation(await embedded.users.enrol('tried'))
    const before = executions().length
    await startRotation({ ...input, group: 'run-1' })
    const later = { ...input, group: 'run-2' }
    const skipped = {
      ...later,
      outcome: 'skipped',
      reason: 'this token was tried already; the next try comes later',
    }
    expect(await startRotation(later)).toEqual(skipped)
    await embedded.stepFunctions.executions.get(input.token)?.ended
    expect(await startRotation(later)).toEqual(skipped)
    expect(executions()).toHaveLength(before + 1)
  })

  test('its window has closed meanwhile: it does not begin', async () => {
    const input = rotation(await embedded.users.enrol('outside'))
    const before = executions()
    const until = new Date(Date.now() - 1000).toISOString()
    expect(await startRotation({ ...input, until })).toEqual({
      ...input,
      outcome: 'skipped',
      reason: 'its window has closed',
    })
    expect(executions()).toEqual(before)
    const open = new Date(Date.now() + 60_000).toISOString()
    expect(await startRotation({ ...input, until: open })).toMatchObject({ outcome: 'started' })
    await embedded.stepFunctions.executions.get(input.token)?.ended
  })

  test.each([
    ['store', { store: 'vault' }],
    ['id', { id: '' }],
    ['token', { token: 'short' }],
    ['at', { at: 'yesterday' }],
    ['until', { until: 'tomorrow' }],
  ])('%s that is none is InvalidInput, and nothing starts', async (field, change) => {
    const before = executions()
    const error = await failure(Promise.resolve(startRotation({ ...rotation('app'), ...change })))
    expect(error.name).toBe('InvalidInput')
    expect(error.message).toMatch(new RegExp(`^startRotation: ${field}: `))
    expect(executions()).toEqual(before)
  })
})

describe.skipIf(!bin)("startRotation, for Parameter Store's events", () => {
  let moto: Moto
  let ssm: SSMClient
  beforeAll(async () => {
    moto = await startMoto(bin ?? '')
    process.env.AWS_ENDPOINT_URL_SSM = moto.url
    ssm = new SSMClient()
  })
  afterAll(() => moto?.stop())

  async function parameter(tags: Record<string, string>): Promise<string> {
    const id = `/shop/${randomUUID()}`
    await ssm.send(new PutParameterCommand({ Name: id, Value: 'x', Type: 'SecureString' }))
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
    if (Tags.length)
      await ssm.send(new AddTagsToResourceCommand({ ResourceType: 'Parameter', ResourceId: id, Tags }))
    return id
  }
  const event = (id: string, at: Date) => ({
    store: 'parameter-store',
    id,
    token: randomUUID(),
    at: at.toISOString(),
  })
  const later = () => new Date(Date.now() + 60_000)

  test('a parameter that Keyturn may use, unchanged since: starts, once, though the event comes twice', async () => {
    const input = event(await parameter({ 'keyturn:managed': 'true' }), later())
    const before = executions().length
    const { at: _, ...rest } = input
    expect(await startRotation(input)).toEqual({ ...rest, outcome: 'started' })
    await embedded.stepFunctions.executions.get(input.token)?.ended
    await startRotation(input)
    expect(executions()).toHaveLength(before + 1)
  })

  test.each([
    ['that Keyturn may not use', {}, later, 'it lacks the tag keyturn:managed=true'],
    ['that is marked otherwise', { 'keyturn:managed': 'no' }, later, 'it lacks the tag keyturn:managed=true'],
    [
      'that has changed since',
      { 'keyturn:managed': 'true' },
      () => new Date(Date.now() - 60_000),
      'it has changed since then',
    ],
  ])('a parameter %s: left alone', async (_, tags, at, reason) => {
    const before = executions()
    const id = await parameter(tags as Record<string, string>)
    expect(await startRotation(event(id, at()))).toMatchObject({ id, outcome: 'skipped', reason })
    expect(executions()).toEqual(before)
  })

  test('a parameter that is gone: left alone', async () => {
    expect(await startRotation(event('/shop/gone', later()))).toMatchObject({
      outcome: 'skipped',
      reason: 'there is no such parameter any more',
    })
  })
})

describe('awaitRotation', () => {
  test('waits until it has succeeded; its grace time is not waited for', async () => {
    const admin = await embedded.users.makeAdmin('owner')
    const tags = { 'keyturn:grace': '1h' }
    const input = rotation(await embedded.users.enrol('patient', { admin, tags }))
    let over = () => {}
    embedded.stepFunctions.tasks.RetireSecret = () => new Promise<void>(resolve => (over = resolve))
    await startRotation(input)
    const { token: _, ...rest } = input
    expect(await awaitRotation(input)).toEqual({ ...rest, outcome: 'rotated' })
    expect(embedded.stepFunctions.executions.get(input.token)?.result).toBeUndefined()
    over()
  })

  test('tells what it failed with, in a line of 200 characters at most', async () => {
    const tags = { 'keyturn:test-query': `TABLE ${'absent'.repeat(30)}` }
    const input = rotation(await embedded.users.enrol('failing', { tags }))
    await startRotation(input)
    const result = (await awaitRotation(input)) as { reason: string }
    expect(result).toMatchObject({
      store: input.store,
      id: input.id,
      outcome: 'failed',
      error: 'TestFailed',
      reason: expect.stringMatching(/^testSecret: the test query failed/),
    })
    expect(result.reason.length).toBeLessThanOrEqual(200)
  })

  test('tells if the rollback failed too, whatever its error', async () => {
    const input = rotation(
      await embedded.users.enrol('lost', { tags: { 'keyturn:test-query': 'TABLE absent' } }),
    )
    const { tasks } = embedded.stepFunctions
    const rollback = tasks.RollbackSecret as Task
    tasks.RollbackSecret = () => {
      throw Object.assign(new Error('no answer'), { name: 'NotPermitted' })
    }
    await startRotation(input)
    expect(await awaitRotation(input)).toMatchObject({
      outcome: 'failed',
      error: 'NotPermitted',
      critical: true,
    })
    tasks.RollbackSecret = rollback
  })

  test('one that still runs is RotationInProgress, so that the state machine asks again', async () => {
    const input = rotation(await embedded.users.enrol('slow'))
    let over = () => {}
    embedded.stepFunctions.tasks.SetSecret = () => new Promise<void>(resolve => (over = resolve))
    await startRotation(input)
    const { handler } = await import('../../functions/awaitRotation.ts')
    const context = { functionName: 'awaitRotation', getRemainingTimeInMillis: () => 45_000 }
    const error = await failure(handler(input, context as never))
    expect(error.name).toBe('RotationInProgress')
    over()
  })
})

describe('reportRotations', () => {
  const result = (id: string, outcome: string, error?: string, reason?: string) => ({
    store: 'parameter-store',
    id,
    outcome,
    ...(error && { error, reason }),
  })

  test('counts, and puts together what failed with the same error', async () => {
    const results = [
      result('/a', 'rotated'),
      result('/b', 'skipped'),
      result('/c', 'failed', 'Unreachable', 'setSecret: no answer from db'),
      result('/d', 'failed', 'TestFailed', 'testSecret: no'),
      result('/e', 'failed', 'Unreachable', 'setSecret: another'),
    ]
    expect(await reportRotations({ host: 'db:5432', results })).toEqual({
      host: 'db:5432',
      rotated: 1,
      failed: 3,
      skipped: 1,
      severity: 'error',
      tell: true,
      failures: [
        {
          error: 'Unreachable',
          reason: 'setSecret: no answer from db',
          count: 2,
          names: ['parameter-store /c', 'parameter-store /e'],
        },
        { error: 'TestFailed', reason: 'testSecret: no', count: 1, names: ['parameter-store /d'] },
      ],
    })
  })

  test('names fifty of a kind, and counts all', async () => {
    const results = Array.from({ length: 120 }, (_, n) => result(`/${n}`, 'failed', 'Unreachable', 'no'))
    const { failures } = (await reportRotations({ host: '', results })) as {
      failures: { count: number; names: string[] }[]
    }
    expect(failures).toMatchObject([{ count: 120 }])
    expect(failures[0]?.names).toHaveLength(50)
  })

  test('one failure that its execution told is not worth telling again; one that nobody told is', async () => {
    const told = result('/a', 'failed', 'TestFailed', 'testSecret: no')
    for (const [results, tell] of [
      [[told], false],
      [[told, told], true],
      [[{ ...told, untold: true }], true],
      [[result('/b', 'rotated')], false],
    ] as const)
      expect(await reportRotations({ host: 'db', results })).toMatchObject({ tell })
  })

  test('a lockout is told by its own execution, as loudly as is due: it does not make the report critical', async () => {
    const lockout = { ...result('/a', 'failed', 'LockedOut', 'rollbackSecret: no'), critical: true }
    const other = { ...result('/b', 'failed', 'Unreachable', 'rollbackSecret: no'), critical: true }
    const severityOf = async (results: object[]) =>
      ((await reportRotations({ host: 'db', results })) as { severity: string }).severity
    expect(await severityOf([lockout, lockout])).toBe('error')
    expect(await severityOf([lockout, other])).toBe('critical')
  })

  test('a rollback that failed is critical', async () => {
    const results = [
      result('/a', 'failed', 'TestFailed', 'testSecret: no'),
      result('/b', 'failed', 'States.Timeout', ''),
    ]
    expect(await reportRotations({ host: 'db', results })).toMatchObject({ severity: 'error' })
    const lost = results.map(failed => ({ ...failed, critical: true }))
    expect(await reportRotations({ host: 'db', results: lost })).toMatchObject({ severity: 'critical' })
  })
})
