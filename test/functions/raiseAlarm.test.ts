import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { CreateTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns'
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs'
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { readAlarm, textOf } from '../../functions/alarm/alarm.ts'
import { AlarmClaimed, Ledger, lease } from '../../functions/alarm/ledger.ts'
import { postWebhook, WebhookFailed } from '../../functions/alarm/webhook.ts'
import type { Outlets } from '../../functions/raiseAlarm.ts'
import { pythonBin } from '../../local/python.ts'
import { LockedOut } from '../../rotation/errors.ts'
import {
  abandoned,
  announced,
  execution,
  late,
  lockedOut,
  managed,
  report,
  runFailed,
  secretArn,
  statusChange,
  thrown,
} from '../failures.ts'
import { startMoto } from '../moto.ts'

const bin = await pythonBin()
const moto = bin ? await startMoto(bin) : undefined

/** Every service that the webhook may be: answers with `answer`, or not at all. */
let answer: number | undefined = 202
let posted: { path: string; type: string | undefined; body: unknown }[] = []
const chat = createServer(async (incoming, outgoing) => {
  const body = JSON.parse(Buffer.concat(await incoming.toArray()).toString())
  posted.push({ path: incoming.url ?? '', type: incoming.headers['content-type'], body })
  if (answer) outgoing.writeHead(answer, { location: 'https://elsewhere.example/' }).end('no_service')
})
chat.listen(0, '127.0.0.1')
await once(chat, 'listening')
const local = `http://127.0.0.1:${(chat.address() as AddressInfo).port}`
const realFetch = fetch
/** fetch, to the server above, whatever the host. */
const send: typeof fetch = (url, options) => {
  const { pathname, search, hash } = new URL(String(url))
  return realFetch(`${local}${pathname}${search}${hash}`, options)
}

// What Lambda sets for the function. The module reads it as it loads, so it is loaded after it.
Object.assign(process.env, {
  AWS_REGION: 'eu-west-1',
  AWS_ACCESS_KEY_ID: 'local',
  AWS_SECRET_ACCESS_KEY: 'local',
  AWS_MAX_ATTEMPTS: '1',
  AWS_ENDPOINT_URL: moto?.url ?? local,
  KEYTURN_ALARM_TOPIC: 'arn:aws:sns:eu-west-1:123456789012:alarms',
  KEYTURN_ALARM_TABLE: 'alarms',
  KEYTURN_RUNBOOK: 'https://wiki.example/runbook',
  KEYTURN_WEBHOOK_PARAMETER: '/keyturn/webhook',
})
const { handler, tell } = await import('../../functions/raiseAlarm.ts')

afterAll(async () => {
  chat.close()
  chat.closeAllConnections()
  await moto?.stop()
})

const runbook = 'docs/runbook.md'
const read = (event: unknown) => readAlarm(event, runbook)
const console_ = `https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/${execution}`
const name = execution.split(':').at(-1) ?? ''

describe('what is told of', () => {
  test.each([
    [
      'a rotation that was rolled back',
      announced,
      'ERROR TestFailed: rotation of shop/database failed',
      [`execution ${name}`, 'secret shop/database'],
      `The rotation failed; the application is unharmed.

Secret:      shop/database
Step:        testSecret
Error:       TestFailed
Cause:       testSecret: the test query failed: 42501 as shop on db.example.com
Rollback:    restored
Severity:    error
Account:     123456789012 eu-west-1
Time:        2026-11-21T10:00:00Z
Execution:   ${execution}
Event:       keyturn, Credential Rotation Failed, event-1
What to do:  docs/runbook.md#testfailed
Console:     ${console_}
`,
    ],
    [
      'a lockout',
      lockedOut,
      'CRITICAL LockedOut: rotation of shop/database failed',
      [`execution ${name} critical`, `execution ${name}`, 'secret shop/database'],
      `The rotation failed, and so did its rollback: the application may be locked out.

Secret:      shop/database
Step:        rollbackSecret
Error:       LockedOut
Cause:       rollbackSecret: shop on db.example.com
Rollback:    failed
First error: TestFailed, testSecret: the test query failed: 42501 as shop on db.example.com
Severity:    critical
Account:     123456789012 eu-west-1
Time:        2026-11-21T10:00:00Z
Execution:   ${execution}
Event:       keyturn, Credential Rotation Failed, event-2
What to do:  docs/runbook.md#lockedout
Console:     ${console_}
`,
    ],
    [
      'a lockout that was there before',
      {
        ...lockedOut,
        detail: {
          ...lockedOut.detail,
          rotation: {
            ...lockedOut.detail.rotation,
            lockout: thrown(
              'LockedOut',
              new LockedOut('rollbackSecret: shop on db.example.com', 'no stored version logs in').message,
            ),
          },
        },
      },
      'CRITICAL LockedOut: rotation of shop/database failed',
      [`execution ${name} critical`, `execution ${name}`, 'secret shop/database'],
      `Current did not log in before this rotation began, and still does not; the rotation changed nothing.

Secret:      shop/database
Step:        rollbackSecret
Error:       LockedOut
Cause:       rollbackSecret: shop on db.example.com: ${LockedOut.BEFORE}; no stored version logs in
Rollback:    failed
First error: TestFailed, testSecret: the test query failed: 42501 as shop on db.example.com
Severity:    critical
Account:     123456789012 eu-west-1
Time:        2026-11-21T10:00:00Z
Execution:   ${execution}
Event:       keyturn, Credential Rotation Failed, event-2
What to do:  docs/runbook.md#lockedout
Console:     ${console_}
`,
    ],
    [
      'an execution that failed',
      statusChange('FAILED', 'TestFailed', 'testSecret: the two users are not equal'),
      'ERROR TestFailed: rotation of shop/database failed',
      [`execution ${name}`, 'secret shop/database'],
      `The execution of a rotation failed.

Secret:      shop/database
Step:        testSecret
Error:       TestFailed
Cause:       testSecret: the two users are not equal
Severity:    error
Account:     123456789012 eu-west-1
Time:        2026-11-21T10:00:01Z
Execution:   ${execution}
Event:       aws.states, Step Functions Execution Status Change, event-3
What to do:  docs/runbook.md#testfailed
Console:     ${console_}
`,
    ],
    [
      'an execution that somebody stopped',
      statusChange('ABORTED'),
      'CRITICAL ABORTED: rotation of shop/database failed',
      [`execution ${name} critical`, `execution ${name}`, 'secret shop/database'],
      `A rotation was stopped midway and not rolled back: the application may be locked out.

Secret:      shop/database
Error:       ABORTED
Severity:    critical
Account:     123456789012 eu-west-1
Time:        2026-11-21T10:00:01Z
Execution:   ${execution}
Event:       aws.states, Step Functions Execution Status Change, event-3
What to do:  docs/runbook.md#execution-failed
Console:     ${console_}
`,
    ],
    [
      'a rotation that Secrets Manager ran',
      managed,
      'ERROR RotationFailed: rotation of shop/database failed',
      ['secret shop/database'],
      `Secrets Manager could not rotate a secret.

Secret:      ${secretArn}
Step:        createSecret
Error:       RotationFailed
Cause:       ${managed.detail.errorMessage}
Severity:    error
Account:     123456789012 eu-west-1
Time:        2026-11-21T10:00:20Z
Event:       aws.secretsmanager, AWS Service Event via CloudTrail, event-4
What to do:  docs/runbook.md#managed-rotation-failed
`,
    ],
    [
      'a rotation that a version made by hand ended, in the other shape',
      abandoned,
      'ERROR RotationAbandoned: rotation of shop/database failed',
      ['secret shop/database'],
      `A version made by hand ended a rotation of Secrets Manager.

Secret:      ${secretArn}
Error:       RotationAbandoned
Severity:    error
Account:     123456789012 eu-west-1
Time:        2026-11-21T10:00:20Z
Event:       aws.secretsmanager, AWS Service Event via CloudTrail, event-5
What to do:  docs/runbook.md#managed-rotation-failed
`,
    ],
    [
      'an event of a kind that is not known',
      { id: 'event-6', source: 'somebody', 'detail-type': 'Something', detail: { password: 'Hidden-1' } },
      'ERROR: rotation of a secret failed',
      ['event event-6'],
      `One of the alarm rules matched an event that Keyturn cannot read.

Severity:    error
Event:       somebody, Something, event-6
What to do:  docs/runbook.md#execution-failed
`,
    ],
  ])('%s', (_, event, subject, keys, text) => {
    const alarm = read(event)
    expect(alarm.subject).toBe(subject)
    expect(alarm.keys).toEqual(keys)
    expect(textOf(alarm)).toBe(text)
  })

  test.each([
    ['FAILED', 'LockedOut', 'rollbackSecret: no value logs in', 'critical', 'lockedout'],
    ['FAILED', 'Unreachable', 'rollbackSecret: no answer', 'critical', 'lockedout'],
    ['FAILED', 'Unreachable', 'retireSecret: no answer', 'error', 'retiresecret-failed'],
    ['FAILED', 'StepFunctions.SdkClientException', 'no answer', 'error', 'retiresecret-failed'],
    ['FAILED', 'EventBridge.FailedEntry', 'no such bus', 'error', 'announcesuccess-failed'],
    ['FAILED', 'States.Timeout', 'something', 'error', 'execution-failed'],
    ['FAILED', undefined, undefined, 'error', 'execution-failed'],
    ['TIMED_OUT', undefined, undefined, 'critical', 'execution-failed'],
  ])('an execution that is %s with %s, %s: %s, see %s', (status, error, message, severity, anchor) => {
    const alarm = read(statusChange(status, error, message))
    expect(alarm).toMatchObject({ severity, runbook: `${runbook}#${anchor}` })
  })

  test.each([
    undefined,
    null,
    7,
    'text',
    [],
    {},
    { detail: null },
    { 'detail-type': 'constructor', detail: {} },
    { 'detail-type': 'Credential Rotation Failed' },
    { 'detail-type': 'Credential Rotation Failed', detail: { rotation: 'gone', severity: 7 } },
    { 'detail-type': 'Step Functions Execution Status Change', detail: { input: '{', cause: '{' } },
    { 'detail-type': 'AWS Service Event via CloudTrail', detail: { additionalEventData: [] }, time: 'now' },
  ])('whatever comes is an alarm: %j', event => {
    const alarm = read(event)
    expect(alarm.keys.length).toBeGreaterThan(0)
    expect(alarm.at).toBeGreaterThan(Date.now() - 60_000)
    expect(textOf(alarm)).toMatch(/^[A-Z].*\.\n\n/)
    expect(textOf(alarm)).toContain('Severity:')
    expect(alarm.runbook).toMatch(/^docs\/runbook\.md#[a-z-]+$/)
  })

  test('two that cannot be told apart by an id have different names', () => {
    expect(read({ a: 1 }).keys).toEqual(read({ a: 1 }).keys)
    expect(read({ a: 1 }).keys).not.toEqual(read({ a: 2 }).keys)
  })

  test('an input that is no input of ours: what failed is told, nothing of the input', () => {
    const failure = { Error: 'InvalidInput', Cause: '{"errorMessage":"createSecret: id: should be"}' }
    const rotation = { id: { password: 'Hidden-1' }, token: 'Hidden-2', failure }
    const alarm = read({ ...announced, detail: { ...announced.detail, rotation } })
    expect(alarm.subject).toBe('ERROR InvalidInput: rotation of a secret failed')
    expect(textOf(alarm)).not.toContain('Hidden')
  })

  test('a subject is printable ASCII and short, a cause is one line and short', () => {
    const failure = { Error: 'Lambda.Unknown', Cause: `tür\n\n${'x'.repeat(999)}` }
    const detail = { ...announced.detail, rotation: { id: `schlüssel\n${'y'.repeat(512)}`, failure } }
    const alarm = read({ ...announced, detail })
    expect(alarm.subject).toMatch(/^ERROR Lambda.Unknown: rotation of schl\?ssel\?y+$/)
    expect(alarm.subject).toHaveLength(100)
    expect(new Map(alarm.facts).get('Cause')).toBe(`tür ${'x'.repeat(296)}`)
    expect(alarm.runbook).toBe('docs/runbook.md#execution-failed')
  })

  test.each([
    ['aws-cn', 'cn-north-1', 'https://cn-north-1.console.amazonaws.cn/states/home'],
    ['aws-us-gov', 'us-gov-west-1', 'https://us-gov-west-1.console.amazonaws-us-gov.com/states/home'],
  ])('the console of %s', (partition, region, url) => {
    const arn = `arn:${partition}:states:${region}:123456789012:execution:keyturn-rotate:${name}`
    expect(read({ ...announced, detail: { ...announced.detail, execution: arn } }).console).toContain(url)
  })
})

describe('the webhook', () => {
  const alarm = read(lockedOut)
  beforeEach(() => {
    posted = []
    answer = 202
  })

  test('Slack gets text, escaped', async () => {
    const id = 'a<b>&c'
    const other = read({ ...announced, detail: { ...announced.detail, rotation: { id } } })
    await postWebhook('https://hooks.slack.com/services/T/B/key', other, send)
    expect(posted).toEqual([
      {
        path: '/services/T/B/key',
        type: 'application/json',
        body: {
          text: `*ERROR: rotation of a&lt;b&gt;&amp;c failed*
The rotation failed; the application is unharmed.
*Secret:* a&lt;b&gt;&amp;c
*Severity:* error
*Account:* 123456789012 eu-west-1
*Time:* 2026-11-21T10:00:00Z
*Execution:* ${execution}
*Event:* keyturn, Credential Rotation Failed, event-1
*What to do:* docs/runbook.md#execution-failed
*Console:* ${console_}`,
        },
      },
    ])
  })

  test.each([
    'https://shop.webhook.office.com/webhookb2/key?a=b',
    'https://prod-12.westeurope.logic.azure.com:443/workflows/key?sig=x',
    'https://default1.2.environment.api.powerplatform.com:443/powerautomate/key?sig=x',
  ])('Teams gets a card: %s', async url => {
    await postWebhook(url, alarm, send)
    expect(url).toContain(posted[0]?.path)
    const content = {
      $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
      type: 'AdaptiveCard',
      version: '1.4',
      body: [
        { type: 'TextBlock', text: alarm.subject, weight: 'bolder', wrap: true, color: 'attention' },
        { type: 'TextBlock', text: alarm.headline, wrap: true },
        {
          type: 'FactSet',
          facts: [...alarm.facts, ['What to do', alarm.runbook]].map(([title, value]) => ({ title, value })),
        },
      ],
      actions: [{ type: 'Action.OpenUrl', title: 'Execution', url: console_ }],
    }
    const contentType = 'application/vnd.microsoft.card.adaptive'
    expect(posted.map(({ body }) => body)).toEqual([
      { type: 'message', attachments: [{ contentType, content }] },
    ])
  })

  test.each(['events.pagerduty.com', 'events.eu.pagerduty.com'])(
    'PagerDuty gets an event: %s',
    async host => {
      await postWebhook(`https://${host}/v2/enqueue#routing-key`, alarm, send)
      expect(posted).toEqual([
        {
          path: '/v2/enqueue',
          type: 'application/json',
          body: {
            routing_key: 'routing-key',
            event_action: 'trigger',
            dedup_key: `execution ${name} critical`,
            payload: {
              summary: alarm.subject,
              source: 'keyturn',
              severity: 'critical',
              timestamp: '2026-11-21T10:00:00.000Z',
              custom_details: expect.objectContaining({
                Secret: 'shop/database',
                'What happened': alarm.headline,
                'What to do': 'docs/runbook.md#lockedout',
              }),
            },
            links: [{ href: console_, text: 'Execution' }],
          },
        },
      ])
    },
  )

  const secret = 'https://hooks.slack.com/services/Hidden-1'
  async function failure(address: string, target: typeof fetch = send): Promise<Error> {
    const error = await postWebhook(address, alarm, target).catch(error => error)
    expect(error).toBeInstanceOf(WebhookFailed)
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain('Hidden')
    return error
  }

  test.each([302, 400, 404, 429, 500])(
    'an answer of %i fails, without the URL in the error',
    async status => {
      answer = status
      expect((await failure(secret)).message).toBe(`Slack answered ${status}`)
      expect(posted).toHaveLength(1)
    },
  )

  test('an answer that does not come fails after five seconds', async () => {
    answer = undefined
    const begin = Date.now()
    expect((await failure(secret)).message).toBe('Slack: TimeoutError')
    expect(Date.now() - begin).toBeLessThan(10_000)
  })

  test('a port that is closed fails', async () => {
    const closed = await failure(secret, (_, options) => fetch('http://127.0.0.1:1/Hidden-1', options))
    expect(closed.message).toMatch(/^Slack: \w+$/)
  })

  test.each([
    '',
    'Hidden-1',
    'http://hooks.slack.com/services/Hidden-1',
    'https://hooks.slack.com.example/Hidden-1',
    'https://example.com/Hidden-1?hooks.slack.com',
    'https://169.254.169.254/Hidden-1',
  ])('only https and these services: %j', async address => {
    expect((await failure(address)).message).toBe(
      'the webhook should be an https URL of Slack, Teams or PagerDuty',
    )
    expect(posted).toEqual([])
  })
})

describe('rotations that a run of what was due started', () => {
  const group = 'run-1 db.example.com:5432'
  const ofRun = (event: typeof announced | typeof lockedOut) => ({
    ...event,
    detail: { ...event.detail, rotation: { ...event.detail.rotation, group } },
  })
  const ended = (status: string, error?: string, message?: string) => {
    const event = statusChange(status, error, message)
    return { ...event, detail: { ...event.detail, input: JSON.stringify({ id: 'shop/database', group }) } }
  }

  /** The rollback failed, so nobody knows whether the application is locked out. */
  const undone = structuredClone(lockedOut)
  undone.detail.rotation.lockout.Error = 'Unreachable'

  test('belong to a group, by severity, whoever reports them', () => {
    expect(read(ofRun(announced)).group).toBe(`${group} error`)
    expect(read(ofRun(undone)).group).toBe(`${group} critical`)
    expect(read(ended('FAILED', 'TestFailed', 'testSecret: no')).group).toBe(`${group} error`)
    expect(read(ended('FAILED', 'Unreachable', 'rollbackSecret: no')).group).toBe(`${group} critical`)
    expect(read(announced)).not.toHaveProperty('group')
  })

  test('but for lockouts, which are told one by one', () => {
    expect(read(ofRun(lockedOut))).not.toHaveProperty('group')
    expect(read(ended('FAILED', 'LockedOut', 'rollbackSecret: no'))).not.toHaveProperty('group')
  })

  test('and for those that no report knows of: stopped, or failed after the rotation', () => {
    for (const event of [
      ended('ABORTED'),
      ended('TIMED_OUT'),
      ended('FAILED', 'Unreachable', 'retireSecret: no answer'),
      ended('FAILED', 'EventBridge.FailedEntry', 'no such bus'),
    ])
      expect(read(event)).not.toHaveProperty('group')
  })

  test('the report tells how many, which, and why', () => {
    const alarm = read(report)
    expect(alarm).toMatchObject({
      keys: [`report ${group}`],
      severity: 'error',
      subject: 'ERROR Unreachable: 52 rotations on db.example.com:5432 failed',
      runbook: 'docs/runbook.md#unreachable',
      outdone: false,
    })
    expect(alarm).not.toHaveProperty('group')
    expect(textOf(alarm)).toContain(`Rotations that were due failed.

Error:       Unreachable
Host:        db.example.com:5432
Rotated:     1
Failed:      52
Unreachable: 52: parameter-store /a, parameter-store /b and 50 more; such as: setSecret: no answer from db.example.com
Severity:    error
`)
  })

  test('a report of several errors, or of none that can be read', () => {
    const { failures } = report.detail.report
    const other = { error: 'TestFailed', reason: '', count: 1, names: ['secrets-manager c'] }
    const several = { ...report.detail, severity: 'critical' }
    several.report = { ...report.detail.report, failures: [...failures, other] }
    expect(read({ ...report, detail: several })).toMatchObject({
      severity: 'critical',
      subject: 'CRITICAL: 52 rotations on db.example.com:5432 failed',
      runbook: 'docs/runbook.md#several-rotations-failed',
      facts: expect.arrayContaining([['TestFailed', '1: secrets-manager c']]),
    })
    expect(read({ ...report, detail: {} })).toMatchObject({
      severity: 'error',
      subject: 'ERROR: 0 rotations failed',
    })
  })

  test('of one error that is none of ours, or that came before any rotation, it leads to an entry too', () => {
    const { failures } = report.detail.report
    const of = (error: string) => {
      const detail = {
        ...report.detail,
        report: { ...report.detail.report, failures: [{ ...failures[0], error }] },
      }
      return read({ ...report, detail }).runbook.split('#')[1]
    }
    expect(['Lambda.Unknown', 'NotKnown', 'TlsFailed'].map(of)).toEqual([
      'execution-failed',
      'start-or-watch-failed',
      'tlsfailed',
    ])
  })

  test('what is late is told by name: once a day, and as soon as it is not the same any more', () => {
    const alarm = read(late)
    expect(alarm).toMatchObject({
      severity: 'error',
      at: Date.parse('2026-11-21T00:00:00Z'),
      subject: 'ERROR: 60 credentials are late',
      headline: 'Credentials should have rotated and have not.',
      facts: expect.arrayContaining([['Late', 'parameter-store /a, secrets-manager b and 58 more']]),
      runbook: 'docs/runbook.md#late-credentials',
      outdone: false,
    })
    expect(read({ ...late, id: 'again', time: '2026-11-21T23:59:00Z' })).toMatchObject({
      keys: alarm.keys,
      at: alarm.at,
    })
    const more = { ...late.detail, late: { count: 61, names: late.detail.late.names } }
    expect(read({ ...late, detail: more }).keys).not.toEqual(alarm.keys)
    expect(alarm.keys[0].length).toBeLessThan(100)
  })

  test('a run that failed is told of as such', () => {
    expect(read(runFailed)).toMatchObject({
      keys: ['run failed HostLost'],
      at: Date.parse('2026-11-21T00:00:00Z'),
      severity: 'error',
      subject: 'ERROR HostLost: a run of what was due failed',
      runbook: 'docs/runbook.md#run-failed',
    })
    const stopped = {
      ...runFailed,
      detail: { ...runFailed.detail, status: 'TIMED_OUT', error: null, cause: null },
    }
    expect(read(stopped)).toMatchObject({
      severity: 'error',
      subject: 'ERROR TIMED_OUT: a run of what was due failed',
    })
  })
})

/** Outlets that write down what reaches them. */
function outlets(given: Partial<Outlets> = {}) {
  const calls: string[] = []
  const note = (call: string) => async () => void calls.push(call)
  const ledger = {
    leads: async () => true,
    isNews: async () => true,
    claim: async () => 'nothing' as const,
    tellTopic: note('told topic'),
    tellAll: note('told all'),
  }
  return { calls, ledger, publish: note('topic'), post: note('webhook'), giveWay: 0, ...given }
}
const dies = async () => {
  throw new Error('died')
}

describe('telling', () => {
  const alarm = read(announced)

  test('the topic first, then the webhook, and each is noted', async () => {
    const parts = outlets()
    expect(await tell(alarm, parts)).toBe(true)
    expect(parts.calls).toEqual(['topic', 'told topic', 'webhook', 'told all'])
  })

  test('what reports the same with less gives way first', async () => {
    const parts = outlets({ giveWay: 300 })
    const begin = Date.now()
    const both = [tell(read(statusChange('FAILED')), parts), tell(alarm, parts)]
    await both[1]
    expect(Date.now() - begin).toBeLessThan(200)
    await both[0]
    expect(Date.now() - begin).toBeGreaterThanOrEqual(299)
  })

  test('a topic that fails: nothing is noted, so the next try tells', async () => {
    const parts = outlets({ publish: dies })
    await expect(tell(alarm, parts)).rejects.toThrow('died')
    expect(parts.calls).toEqual([])
  })

  test('only the first of a group is told; and without the ledger, each', async () => {
    const grouped = { ...alarm, group: 'run-1 db error' }
    const asked: string[][] = []
    const { calls, ledger, ...rest } = outlets()
    const leads =
      (answer: boolean) =>
      async (...names: string[]) =>
        asked.push(names) > 0 && answer
    expect(await tell(grouped, { ...rest, ledger: { ...ledger, leads: leads(false) } })).toBe(false)
    expect(calls).toEqual([])
    expect(await tell(grouped, { ...rest, ledger: { ...ledger, leads: leads(true) } })).toBe(true)
    expect(calls).toEqual(['topic', 'told topic', 'webhook', 'told all'])
    expect(asked).toEqual([1, 2].map(() => ['run-1 db error', alarm.keys[0]]))
    await tell(alarm, { ...rest, ledger: { ...ledger, leads: leads(false) } })
    expect(asked).toHaveLength(2)
  })

  test('a webhook that fails: the topic was told and is noted', async () => {
    const parts = outlets({ post: dies })
    await expect(tell(alarm, parts)).rejects.toThrow('died')
    expect(parts.calls).toEqual(['topic', 'told topic'])
  })

  test('a ledger that fails: told all the same', async () => {
    vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    const parts = outlets({
      ledger: { leads: dies, isNews: dies, claim: dies, tellTopic: dies, tellAll: dies },
    })
    expect(await tell(alarm, parts)).toBe(true)
    expect(parts.calls).toEqual(['topic', 'webhook'])
    vi.restoreAllMocks()
  })
})

describe.skipIf(!moto)('over moto', () => {
  const sns = new SNSClient({})
  const sqs = new SQSClient({})
  const dynamo = new DynamoDBClient({})
  const ssm = new SSMClient({})
  let queue = ''
  let now = Date.now()
  const ledger = new Ledger(dynamo, 'alarms', () => now)

  beforeAll(async () => {
    const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: 'alarms' }))
    expect(TopicArn).toBe(process.env.KEYTURN_ALARM_TOPIC)
    queue = (await sqs.send(new CreateQueueCommand({ QueueName: 'mailbox' }))).QueueUrl ?? ''
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: queue, AttributeNames: ['QueueArn'] }),
    )
    await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: Attributes?.QueueArn }))
    await dynamo.send(
      new CreateTableCommand({
        TableName: 'alarms',
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      }),
    )
  })

  /** What came to the topic's subscriber since the last question. */
  async function mails(): Promise<{ Subject: string; Message: string }[]> {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl: queue, MaxNumberOfMessages: 10, VisibilityTimeout: 600 }),
    )
    return Messages.map(({ Body }) => JSON.parse(Body ?? ''))
  }

  describe('the ledger', () => {
    const at = Date.parse('2026-11-21T10:00:00Z')
    const minute = 60_000

    test('one claims, the others wait, and are told that all is done', async () => {
      const claims = await Promise.allSettled(Array.from({ length: 5 }, () => ledger.claim('one', at)))
      const refused = claims.filter(({ status }) => status === 'rejected')
      expect(claims.filter(claim => claim.status === 'fulfilled')).toMatchObject([{ value: 'nothing' }])
      expect(refused).toHaveLength(4)
      for (const { reason } of refused as PromiseRejectedResult[]) expect(reason).toBeInstanceOf(AlarmClaimed)
      await ledger.tellTopic('one')
      await ledger.tellAll(['one', 'also'], at)
      expect(await ledger.claim('one', at + 10 * minute)).toBe('everything')
      expect(await ledger.claim('also', at - 10 * minute)).toBe('everything')
    })

    test('a claim that died is taken over after its lease, once, with what it had done', async () => {
      expect(await ledger.claim('two', at)).toBe('nothing')
      now += lease + 1
      expect(await ledger.claim('two', at)).toBe('nothing')
      await expect(ledger.claim('two', at)).rejects.toThrow(AlarmClaimed)
      await ledger.tellTopic('two')
      now += lease + 1
      expect(await ledger.claim('two', at)).toBe('topic')
      await expect(ledger.claim('two', at)).rejects.toThrow(AlarmClaimed)
    })

    test('one leads a group, and still does when it asks again', async () => {
      const leads = await Promise.all(['a', 'b', 'c'].map(key => ledger.leads('run-1 db error', key)))
      expect(leads.filter(Boolean)).toHaveLength(1)
      const leader = ['a', 'b', 'c'][leads.indexOf(true)] ?? ''
      expect(await ledger.leads('run-1 db error', leader)).toBe(true)
      expect(await ledger.leads('run-1 db error', 'd')).toBe(false)
      expect(await ledger.leads('run-1 db critical', 'd')).toBe(true)
    })

    test('what was there before is news once, for the failure that found it first; again after 90 days', async () => {
      const day = 24 * 60 * minute
      expect(await ledger.isNews('before x', 'a')).toBe(true)
      expect(await ledger.isNews('before x', 'b')).toBe(false)
      expect(await ledger.isNews('before x', 'a')).toBe(true)
      expect(await ledger.isNews('before y', 'b')).toBe(true)
      now += 89 * day
      expect(await ledger.isNews('before x', 'b')).toBe(false)
      now += 2 * day
      expect(await ledger.isNews('before x', 'b')).toBe(true)
      now -= 91 * day
    })

    test('ten minutes before or after is another failure', async () => {
      await ledger.tellAll(['three'], at)
      expect(await ledger.claim('three', at + 10 * minute + 1)).toBe('nothing')
      await ledger.tellAll(['three'], at)
      expect(await ledger.claim('three', at - 10 * minute - 1)).toBe('nothing')
    })
  })

  describe('the function', () => {
    let written: string[] = []
    beforeEach(() => {
      posted = []
      answer = 202
      written = []
      const keep = (chunk: unknown) => written.push(String(chunk)) > 0
      vi.spyOn(process.stdout, 'write').mockImplementation(keep)
      vi.spyOn(process.stderr, 'write').mockImplementation(keep)
      vi.stubGlobal('fetch', send)
    })
    afterEach(() => {
      vi.unstubAllGlobals()
      vi.restoreAllMocks()
      expect(written.join('')).not.toContain('Hidden')
    })
    const call = (event: unknown) => handler(event, { awsRequestId: 'request-1' } as never)
    /** Announced failures of executions of their own. */
    const failureOf = (n: number) => ({
      ...announced,
      id: `event-${n}`,
      detail: { ...announced.detail, execution: `${execution}-${n}`, rotation: { id: `secret-${n}` } },
    })

    test('a parameter that is not there: the topic is told, the function fails, twice', async () => {
      await expect(call(failureOf(1))).rejects.toThrow('parameter /keyturn/webhook: ParameterNotFound')
      expect(await mails()).toMatchObject([{ Subject: 'ERROR: rotation of secret-1 failed' }])
      // At once, so the first try's lease is still on.
      await expect(call(failureOf(1))).rejects.toThrow(AlarmClaimed)
      expect(await mails()).toEqual([])
    })

    test('an announced failure: one mail, one post, however often it comes', async () => {
      const Value = 'https://hooks.slack.com/services/Hidden-1'
      await ssm.send(new PutParameterCommand({ Name: '/keyturn/webhook', Type: 'SecureString', Value }))
      const both = await Promise.allSettled([call(announced), call(announced)])
      expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
      await call({ ...announced, id: 'again' })
      const alarm = readAlarm(announced, 'https://wiki.example/runbook')
      expect(await mails()).toMatchObject([{ Subject: alarm.subject, Message: textOf(alarm) }])
      expect(posted).toMatchObject([{ path: '/services/Hidden-1' }])
      expect(written.join('')).toContain('had been told')
    })

    test('the same from Step Functions and from Secrets Manager: nothing more', async () => {
      for (const event of [statusChange('FAILED', 'TestFailed', 'testSecret: no'), managed])
        await tell(read(event), { ...silent(), ledger })
      expect(await mails()).toEqual([])
    })

    test('the same as critical is told all the same, and then never again as an error', async () => {
      const [error, critical] = [failureOf(3), failureOf(3)]
      critical.detail.severity = 'critical'
      await call(error)
      await call(critical)
      await call(error)
      await call(critical)
      const subjects = (await mails()).map(({ Subject }) => Subject)
      expect(subjects.sort()).toEqual(
        ['CRITICAL', 'ERROR'].map(word => `${word}: rotation of secret-3 failed`),
      )
    })

    test('a lockout that was there before: critical once, then an error, until what is found changes', async () => {
      const found = (n: number, what: string, replaces = 'version-1') => {
        const event = structuredClone(lockedOut)
        const { rotation } = event.detail
        event.id = `before-${n}`
        event.detail.execution = `${execution}-before-${n}`
        rotation.id = 'standing'
        rotation.lockout = thrown('LockedOut', `rollbackSecret: ${new LockedOut('shop on db', what).message}`)
        return { ...event, detail: { ...event.detail, rotation: { ...rotation, replaces } } }
      }
      const [none, previous] = ['no stored version logs in', 'the version before it logs in']
      await call(found(1, none))
      // The same event again is no second one.
      await call(found(1, none))
      await call(found(2, none))
      // What Step Functions says of an execution that was told as an error is not critical either.
      const ended = statusChange('FAILED', 'LockedOut', 'rollbackSecret: shop on db')
      ended.detail.executionArn = `${execution}-before-2`
      await tell(read(ended), { ...silent(), ledger })
      await call(found(3, previous))
      await call(found(4, previous, 'version-2'))
      await call(found(5, previous, 'version-2'))
      const subjects = (await mails()).map(({ Subject }) => Subject)
      const words = ['CRITICAL', 'CRITICAL', 'CRITICAL', 'ERROR', 'ERROR']
      expect(subjects.sort()).toEqual(words.map(word => `${word} LockedOut: rotation of standing failed`))
    })

    test('a webhook that fails: told to the topic once, to the webhook when it works again', async () => {
      answer = 500
      await expect(call(failureOf(2))).rejects.toThrow(new WebhookFailed('Slack answered 500'))
      answer = 200
      // A minute later, as Lambda would.
      const real = Date.now
      vi.spyOn(Date, 'now').mockImplementation(() => real() + 60_000)
      await call(failureOf(2))
      expect(await mails()).toHaveLength(1)
      expect(posted).toHaveLength(2)
    })

    const silent = (): Outlets => ({
      ledger,
      publish: () => Promise.reject(new Error('told twice')),
      post: () => Promise.reject(new Error('told twice')),
      giveWay: 0,
    })
  })
})
