import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { readEvent } from '../../../functions/alarm/event.ts'
import { Histories } from '../../../functions/alarm/histories.ts'
import { verifyEvent } from '../../../functions/alarm/verifyEvent.ts'
import {
  cloudWatchAlarmEvent,
  credentialsLateEvent,
  criticalReportEvent,
  executionArn,
  executionFailedEvent,
  laggingReplicasEvent,
  lockedOutEvent,
  managedRotationAbandonedEvent,
  managedRotationFailedEvent,
  parkedReportEvent,
  promotionFinishedEvent,
  promotionNotReadyEvent,
  replicasBehindEvent,
  retirementFailedEvent,
  rotatedEvent,
  rotationFailedEvent,
} from '../../support/alarmEvents.ts'
import { type Known, startHistories } from './histories.ts'

const known: Known = new Map()
let failing: string | undefined
const stepFunctions = await startHistories(known, () => failing)
const prefix = 'arn:aws:states:eu-west-1:123456789012:execution:keyturn-test-rotate'
const histories = new Histories(prefix, {
  endpoint: stepFunctions.url,
  region: 'eu-west-1',
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  maxAttempts: 1,
})
afterAll(() => stepFunctions.stop())
beforeEach(() => {
  known.clear()
  failing = undefined
  stepFunctions.calls.length = 0
})

const weighed = (event: unknown) => verifyEvent(readEvent(event), histories, AbortSignal.timeout(3_000))
const { rotation } = rotationFailedEvent.detail
const did = (...entered: [state: string, input: unknown][]) =>
  known.set(executionArn, { entered: entered.map(([state, input]) => ({ state, input })) })

const replicated = { ...rotatedEvent, 'detail-type': 'Credential Replicated' }

