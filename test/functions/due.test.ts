import { randomUUID } from 'node:crypto'
import {
  AddTagsToResourceCommand,
  LabelParameterVersionCommand,
  PutParameterCommand,
  SSMClient,
} from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Embedded, loadHandler, startEmbedded } from '../../local/embedded/embedded.ts'
import type { Task } from '../../local/embedded/stateMachine.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { type Moto, startMoto } from '../support/moto.ts'
import { captureOutput, rejectionOf } from '../support/observe.ts'

const bin = await pythonBin()
let embedded: Embedded
let startRotation: Task
let awaitRotation: Task
let reportRotations: Task

beforeAll(async () => {
  embedded = await startEmbedded()
  startRotation = await loadHandler('startRotation')
  awaitRotation = await loadHandler('awaitRotation')
  reportRotations = await loadHandler('reportRotations')
})
afterAll(() => embedded?.stop())
beforeEach(() => void captureOutput())

const rotation = (id: string, token = randomUUID()) => ({ store: 'secrets-manager', id, token })
const executions = () => [...embedded.stepFunctions.rotateExecutions.keys()]

describe('startRotation', () => {
  test('starts an execution named by the token, with the group in its input', async () => {
    const input = { ...rotation(await embedded.users.enrol('started')), group: 'run-1 db:5432' }
    expect(await startRotation(input)).toEqual({ ...input, outcome: 'started' })
    const execution = embedded.stepFunctions.rotateExecutions.get(input.token)
    expect(JSON.parse(execution?.input ?? '')).toEqual(input)
    expect((await execution?.ended)?.output).toMatchObject({ group: 'run-1 db:5432', token: input.token })
  })

  test('returns the same execution if called again, during it and afterwards', async () => {
    const input = { ...rotation(await embedded.users.enrol('again')), group: 'run-1' }
    const before = executions().length
    await startRotation(input)
    expect(await startRotation(input)).toMatchObject({ outcome: 'started' })
    await embedded.stepFunctions.rotateExecutions.get(input.token)?.ended
    expect(await startRotation(input)).toMatchObject({ outcome: 'started' })
    expect(executions()).toHaveLength(before + 1)
  })

  test('skips a token that another run has tried', async () => {
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
    await embedded.stepFunctions.rotateExecutions.get(input.token)?.ended
    expect(await startRotation(later)).toEqual(skipped)
    expect(executions()).toHaveLength(before + 1)
  })

  test('parks a credential whose server did not answer another one', async () => {
    const input = rotation(await embedded.users.enrol('parked'))
    const before = executions()
    const failing = rotation(await embedded.users.enrol('probe'))
    embedded.stepFunctions.tasks.TestSecret = () => {
      throw Object.assign(new Error('testSecret: no answer from db'), { name: 'Unreachable' })
    }
    const server = { server: '0123456789abcdef-1', group: 'run-1 db' }
    await startRotation({ ...failing, ...server })
    expect(await awaitRotation({ ...failing, ...server })).toMatchObject({ error: 'Unreachable' })
    embedded.stepFunctions.tasks.TestSecret = embedded.tasks.TestSecret as Task
    expect(await startRotation({ ...input, ...server })).toEqual({
      ...input,
      group: 'run-1 db',
      outcome: 'parked',
      reason: 'its server does not answer',
    })
    expect(executions()).toEqual([...before, failing.token])
    // This does not apply without a server, nor to what another execution found.
    for (const other of [null, '0123456789abcdef-2']) {
      const free = rotation(await embedded.users.enrol(`free ${other}`))
      expect(await startRotation({ ...free, server: other })).toMatchObject({ outcome: 'started' })
      await embedded.stepFunctions.rotateExecutions.get(free.token)?.ended
    }
  })

  test('begins if only a service of AWS did not answer', async () => {
    const failing = rotation(await embedded.users.enrol('away'))
    embedded.stepFunctions.tasks.TestSecret = () => {
      const message =
        'testSecret: in the rehearsal, before anything was changed: Secrets Manager: ECONNREFUSED'
      throw Object.assign(new Error(message), { name: 'Unreachable' })
    }
    const server = { server: '0123456789abcdef-3', group: 'run-1 db' }
    await startRotation({ ...failing, ...server })
    expect(await awaitRotation({ ...failing, ...server })).toMatchObject({ error: 'Unreachable' })
    embedded.stepFunctions.tasks.TestSecret = embedded.tasks.TestSecret as Task
    const input = rotation(await embedded.users.enrol('beside'))
    expect(await startRotation({ ...input, ...server })).toMatchObject({ outcome: 'started' })
    await embedded.stepFunctions.rotateExecutions.get(input.token)?.ended
  })

  test('does not begin if the window has closed meanwhile', async () => {
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
    await embedded.stepFunctions.rotateExecutions.get(input.token)?.ended
  })

  test.each([
    ['store', { store: 'vault' }],
    ['id', { id: '' }],
    ['token', { token: 'short' }],
    ['at', { at: 'yesterday' }],
    ['until', { until: 'tomorrow' }],
  ])('throws InvalidInput for a wrong %s, and starts nothing', async (field, change) => {
    const before = executions()
    const error = await rejectionOf(Promise.resolve(startRotation({ ...rotation('app'), ...change })))
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

  const managed = { 'keyturn:managed': 'true' }
  const start = async (event: object) =>
    (await startRotation(event)) as { token: string; outcome: string; reason?: string }
  const ended = (token: string) => embedded.stepFunctions.rotateExecutions.get(token)?.ended

  test('starts a rotation with a token of the version and with the event, if the parameter is unchanged', async () => {
    const input = event(await parameter(managed), later())
    const before = executions().length
    const { store, id, token: eventId } = input
    const { token, ...started } = await start(input)
    expect(started).toEqual({ store, id, event: eventId, outcome: 'started' })
    expect(token).not.toBe(eventId)
    expect(JSON.parse(embedded.stepFunctions.rotateExecutions.get(token)?.input ?? '')).toEqual({
      store,
      id,
      token,
      event: eventId,
    })
    await ended(token)
    expect(await start(input)).toMatchObject({
      outcome: 'skipped',
      reason: 'a rotation of this version was tried already',
    })
    expect(executions()).toHaveLength(before + 1)
  })

  test('starts one rotation for two policies that fire together, whatever its result', async () => {
    const id = await parameter(managed)
    const before = executions().length
    const at = later()
    const both = await Promise.all([start(event(id, at)), start(event(id, at))])
    expect(both.map(({ outcome }) => outcome).toSorted()).toEqual(['skipped', 'started'])
    expect(both.find(({ reason }) => reason)?.reason).toMatch(/tried already|still runs/)
    const token = both.find(({ outcome }) => outcome === 'started')?.token ?? ''
    expect((await ended(token))?.failure?.error).toBe('InvalidCredential')
    const soon = new Date(Date.now() + 3_500_000)
    expect(await start(event(id, soon))).toMatchObject({ outcome: 'skipped' })
    expect(executions()).toHaveLength(before + 1)
  })

  test('starts one further attempt if another policy fires more than an hour after a failure', async () => {
    const id = await parameter(managed)
    const { token } = await start(event(id, later()))
    await ended(token)
    const muchLater = event(id, new Date(Date.now() + 3_660_000))
    expect(await start(muchLater)).toMatchObject({ token, outcome: 'started', event: muchLater.token })
    expect(executions().slice(-2)).toEqual([token, `${token}-2`])
    await ended(`${token}-2`)
  })

  describe('starts nothing while a rotation of the parameter runs, also in its grace time', () => {
    const running = () => embedded.stepFunctions.foreignRunning
    const made = async (id: string, ...tokens: string[]) => {
      for (const token of tokens) {
        await ssm.send(new PutParameterCommand({ Name: id, Value: token, Overwrite: true }))
        const Labels = [`token-${token}`]
        await ssm.send(new LabelParameterVersionCommand({ Name: id, Labels }))
      }
    }
    const put = (Name: string, Value: string) =>
      ssm.send(new PutParameterCommand({ Name, Value, Type: 'String' }))

    test.each([
      ['it is pending', 'lock'],
      ['it made the newest version', 'newest'],
      ['it made the one before', 'before'],
    ])('%s', async (_, where) => {
      const [id, token, other] = [await parameter(managed), randomUUID(), randomUUID()]
      if (where === 'lock') await put(`/keyturn/pending${id}/lock`, token)
      if (where === 'newest') await made(id, other, token)
      if (where === 'before') await made(id, token, other)
      const before = executions()
      running().add(token)
      expect(await start(event(id, later()))).toMatchObject({
        id,
        outcome: 'skipped',
        reason: `its rotation ${token} still runs, be it in its grace time`,
      })
      expect(executions()).toEqual(before)
      running().delete(token)
    })

    test('starts the next rotation after the end of one, although its lock is still there', async () => {
      const [id, token] = [await parameter(managed), randomUUID()]
      await put(`/keyturn/pending${id}/lock`, token)
      const started = await start(event(id, later()))
      expect(started.outcome).toBe('started')
      await ended(started.token)
    })
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
  ])('starts nothing for a parameter %s', async (_, tags, at, reason) => {
    const before = executions()
    const id = await parameter(tags as Record<string, string>)
    expect(await startRotation(event(id, at()))).toMatchObject({ id, outcome: 'skipped', reason })
    expect(executions()).toEqual(before)
  })

  test('starts nothing for a parameter that no longer exists', async () => {
    expect(await startRotation(event('/shop/gone', later()))).toMatchObject({
      outcome: 'skipped',
      reason: 'there is no such parameter any more',
    })
  })
})

describe('awaitRotation', () => {
  test('waits for the success, and not for the grace time', async () => {
    const admin = await embedded.users.makeAdmin('owner')
    const tags = { 'keyturn:grace': '1h' }
    const input = rotation(await embedded.users.enrol('patient', { admin, tags }))
    let over = () => {}
    embedded.stepFunctions.tasks.RetireSecret = () => new Promise<void>(resolve => (over = resolve))
    await startRotation(input)
    const { token: _, ...rest } = input
    expect(await awaitRotation(input)).toEqual({ ...rest, outcome: 'rotated' })
    expect(embedded.stepFunctions.rotateExecutions.get(input.token)?.result).toBeUndefined()
    over()
  })

  test('returns the error, in a line of at most 200 characters', async () => {
    const tags = { 'keyturn:test-query': `TABLE ${'absent'.repeat(30)}` }
    const input = rotation(await embedded.users.enrol('failing', { tags }))
    await startRotation(input)
    const result = (await awaitRotation(input)) as { reason: string }
    expect(result).toMatchObject({
      store: input.store,
      id: input.id,
      outcome: 'failed',
      error: 'TestFailed',
      reason: expect.stringMatching(/^testSecret: in the rehearsal, .* the test query failed/),
    })
    expect(result.reason.length).toBeLessThanOrEqual(200)
  })

  test('says if the rollback failed too, with any error', async () => {
    const input = rotation(await embedded.users.enrol('lost', { failsOnceChanged: true }))
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

  test('throws RotationInProgress for a running one, so that the state machine asks again', async () => {
    const input = rotation(await embedded.users.enrol('slow'))
    let over = () => {}
    embedded.stepFunctions.tasks.SetSecret = () => new Promise<void>(resolve => (over = resolve))
    await startRotation(input)
    const { handler } = await import('../../functions/awaitRotation.ts')
    const context = { functionName: 'awaitRotation', getRemainingTimeInMillis: () => 45_000 }
    const error = await rejectionOf(handler(input, context as never))
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

  test('counts, and groups failures by their error', async () => {
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
      parked: 0,
      severity: 'error',
      tell: true,
      failures: [
        {
          severity: 'error',
          error: 'Unreachable',
          reason: 'setSecret: no answer from db',
          count: 2,
          names: ['parameter-store /c', 'parameter-store /e'],
        },
        {
          severity: 'error',
          error: 'TestFailed',
          reason: 'testSecret: no',
          count: 1,
          names: ['parameter-store /d'],
        },
      ],
    })
  })

  test('has failed rollbacks first, in a group of their own', async () => {
    const results = [
      result('/a', 'failed', 'Unreachable', 'setSecret: no'),
      { ...result('/b', 'failed', 'Unreachable', 'rollbackSecret: no'), critical: true },
      { ...result('/c', 'failed', 'LockedOut', 'rollbackSecret: none'), critical: true },
    ]
    expect(await reportRotations({ host: '', results })).toMatchObject({
      failures: [
        { severity: 'critical', error: 'Unreachable', names: ['parameter-store /b'] },
        { severity: 'critical', error: 'LockedOut', names: ['parameter-store /c'] },
        { severity: 'error', error: 'Unreachable', names: ['parameter-store /a'] },
      ],
    })
  })

  test('names fifty of a group, and counts all', async () => {
    const results = Array.from({ length: 120 }, (_, n) => result(`/${n}`, 'failed', 'Unreachable', 'no'))
    const { failures } = (await reportRotations({ host: '', results })) as {
      failures: { count: number; names: string[] }[]
    }
    expect(failures).toMatchObject([{ count: 120 }])
    expect(failures[0]?.names).toHaveLength(50)
  })

  test('announces a single failure only if its execution has not', async () => {
    const told = result('/a', 'failed', 'TestFailed', 'testSecret: no')
    for (const [results, tell] of [
      [[told], false],
      [[told, told], true],
      [[{ ...told, untold: true }], true],
      [[result('/b', 'rotated')], false],
    ] as const)
      expect(await reportRotations({ host: 'db', results })).toMatchObject({ tell })
  })

  describe('a server that does not answer', () => {
    const down = [
      result('/a', 'failed', 'Unreachable', 'setSecret: no answer from db'),
      result('/b', 'parked', undefined, undefined),
      result('/c', 'parked', undefined, undefined),
    ]
    const report = async (results: object[], outage = false) =>
      (await reportRotations({ host: 'db', outage, results })) as { tell: boolean; failures: object[] }

    test('names the parked rotations beside the one failure', async () => {
      expect(await report(down)).toMatchObject({
        failed: 1,
        parked: 2,
        tell: true,
        failures: [
          { error: 'Unreachable', count: 1 },
          { error: 'Parked', count: 2, names: ['parameter-store /b', 'parameter-store /c'] },
        ],
      })
    })

    test('is announced once in an outage, and another error is announced too', async () => {
      expect(await report(down, true)).toMatchObject({ tell: false })
      expect(await report(down.slice(0, 1), true)).toMatchObject({ tell: false })
      const other = result('/a', 'failed', 'TestFailed', 'testSecret: no')
      expect(await report([other], true)).toMatchObject({ tell: true })
    })
  })

  test('a lockout, which its own execution announces, does not make the report critical', async () => {
    const lockout = { ...result('/a', 'failed', 'LockedOut', 'rollbackSecret: no'), critical: true }
    const other = { ...result('/b', 'failed', 'Unreachable', 'rollbackSecret: no'), critical: true }
    const severityOf = async (results: object[]) =>
      ((await reportRotations({ host: 'db', results })) as { severity: string }).severity
    expect(await severityOf([lockout, lockout])).toBe('error')
    expect(await severityOf([lockout, other])).toBe('critical')
  })

  test('a failed rollback makes the report critical', async () => {
    const results = [
      result('/a', 'failed', 'TestFailed', 'testSecret: no'),
      result('/b', 'failed', 'States.Timeout', ''),
    ]
    expect(await reportRotations({ host: 'db', results })).toMatchObject({ severity: 'error' })
    const lost = results.map(failed => ({ ...failed, critical: true }))
    expect(await reportRotations({ host: 'db', results: lost })).toMatchObject({ severity: 'critical' })
  })
})
