import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { captureOutput } from '../../support/observe.ts'

const project = join(import.meta.dirname, '../../..')
/** Every Lambda function is a file right in functions/. */
const names = globSync('functions/*.ts', { cwd: project }).map(path => basename(path, '.ts'))

// What Lambda sets for them. They read it as they load, which is later.
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
/** Who came in by the door, in this order. */
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

/** What the file of a function exports, and how it came in by the door. */
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

test('there are functions', () => {
  expect(names).toContain('rotateSecret')
  expect(names).toContain('raiseAlarm')
})

/** Of another kind than any event. */
const garbage = [undefined, null, '', 'a text', 7, true, [], [null], { Records: null }, { Records: [{}] }]

describe.each(names)('%s', name => {
  test('has come in by the one door, as its file is called', async () => {
    await loaded(name)
  })

  test('refuses what is no event by a name that says so; raiseAlarm refuses nothing', async () => {
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

test('nobody else has a logger, a middleware or the console', () => {
  const files = globSync('functions/**/*.ts', { cwd: project })
  const using = (what: RegExp) =>
    files.filter(path => what.test(readFileSync(join(project, path), 'utf8'))).sort()
  expect(using(/@middy|powertools\/logger\/middleware/)).toEqual(['functions/shared/handler.ts'])
  expect(using(/powertools\/logger'/)).toEqual(['functions/shared/logger.ts'])
  expect(using(/new Logger\(/)).toEqual(['functions/shared/logger.ts'])
  expect(using(/\bconsole\.\w+\(|process\.std(out|err)\b/)).toEqual([])
})

test('who takes longer than the function may is ended by Lambda, by a name that is retried, and by nobody before', async () => {
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

  test('is one of ours', async () => {
    await expect(call()).rejects.toMatchObject({ name: 'Unexpected', message: 'one: an unexpected TooEarly' })
  })

  test('is as it was thrown, where a function says so', async () => {
    const { unchangedError } = await import('../../../functions/shared/handler.ts')
    await expect(call(unchangedError)).rejects.toBe(thrown)
    expect(thrown).toMatchObject({ name: 'TooEarly', message: 'Quoted-1' })
  })
})
