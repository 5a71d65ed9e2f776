import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { CreateTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns'
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs'
import { DeleteParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { mailTextOf } from '../../functions/alarm/alarm.ts'
import { Ledger } from '../../functions/alarm/ledger.ts'
import { LedgerTable } from '../../functions/alarm/ledgerTable.ts'
import { readAlarm } from '../../functions/alarm/readAlarm.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { LockedOut } from '../../rotation/errors.ts'
import {
  causeOf,
  credentialsLateEvent,
  executionArn,
  executionFailedEvent,
  lockedOutEvent,
  managedRotationFailedEvent,
  rotatedEvent,
  rotationFailedEvent,
} from '../support/alarmEvents.ts'
import { makeLedgerTable } from '../support/alarms.ts'
import { setLambdaEnvironment } from '../support/lambdaEnvironment.ts'
import { startMoto } from '../support/moto.ts'
import { captureOutput } from '../support/observe.ts'
import { type Known, startHistories } from './alarm/histories.ts'
import { weighed } from './alarm/reading.ts'

const bin = await pythonBin()
const moto = bin ? await startMoto(bin) : undefined
const known: Known = new Map()
const stepFunctions = await startHistories(known, undefined, () => Date.now() / 1000)

/** A webhook that answers with `answer`. */
let answer = 202
let posted: { path: string; text: string }[] = []
const chat = createServer(async (incoming, outgoing) => {
  posted.push({ path: incoming.url ?? '', text: Buffer.concat(await incoming.toArray()).toString() })
  outgoing.writeHead(answer).end()
})
chat.listen(0, '127.0.0.1')
await once(chat, 'listening')
const local = `http://127.0.0.1:${(chat.address() as AddressInfo).port}`
const realFetch = fetch
const send: typeof fetch = (url, options) => realFetch(`${local}${new URL(String(url)).pathname}`, options)

setLambdaEnvironment({
  AWS_ENDPOINT_URL: moto?.url ?? local,
  AWS_ENDPOINT_URL_SFN: stepFunctions.url,
  KEYTURN_ALARM_TOPIC: 'arn:aws:sns:eu-west-1:123456789012:alarms',
  KEYTURN_ALARM_TABLE: 'alarms',
  KEYTURN_EXECUTIONS: 'arn:aws:states:eu-west-1:123456789012:execution:keyturn-test-rotate',
  KEYTURN_RUNBOOK: 'https://wiki.example/runbook',
  KEYTURN_STAGE: 'prod',
  KEYTURN_WEBHOOK_PARAMETER: '/keyturn/webhook',
})
const { handler } = await import('../../functions/raiseAlarm.ts')

afterAll(async () => {
  chat.close()
  chat.closeAllConnections()
  stepFunctions.stop()
  await moto?.stop()
})

describe.skipIf(!moto)('raiseAlarm over moto', () => {
  const sns = new SNSClient({})
  const sqs = new SQSClient({})
  const ssm = new SSMClient({})
  const dynamo = new DynamoDBClient({})
  const ledger = new Ledger(new LedgerTable(dynamo, 'alarms'))
  let queue = ''
  let written: string[] = []

  beforeAll(async () => {
    const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: 'alarms' }))
    expect(TopicArn).toBe(process.env.KEYTURN_ALARM_TOPIC)
    queue = (await sqs.send(new CreateQueueCommand({ QueueName: 'mailbox' }))).QueueUrl ?? ''
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: queue, AttributeNames: ['QueueArn'] }),
    )
    await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint: Attributes?.QueueArn }))
    await makeLedgerTable(dynamo)
  })
  beforeEach(async () => {
    posted = []
    answer = 202
    written = captureOutput()
    vi.stubGlobal('fetch', send)
    const Value = 'https://hooks.slack.com/services/Hidden-1'
    const put = { Name: '/keyturn/webhook', Type: 'SecureString', Value, Overwrite: true } as const
    await ssm.send(new PutParameterCommand(put))
  })
  afterEach(() => {
    vi.unstubAllGlobals()
    vi.restoreAllMocks()
    expect(written.join('')).not.toContain('Hidden')
  })

  /** @returns the messages of the topic since the last call */
  async function mails(): Promise<{ Subject: string; Message: string }[]> {
    const found: { Subject: string; Message: string }[] = []
    for (;;) {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl: queue, MaxNumberOfMessages: 10, VisibilityTimeout: 600 }),
      )
      if (!Messages.length) return found
      found.push(...Messages.map(({ Body }) => JSON.parse(Body ?? '')))
    }
  }
  const subjects = async () => (await mails()).map(({ Subject }) => Subject).sort()

  let tries = 1
  /** Calls raiseAlarm with a batch. @returns the indexes of the events to deliver again */
  async function call(...events: unknown[]): Promise<number[]> {
    const Records = events.map((event, index) => ({
      messageId: `message-${index}`,
      body: typeof event === 'string' ? event : JSON.stringify(event),
      attributes: { ApproximateReceiveCount: `${tries}` },
    }))
    const context = { awsRequestId: 'request-1', getRemainingTimeInMillis: () => 60_000 }
    const { batchItemFailures } = (await handler({ Records }, context as never)) as {
      batchItemFailures: { itemIdentifier: string }[]
    }
    return batchItemFailures.map(({ itemIdentifier }) => Number(itemIdentifier.split('-')[1]))
  }

  let count = 0
  /** The event of a failure, whose execution has a history that proves it. */
  function failureOf(
    id: string,
    event: typeof rotationFailedEvent | typeof lockedOutEvent = rotationFailedEvent,
    rotation: object = {},
  ) {
    const arn = `${executionArn}-${count++}`
    const state = { ...event.detail.rotation, id, ...rotation }
    const announcing = event.detail.severity === 'critical' ? 'AnnounceLockout' : 'AnnounceFailure'
    known.set(arn, { entered: [{ state: announcing, input: state }], at: Date.now() / 1000 })
    return {
      ...event,
      id: `event-${count}`,
      time: new Date().toISOString(),
      detail: { ...event.detail, execution: arn, rotation: state },
    }
  }
  const endOf = ({ detail }: { detail: { execution: string } }, status = 'FAILED') => {
    const event = executionFailedEvent(
      status,
      ...(status === 'FAILED' ? ['TestFailed', 'testSecret: no'] : []),
    )
    return {
      ...event,
      // It then does not wait for the execution's own event.
      time: new Date(Date.now() - 20_000).toISOString(),
      detail: { ...event.detail, executionArn: detail.execution },
    }
  }

  test('a failure is one mail and one post, however often and by whichever event it is reported', async () => {
    const failure = failureOf('shop')
    expect(await call(failure, failure, endOf(failure))).toEqual([])
    expect(await call({ ...failure, id: 'again' })).toEqual([])
    expect(await call(endOf(failure))).toEqual([])
    const secret = { ...managedRotationFailedEvent.detail, additionalEventData: { SecretId: 'shop' } }
    expect(await call({ ...managedRotationFailedEvent, time: failure.time, detail: secret })).toEqual([])
    const [mail, ...more] = await mails()
    expect(more).toEqual([])
    const guide = { runbook: 'https://wiki.example/runbook', stage: 'prod', region: 'eu-west-1' }
    const alarm = readAlarm(weighed({ ...failure, time: '2026-11-21T10:00:00.000Z' }), guide)
    expect(mail?.Subject).toBe(alarm?.subject)
    const withoutTime = (text = '') => text.replace(/^Time:.*$/m, '')
    expect(withoutTime(mail?.Message)).toBe(withoutTime(alarm && mailTextOf(alarm)))
    expect(posted).toMatchObject([{ path: '/services/Hidden-1' }])
    expect(written.join('')).toContain('had been told')
  }, 60_000)

  test('the same failure as critical is told again, and then never as an error', async () => {
    const error = failureOf('upgraded')
    await call(error)
    known.set(error.detail.execution, {
      entered: [{ state: 'AnnounceLockout', input: lockedOutEvent.detail.rotation }],
    })
    const critical = {
      ...lockedOutEvent,
      time: error.time,
      detail: { ...lockedOutEvent.detail, execution: error.detail.execution },
    }
    await call(critical)
    await call(critical)
    expect(await subjects()).toEqual([
      'CRITICAL LockedOut: rotation of secret shop/database failed',
      'ERROR TestFailed: rotation of secret upgraded failed',
    ])
  })

  test('if the webhook fails, the topic is told once, and only the webhook is retried', async () => {
    answer = 500
    const failure = failureOf('webhook down')
    expect(await call(failure)).toEqual([0])
    answer = 202
    expect(await call(failure)).toEqual([])
    expect(await mails()).toHaveLength(1)
    expect(posted).toHaveLength(2)
  })

  test('if the webhook’s parameter does not exist, the topic is told', async () => {
    await ssm.send(new DeleteParameterCommand({ Name: '/keyturn/webhook' }))
    expect(await call(failureOf('no parameter'))).toEqual([0])
    expect(await mails()).toHaveLength(1)
    expect(written.join('')).toContain('parameter /keyturn/webhook: ParameterNotFound')
  })

  test('if SNS refuses, the webhook is told once, and only the topic is retried', async () => {
    const refuse = vi.spyOn(SNSClient.prototype, 'send').mockImplementation(async () => {
      throw new Error('KMSAccessDenied')
    })
    const failure = failureOf('topic down', lockedOutEvent)
    expect(await call(failure)).toEqual([0])
    expect(posted).toHaveLength(1)
    refuse.mockRestore()
    expect(await call(failure)).toEqual([])
    expect(posted).toHaveLength(1)
    expect(await mails()).toHaveLength(1)
  })

  test('a table that hangs costs less than six seconds, and every alarm is mailed', async () => {
    vi.spyOn(DynamoDBClient.prototype, 'send').mockImplementation(
      ((_: unknown, { abortSignal }: { abortSignal: AbortSignal }) =>
        new Promise((_, reject) => {
          const end = () => reject(new Error('aborted'))
          if (abortSignal.aborted) end()
          abortSignal.addEventListener('abort', end)
        })) as never,
    )
    const failures = Array.from({ length: 30 }, (_, n) => failureOf(`hanging-${n}`))
    const begin = Date.now()
    expect(await call(...failures)).toEqual([])
    expect(Date.now() - begin).toBeLessThan(6_000)
    vi.restoreAllMocks()
    captureOutput()
    expect(await mails()).toHaveLength(30)
  })

  test('after a throttled call of the table, the failure is told, and later ones are not silenced forever', async () => {
    const refuse = vi.spyOn(DynamoDBClient.prototype, 'send').mockImplementation(async () => {
      throw Object.assign(new Error('slow down'), { name: 'ThrottlingException' })
    })
    const failure = failureOf('throttled')
    expect(await call(failure)).toEqual([])
    refuse.mockRestore()
    expect(await call({ ...failure, id: 'later' })).toEqual([])
    expect(await call({ ...failure, id: 'later still' })).toEqual([])
    expect(await mails()).toHaveLength(2)
  })

  test('an unproven event is told as such, and silences nothing', async () => {
    const real = failureOf('forged', lockedOutEvent)
    const forged = { ...real, id: 'forged', detail: { ...real.detail, execution: `${executionArn}-forged` } }
    await call(forged)
    await call(real)
    expect(await subjects()).toEqual([
      'CRITICAL LockedOut: rotation of secret forged failed',
      'ERROR LockedOut: an event says that the rotation of secret forged failed',
    ])
  })

  test('an event that is not in the history yet is delivered again, and then told', async () => {
    const failure = failureOf('early')
    const { entered = [] } = known.get(failure.detail.execution) ?? {}
    known.set(failure.detail.execution, { entered: [], ended: false })
    expect(await call(failure)).toEqual([0])
    expect(await mails()).toEqual([])
    known.set(failure.detail.execution, { entered, ended: false })
    expect(await call(failure)).toEqual([])
    expect(await subjects()).toEqual(['ERROR TestFailed: rotation of secret early failed'])
    tries = 2
    const never = failureOf('never')
    known.set(never.detail.execution, { entered: [], ended: false })
    expect(await call(never)).toEqual([])
    tries = 1
    expect(await subjects()).toEqual([
      'ERROR TestFailed: an event says that the rotation of secret never failed',
    ])
  })

  test('an execution that was stopped: critical, unless it was in its grace time', async () => {
    const [midway, grace] = [failureOf('midway'), failureOf('grace')]
    known.set(midway.detail.execution, { entered: [{ state: 'TestSecret', input: midway.detail.rotation }] })
    known.set(grace.detail.execution, { entered: [{ state: 'Grace', input: grace.detail.rotation }] })
    expect(await call(endOf(midway, 'ABORTED'), endOf(grace, 'ABORTED'))).toEqual([])
    expect(await subjects()).toEqual([
      'CRITICAL ABORTED: rotation of secret midway was stopped midway',
      'ERROR ABORTED: secret grace was rotated, what it replaced is open',
    ])
  })

  test('of the failures in a run’s report the first is told, and each critical one', async () => {
    const failures = [1, 2, 3].map(n => failureOf(`in a run-${n}`))
    const lockouts = [1, 2].map(n => failureOf(`locked out in a run-${n}`, lockedOutEvent))
    for (const { detail } of [...failures, ...lockouts])
      await ledger.assignToGroup(detail.execution.split(':').at(-1) ?? '', 'run-1 db')
    for (const failure of [...failures, ...lockouts]) await call(failure)
    expect(await subjects()).toEqual([
      'CRITICAL LockedOut: rotation of secret locked out in a run-1 failed',
      'CRITICAL LockedOut: rotation of secret locked out in a run-2 failed',
      'ERROR TestFailed: rotation of secret in a run-1 failed',
    ])
  })

  test('a lockout from before is critical once, then an error, until what is found changes', async () => {
    const found = (what: string, replaces = 'version-1') => {
      const lockout = causeOf('LockedOut', `rollbackSecret: ${LockedOut.before('shop on db', what).message}`)
      return failureOf('standing', lockedOutEvent, { lockout, replaces })
    }
    const [none, previous] = ['no stored version logs in', 'the version before it logs in']
    const first = found(none)
    // A repeated event is no second failure.
    await call(first)
    await call(first)
    const second = found(none)
    await call(second)
    // Step Functions' event about an execution that was told as an error is not critical either.
    await call(endOf(second))
    await call(found(previous))
    await call(found(previous, 'version-2'))
    await call(found(previous, 'version-2'))
    const words = ['CRITICAL', 'CRITICAL', 'CRITICAL', 'ERROR', 'ERROR']
    expect(await subjects()).toEqual(
      words.map(word => `${word} LockedOut: rotation of secret standing failed`),
    )
  })

  test('late credentials are told if one is new, and once a day', async () => {
    const run = credentialsLateEvent.detail.execution
    const of = (names: string[], time = '2026-11-21T10:05:00Z') => {
      const lists = [
        ...(known.get(run)?.entered ?? []),
        { state: 'AnnounceLate', input: { count: names.length, names } },
      ]
      known.set(run, { entered: lists })
      return {
        ...credentialsLateEvent,
        time,
        detail: { ...credentialsLateEvent.detail, late: { count: names.length, names } },
      }
    }
    await call(of(['a', 'b', 'c']))
    // The credentials are corrected one by one.
    await call(of(['a', 'b']))
    await call(of(['b']))
    expect(await mails()).toHaveLength(1)
    await call(of(['b', 'd']))
    expect(await mails()).toHaveLength(1)
  })

  describe('a successful rotation', () => {
    function successOf(id: string) {
      const arn = `${executionArn}-${count++}`
      const detail = { ...rotatedEvent.detail, execution: arn, id }
      known.set(arn, { entered: [{ state: 'AnnounceSuccess', input: { ...rotatedEvent.detail, id } }] })
      return { ...rotatedEvent, id: `event-${count}`, detail }
    }

    test('without an open failure is one call, and no message', async () => {
      const spy = vi.spyOn(DynamoDBClient.prototype, 'send')
      expect(await call(successOf('fine'))).toEqual([])
      expect(spy).toHaveBeenCalledTimes(1)
      expect(await mails()).toEqual([])
      expect(posted).toEqual([])
    })

    test('closes a failure, with one message', async () => {
      await call(failureOf('mended', lockedOutEvent))
      await mails()
      const after = new Date(Date.now() + 60_000).toISOString()
      const success = { ...successOf('mended'), time: after }
      expect(await call(success)).toEqual([])
      expect(await call(success)).toEqual([])
      expect(await subjects()).toEqual(['OK: secret mended was rotated'])
      expect(posted).toHaveLength(2)
    })

    test('before every outlet was told of the failure is told after it', async () => {
      const failure = failureOf('told late')
      answer = 500
      expect(await call(failure)).toEqual([0])
      answer = 202
      const time = new Date(Date.now() + 60_000).toISOString()
      expect(await call({ ...successOf('told late'), time })).toEqual([])
      posted = []
      expect(await call(failure)).toEqual([])
      expect(posted.map(({ text }) => /(ERROR TestFailed|OK): /.exec(text)?.[1])).toEqual([
        'ERROR TestFailed',
        'OK',
      ])
      expect(await subjects()).toEqual([
        'ERROR TestFailed: rotation of secret told late failed',
        'OK: secret told late was rotated',
        'OK: secret told late was rotated',
      ])
    })

    test('that is unproven closes nothing', async () => {
      await call(failureOf('not mended', lockedOutEvent))
      await mails()
      const time = new Date(Date.now() + 60_000).toISOString()
      const forged = successOf('not mended')
      known.set(forged.detail.execution, { entered: [{ state: 'RotationFailed', input: {} }] })
      expect(await call({ ...forged, time })).toEqual([])
      // Nor does the rotation of another credential.
      const other = successOf('other')
      expect(await call({ ...other, time, detail: { ...other.detail, id: 'not mended' } })).toEqual([])
      expect(await mails()).toEqual([])
      expect(await call({ ...successOf('not mended'), time })).toEqual([])
      expect(await mails()).toHaveLength(1)
    })
  })

  test('an unreadable event is told, and blocks no other', async () => {
    expect(await call('no JSON', '7', failureOf('beside it'))).toEqual([])
    expect(await subjects()).toEqual([
      'ERROR TestFailed: rotation of secret beside it failed',
      'ERROR: an event that cannot be read',
      'ERROR: an event that cannot be read',
    ])
  })

  test('an event outside a batch, as the last release got it, is told too', async () => {
    const failure = failureOf('alone')
    const context = { awsRequestId: 'request-1' } as never
    await handler(failure, context)
    expect(await subjects()).toEqual(['ERROR TestFailed: rotation of secret alone failed'])
    answer = 500
    await expect(handler(failureOf('alone too'), context)).rejects.toThrow('Slack answered 500')
    await mails()
  })

  test('the log hides secrets', async () => {
    const { logger } = await import('../../functions/shared/logger.ts')
    logger.info('a line', { password: 'Hidden-1' })
    expect(written.join('')).toContain('"password":"***"')
  })
})
