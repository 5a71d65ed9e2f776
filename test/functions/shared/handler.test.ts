import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { captureOutput } from '../../support/observe.ts'

const project = join(import.meta.dirname, '../../..')
/** Every Lambda function is a file right in functions/. */
const names = globSync('functions/*.ts', { cwd: project }).map(path => basename(path, '.ts'))

// The environment that Lambda sets. The functions read it when they are loaded, below.
const arn = 'arn:aws:states:eu-west-1:123456789012'
Object.assign(process.env, {
  AWS_REGION: 'eu-west-1',
  AWS_ACCESS_KEY_ID: 'none',
  AWS_SECRET_ACCESS_KEY: 'none',
  KEYTURN_EXECUTIONS: `${arn}:execution:keyturn-test-rotate`,
  KEYTURN_RUNS: `${arn}:stateMachine:keyturn-test-rotate-due`,
  KEYTURN_ROTATION_FUNCTION: 'arn:aws:lambda:eu-west-1:123456789012:function:keyturn-test-rotateSecret',
  KEYTURN_MAX_ROTATIONS: '20',
  KEYTURN_MAX_ROTATIONS_PER_HOST: '5',
  KEYTURN_ALARM_TOPIC: 'arn:aws:sns:eu-west-1:123456789012:alarms',
  KEYTURN_ALARM_TABLE: 'alarms',
  KEYTURN_RUNBOOK: 'docs/runbook.md',
  KEYTURN_STAGE: 'prod',
  KEYTURN_WEBHOOK_PARAMETER: '',
  KEYTURN_RECORD_TABLE: 'rotations',
})

type Handler = (event: unknown, context: object) => Promise<unknown>
/** The functions that were made by makeHandler, in this order. */
const doors = vi.hoisted((): { name: string; parse: (event: unknown) => unknown; handler: unknown }[] => [])
vi.mock('../../../functions/shared/handler.ts', async load => {
  const door = await load<typeof import('../../../functions/shared/handler.ts')>()
  const functionHandler: typeof door.functionHandler = (name, parse, ...rest) => {
    const handler = door.functionHandler(name, parse, ...rest)
    doors.push({ name, parse, handler })
    return handler
  }
  return { ...door, functionHandler }
})

/** The exports of a function's file, and the arguments of its makeHandler. */
async function loaded(name: string): Promise<{ handler: Handler; parse(event: unknown): unknown }> {
  const { handler } = await import(`../../../functions/${name}.ts`)
  const own = doors.filter(door => door.handler === handler)
  expect(own.map(({ name }) => name)).toEqual([name])
  return { handler, parse: own[0]?.parse ?? expect.fail() }
}

beforeEach(() => {
  captureOutput()
})
afterEach(() => {
  vi.restoreAllMocks()
})

test('the folder has functions', () => {
  expect(names).toContain('rotateSecret')
  expect(names).toContain('raiseAlarm')
})

/** Inputs that are no event. */
const garbage = [undefined, null, '', 'a text', 7, true, [], [null], { Records: null }, { Records: [{}] }]

describe.each(names)('%s', name => {
  test('is made by makeHandler, with the name of its file', async () => {
    await loaded(name)
  })

  test('refuses an input that is no event with InvalidInput, except raiseAlarm', async () => {
    const { handler, parse } = await loaded(name)
    for (const event of garbage)
      if (name === 'raiseAlarm') expect(parse(event)).toMatchObject({ items: expect.any(Array) })
      else
        await expect(handler(event, { awsRequestId: 'request-1' })).rejects.toMatchObject({
          name: 'InvalidInput',
          message: expect.stringMatching(`^${name}: `),
        })
  })
})

test('no other file uses a logger, a middleware or the console', () => {
  const files = globSync('functions/**/*.ts', { cwd: project })
  const using = (what: RegExp) =>
    files.filter(path => what.test(readFileSync(join(project, path), 'utf8'))).sort()
  expect(using(/@middy|powertools\/logger\/middleware/)).toEqual(['functions/shared/handler.ts'])
  expect(using(/powertools\/logger'/)).toEqual(['functions/shared/logger.ts'])
  expect(using(/new Logger\(/)).toEqual(['functions/shared/logger.ts'])
  expect(using(/\bconsole\.\w+\(|process\.std(out|err)\b/)).toEqual([])
})

test('a function that takes too long is ended by Lambda, with an error that is retried, and not before', async () => {
  const { functionHandler } = await import('../../../functions/shared/handler.ts')
  const handler = functionHandler(
    'one',
    event => event,
    () => ({}),
    () => setTimeout(50, 'done'),
  )
  const context = { awsRequestId: 'request-1', getRemainingTimeInMillis: () => 10 }
  expect(await (handler as Handler)({}, context)).toBe('done')
})

describe('an error that leaves', () => {
  const thrown = Object.assign(new Error('Quoted-1'), { name: 'TooEarly' })
  const run = async () => {
    throw thrown
  }
  const call = async (leaving?: (error: unknown) => Error) => {
    const { functionHandler } = await import('../../../functions/shared/handler.ts')
    const handler = functionHandler(
      'one',
      event => event,
      () => ({}),
      run,
      leaving,
    )
    return (handler as Handler)({}, { awsRequestId: 'request-1' })
  }

  test('is a RotationError', async () => {
    await expect(call()).rejects.toMatchObject({ name: 'Unexpected', message: 'one: an unexpected TooEarly' })
  })

  test('is the one that was thrown, if the function’s options say so', async () => {
    const { unchangedError } = await import('../../../functions/shared/handler.ts')
    await expect(call(unchangedError)).rejects.toBe(thrown)
    expect(thrown).toMatchObject({ name: 'TooEarly', message: 'Quoted-1' })
  })
})