describe('an announcement', () => {
  test('is true if its execution entered the state that sends it, and the content is that of the history', async () => {
    did(
      ['AnnounceLockout', lockedOutEvent.detail.rotation],
      ['RollbackFailed', lockedOutEvent.detail.rotation],
    )
    const forged = {
      ...lockedOutEvent,
      detail: { ...lockedOutEvent.detail, severity: 'error', rotation: { id: 'other' } },
    }
    const { verdict, event } = await weighed(forged)
    expect(verdict).toBe('proven')
    expect(event.detail).toMatchObject({
      severity: 'critical',
      rotation: { id: 'shop/database', store: 'secrets-manager' },
    })
    expect(Date.parse(event.time ?? '')).toBe(1_795_255_200_000)
  })

  test.each([
    ['Credential Rotation Failed', rotationFailedEvent, 'AnnounceFailure', rotation],
    [
      'Credential Retirement Failed',
      retirementFailedEvent,
      'AnnounceRetirementFailure',
      { ...retirementFailedEvent.detail.rotation, failedState: 'RetireSecret' },
    ],
    ['Credential Rotated', rotatedEvent, 'AnnounceSuccess', rotatedEvent.detail],
    [
      'Credential Replicas Behind',
      replicasBehindEvent,
      'AnnounceReplicasBehind',
      replicasBehindEvent.detail.rotation,
    ],
    ['Credential Replicated', replicated, 'AnnounceReplicated', replicated.detail],
    [
      'Credential Rotations Failed',
      criticalReportEvent,
      'AnnounceFailures',
      { report: criticalReportEvent.detail.report, name: criticalReportEvent.detail.group },
    ],
    [
      'Credential Rotations Failed, of a server that does not answer',
      parkedReportEvent,
      'AnnounceFailures',
      {
        report: parkedReportEvent.detail.report,
        group: { name: parkedReportEvent.detail.group, host: 'db' },
      },
    ],
    ['Credentials Late', credentialsLateEvent, 'AnnounceLate', { late: credentialsLateEvent.detail.late }],
    ['Credentials Late, in parts', credentialsLateEvent, 'AnnounceLate', credentialsLateEvent.detail.late],
    [
      'Promotion Finished',
      promotionFinishedEvent,
      'AnnouncePromotion',
      promotionFinishedEvent.detail.promotion,
    ],
    [
      'Promotion Not Ready',
      promotionNotReadyEvent,
      'AnnounceNotReady',
      promotionNotReadyEvent.detail.promotion,
    ],
    ['Credentials Late, of replicas', laggingReplicasEvent, 'AnnounceLate', laggingReplicasEvent.detail.late],
  ])('%s', async (_, event, state, input) => {
    const arn = event.detail.execution
    known.set(arn, { entered: [{ state: 'Another', input: {} }] })
    expect((await weighed(event)).verdict).toBe('denied')
    known.set(arn, { entered: [{ state, input }] })
    const { verdict, event: read } = await weighed(event)
    expect(verdict).toBe('proven')
    const { execution: __, ...detail } = readEvent(event).detail ?? {}
    expect(read.detail).toMatchObject(JSON.parse(JSON.stringify(detail)))
  })

  test('about a list has to be for an announced part', async () => {
    const parts = [
      { count: 1, names: ['a'] },
      { count: 1, names: ['b'] },
      { count: 1, names: ['c'] },
    ]
    known.set(credentialsLateEvent.detail.execution, {
      entered: parts.map(input => ({ state: 'AnnounceLate', input })),
    })
    const of = (names: string[]) => ({
      ...credentialsLateEvent,
      detail: { ...credentialsLateEvent.detail, late: { count: 1, names } },
    })
    expect((await weighed(of(['a']))).verdict).toBe('proven')
    expect((await weighed(of(['d']))).verdict).toBe('denied')
    const behind = {
      ...credentialsLateEvent,
      detail: { ...credentialsLateEvent.detail, late: { count: 1, names: ['a'], behind: true } },
    }
    expect((await weighed(behind)).verdict).toBe('denied')
  })

  test('is found far back in a long history', async () => {
    const tries = Array.from({ length: 350 }, () => ['RetireSecret', {}] as [string, unknown])
    did(['AnnounceSuccess', rotatedEvent.detail], ...tries)
    expect((await weighed(rotatedEvent)).verdict).toBe('proven')
    expect(stepFunctions.calls.length).toBe(4)
  })

  test('that is not in the history yet is early', async () => {
    known.set(executionArn, { entered: [{ state: 'SetSecret', input: {} }], ended: false })
    expect((await weighed(rotationFailedEvent)).verdict).toBe('early')
  })

  test.each([
    'arn:aws:states:eu-west-1:123456789012:execution:keyturn-prod-rotate:0a1b',
    'arn:aws:states:eu-west-1:999999999999:execution:keyturn-test-rotate:0a1b',
    'arn:aws:states:eu-west-1:123456789012:execution:keyturn-test-rotate-own:0a1b',
    `${prefix}`,
    'no ARN',
    undefined,
  ])('that names a foreign execution is denied without a call: %s', async execution => {
    expect(
      (await weighed({ ...rotationFailedEvent, detail: { ...rotationFailedEvent.detail, execution } }))
        .verdict,
    ).toBe('denied')
    expect(stepFunctions.calls).toEqual([])
  })

  test('that names an execution that does not exist is denied', async () => {
    expect((await weighed(rotationFailedEvent)).verdict).toBe('denied')
    expect(stepFunctions.calls).toHaveLength(1)
  })

  test.each(['ThrottlingException', 'AccessDeniedException'])('is unproven: %s', async error => {
    failing = error
    expect(await weighed(rotationFailedEvent)).toMatchObject({
      verdict: 'unknown',
      why: `Step Functions: ${error}`,
    })
  })
})

describe("an event of AWS's services", () => {
  test.each([
    ['Secrets Manager', managedRotationFailedEvent],
    ['Secrets Manager, in the other shape', managedRotationAbandonedEvent],
    ['CloudWatch', cloudWatchAlarmEvent('keyturn-test-late', 'INSUFFICIENT_DATA', '')],
  ])('of %s is true without a call', async (_, event) => {
    expect((await weighed(event)).verdict).toBe('proven')
    expect(stepFunctions.calls).toEqual([])
  })

  test('of Step Functions is true, with the state from the history', async () => {
    did(['SetSecret', rotation], ['Grace', rotation])
    expect(await weighed(executionFailedEvent('ABORTED'))).toMatchObject({
      verdict: 'proven',
      lastState: { state: 'Grace', input: { id: 'shop/database' } },
    })
  })

  test('of Step Functions is true also if the history cannot be read', async () => {
    failing = 'ThrottlingException'
    const found = await weighed(executionFailedEvent('ABORTED'))
    expect(found).toMatchObject({ verdict: 'proven', why: 'Step Functions: ThrottlingException' })
    expect(found).not.toHaveProperty('lastState')
  })
})
