import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { readEvent } from '../../../functions/alarm/event.ts'
import { weigh } from '../../../functions/alarm/evidence.ts'
import { Histories } from '../../../functions/alarm/histories.ts'
import {
  abandoned,
  alarmChange,
  announced,
  execution,
  lagging,
  late,
  lockedOut,
  managed,
  markedReport,
  parkedReport,
  promotionFinished,
  promotionNotReady,
  replicasBehind,
  retirementFailed,
  rotated,
  statusChange,
} from '../../support/failures.ts'
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

const weighed = (event: unknown) => weigh(readEvent(event), histories, AbortSignal.timeout(3_000))
const { rotation } = announced.detail
const did = (...entered: [state: string, input: unknown][]) =>
  known.set(execution, { entered: entered.map(([state, input]) => ({ state, input })) })

const replicated = { ...rotated, 'detail-type': 'Credential Replicated' }

describe('an announcement', () => {
  test('is true if its execution entered the state that makes it; what is told is what the history says', async () => {
    did(['AnnounceLockout', lockedOut.detail.rotation], ['RollbackFailed', lockedOut.detail.rotation])
    const forged = {
      ...lockedOut,
      detail: { ...lockedOut.detail, severity: 'error', rotation: { id: 'other' } },
    }
    const { worth, event } = await weighed(forged)
    expect(worth).toBe('proven')
    expect(event.detail).toMatchObject({
      severity: 'critical',
      rotation: { id: 'shop/database', store: 'secrets-manager' },
    })
    expect(Date.parse(event.time ?? '')).toBe(1_795_255_200_000)
  })

  test.each([
    ['Credential Rotation Failed', announced, 'AnnounceFailure', rotation],
    [
      'Credential Retirement Failed',
      retirementFailed,
      'AnnounceRetirementFailure',
      { ...retirementFailed.detail.rotation, failedState: 'RetireSecret' },
    ],
    ['Credential Rotated', rotated, 'AnnounceSuccess', rotated.detail],
    ['Credential Replicas Behind', replicasBehind, 'AnnounceReplicasBehind', replicasBehind.detail.rotation],
    ['Credential Replicated', replicated, 'AnnounceReplicated', replicated.detail],
    [
      'Credential Rotations Failed',
      markedReport,
      'AnnounceFailures',
      { report: markedReport.detail.report, name: markedReport.detail.group },
    ],
    [
      'Credential Rotations Failed, of a server that does not answer',
      parkedReport,
      'AnnounceFailures',
      { report: parkedReport.detail.report, group: { name: parkedReport.detail.group, host: 'db' } },
    ],
    ['Credentials Late', late, 'AnnounceLate', { late: late.detail.late }],
    ['Credentials Late, in parts', late, 'AnnounceLate', late.detail.late],
    ['Promotion Finished', promotionFinished, 'AnnouncePromotion', promotionFinished.detail.promotion],
    ['Promotion Not Ready', promotionNotReady, 'AnnounceNotReady', promotionNotReady.detail.promotion],
    ['Credentials Late, of replicas', lagging, 'AnnounceLate', lagging.detail.late],
  ])('%s', async (_, event, state, input) => {
    const arn = event.detail.execution
    known.set(arn, { entered: [{ state: 'Another', input: {} }] })
    expect((await weighed(event)).worth).toBe('denied')
    known.set(arn, { entered: [{ state, input }] })
    const { worth, event: read } = await weighed(event)
    expect(worth).toBe('proven')
    const { execution: __, ...detail } = readEvent(event).detail ?? {}
    expect(read.detail).toMatchObject(JSON.parse(JSON.stringify(detail)))
  })

  test('of a list, the part has to be the one that was announced', async () => {
    const parts = [
      { count: 1, names: ['a'] },
      { count: 1, names: ['b'] },
      { count: 1, names: ['c'] },
    ]
    known.set(late.detail.execution, { entered: parts.map(input => ({ state: 'AnnounceLate', input })) })
    const of = (names: string[]) => ({ ...late, detail: { ...late.detail, late: { count: 1, names } } })
    expect((await weighed(of(['a']))).worth).toBe('proven')
    expect((await weighed(of(['d']))).worth).toBe('denied')
    const behind = { ...late, detail: { ...late.detail, late: { count: 1, names: ['a'], behind: true } } }
    expect((await weighed(behind)).worth).toBe('denied')
  })

  test('far back in a long history it is found', async () => {
    const tries = Array.from({ length: 350 }, () => ['RetireSecret', {}] as [string, unknown])
    did(['AnnounceSuccess', rotated.detail], ...tries)
    expect((await weighed(rotated)).worth).toBe('proven')
    expect(stepFunctions.calls.length).toBe(4)
  })

  test('that its execution has not made yet is early', async () => {
    known.set(execution, { entered: [{ state: 'SetSecret', input: {} }], ended: false })
    expect((await weighed(announced)).worth).toBe('early')
  })

  test.each([
    'arn:aws:states:eu-west-1:123456789012:execution:keyturn-prod-rotate:0a1b',
    'arn:aws:states:eu-west-1:999999999999:execution:keyturn-test-rotate:0a1b',
    'arn:aws:states:eu-west-1:123456789012:execution:keyturn-test-rotate-own:0a1b',
    `${prefix}`,
    'no ARN',
    undefined,
  ])('that names an execution of somebody else is denied without a call: %s', async execution => {
    expect((await weighed({ ...announced, detail: { ...announced.detail, execution } })).worth).toBe('denied')
    expect(stepFunctions.calls).toEqual([])
  })

  test('that names an execution that there is not is denied', async () => {
    expect((await weighed(announced)).worth).toBe('denied')
    expect(stepFunctions.calls).toHaveLength(1)
  })

  test.each(['ThrottlingException', 'AccessDeniedException'])('nobody can tell: %s', async error => {
    failing = error
    expect(await weighed(announced)).toMatchObject({ worth: 'unknown', why: `Step Functions: ${error}` })
  })
})

describe("what AWS's services say is true", () => {
  test.each([
    ['Secrets Manager', managed],
    ['Secrets Manager, in the other shape', abandoned],
    ['CloudWatch', alarmChange('keyturn-test-late', 'INSUFFICIENT_DATA', '')],
  ])('%s: without a look', async (_, event) => {
    expect((await weighed(event)).worth).toBe('proven')
    expect(stepFunctions.calls).toEqual([])
  })

  test('Step Functions: with a look at the state it ended in', async () => {
    did(['SetSecret', rotation], ['Grace', rotation])
    expect(await weighed(statusChange('ABORTED'))).toMatchObject({
      worth: 'proven',
      last: { state: 'Grace', input: { id: 'shop/database' } },
    })
  })

  test('Step Functions, and it cannot be looked up: still true', async () => {
    failing = 'ThrottlingException'
    const found = await weighed(statusChange('ABORTED'))
    expect(found).toMatchObject({ worth: 'proven', why: 'Step Functions: ThrottlingException' })
    expect(found).not.toHaveProperty('last')
  })
})
