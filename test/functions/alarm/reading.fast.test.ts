import { describe, expect, test } from 'vitest'
import { downgradeToError, mailTextOf } from '../../../functions/alarm/alarm.ts'
import { pagerDuty } from '../../../functions/alarm/webhook/pagerduty.ts'
import {
  cloudWatchAlarmEvent,
  credentialsLateEvent,
  criticalReportEvent,
  executionArn,
  executionEndedEvent,
  executionFailedEvent,
  lockedOutEvent,
  managedRotationFailedEvent,
  rotationFailedEvent,
  runFailedEvent,
  runReportEvent,
} from '../../support/alarmEvents.ts'
import { endedIn, read, runbook } from './reading.ts'

const name = executionArn.split(':').at(-1) ?? ''
const anchor = (event: unknown, ...more: [] | [ReturnType<typeof endedIn>]) =>
  read(event, 'proven', ...more).runbook.split('#')[1]

describe('the state in which an execution ended gives the severity', () => {
  const failed = executionEndedEvent('FAILED', 'States.Timeout', '')
  const stopped = executionEndedEvent('ABORTED', null, null)
  test.each([
    ['CreateSecret', 'error', 'error'],
    ['DiscardSecret', 'error', 'error'],
    ['RollbackAbandoned', 'critical', 'critical'],
    ['Rehearse', 'error', 'error'],
    ['RehearseRollback', 'error', 'error'],
    ['AtRehearseTest', 'error', 'error'],
    ['Rehearsed', 'error', 'error'],
    ['SetSecret', 'critical', 'critical'],
    ['TestSecret', 'critical', 'critical'],
    ['FinishSecret', 'critical', 'critical'],
    ['RollbackSecret', 'critical', 'critical'],
    ['HadFinished', 'error', 'error'],
    ['AnnounceFailure', 'error', 'error'],
    ['RotationFailed', 'error', 'error'],
    ['AnnounceLockout', 'critical', 'critical'],
    ['RollbackFailed', 'critical', 'critical'],
    ['AnnounceSuccess', 'error', 'error'],
    ['MustRetire', 'error', 'error'],
    ['Grace', 'error', 'error'],
    ['RetireSecret', 'error', 'error'],
    ['StayOnClone', 'error', 'error'],
    ['MayMoveBack', 'error', 'error'],
    ['MoveBack', 'error', 'error'],
    ['a state of another release', 'critical', 'critical'],
  ])('in %s: severity %s if it failed, %s if it was stopped', (state, ifFailed, ifStopped) => {
    expect(read(failed, 'proven', endedIn(state)).severity).toBe(ifFailed)
    expect(read(stopped, 'proven', endedIn(state)).severity).toBe(ifStopped)
  })

  test.each([
    ['FAILED', 'LockedOut', 'rollbackSecret: no value logs in', 'critical', 'lockedout'],
    ['FAILED', 'Unreachable', 'rollbackSecret: no answer', 'critical', 'lockedout'],
    ['FAILED', 'TestFailed', 'testSecret: the test query failed', 'error', 'testfailed'],
    [
      'FAILED',
      'NotPermitted',
      'rollbackSecret: in the rehearsal, before anything was changed: no',
      'error',
      'notpermitted',
    ],
    // Text further behind may be the name of a user.
    [
      'FAILED',
      'Unreachable',
      'rollbackSecret: login as : in the rehearsal, before anything was changed: x on db: no',
      'critical',
      'lockedout',
    ],
    ['FAILED', 'Unreachable', 'retireSecret: no answer', 'error', 'retiresecret-failed'],
    ['FAILED', 'StepFunctions.SdkClientException', 'no answer', 'error', 'retiresecret-failed'],
    ['FAILED', 'EventBridge.FailedEntry', 'no such bus', 'error', 'announcesuccess-failed'],
    // The state is not known.
    ['FAILED', 'States.Timeout', 'something', 'critical', 'execution-failed'],
    ['FAILED', 'Runtime.ExitError', 'something', 'critical', 'execution-failed'],
    ['FAILED', undefined, undefined, 'critical', 'execution-failed'],
    ['TIMED_OUT', undefined, undefined, 'critical', 'execution-failed'],
  ])(
    'without a history, %s with %s, %s: severity %s, and the runbook’s entry %s',
    (status, error, message, severity, entry) => {
      const alarm = read(executionFailedEvent(status, error, message))
      expect(alarm).toMatchObject({ severity, runbook: `${runbook}#${entry}` })
    },
  )
})

describe('keys and names', () => {
  test('an execution has a key of its own, and its credential another', () => {
    expect(read(rotationFailedEvent)).toMatchObject({
      key: `execution ${name}`,
      otherKeys: ['secret secrets-manager shop/database'],
      incident: 'keyturn secrets-manager shop/database',
      credential: 'secrets-manager shop/database',
    })
    expect(read(lockedOutEvent).incident).toBe('keyturn secrets-manager shop/database critical')
    expect(downgradeToError(read(lockedOutEvent)).incident).toBe('keyturn secrets-manager shop/database')
    expect(read(managedRotationFailedEvent)).toMatchObject({
      key: 'secret secrets-manager shop/database',
      credential: 'secrets-manager shop/database',
    })
  })

  test('a secret and a parameter of one name are two credentials', () => {
    const rotation = { ...rotationFailedEvent.detail.rotation, store: 'parameter-store' }
    const other = read({ ...rotationFailedEvent, detail: { ...rotationFailedEvent.detail, rotation } })
    expect(other.incident).toBe('keyturn parameter-store shop/database')
    expect(other.subject).toBe('ERROR TestFailed: rotation of parameter shop/database failed')
  })

  test('an unproven event silences nothing, joins nothing and opens nothing', () => {
    for (const worth of ['denied', 'early', 'unknown'] as const) {
      const alarm = read(lockedOutEvent, worth)
      expect(alarm).toMatchObject({ key: 'event event-2', otherKeys: [] })
      expect(alarm).not.toHaveProperty('credential')
      expect(alarm).not.toHaveProperty('reportedExecution')
      expect(alarm.incident).toMatch(/^keyturn event event-2/)
      expect(alarm.severity).toBe(worth === 'unknown' ? 'critical' : 'error')
    }
  })

  test('two events without an id have different names', () => {
    expect(read({ a: 1, source: 'a' }).key).toEqual(read({ source: 'a' }).key)
    expect(read({ source: 'a' }).key).not.toEqual(read({ source: 'b' }).key)
  })

  test('two long names are two incidents, and two subjects', () => {
    const of = (last: string) => {
      const rotation = { ...rotationFailedEvent.detail.rotation, id: `${'x'.repeat(500)}/${last}` }
      return read({ ...rotationFailedEvent, detail: { ...rotationFailedEvent.detail, rotation } })
    }
    const [one, two] = [of('one'), of('two')]
    const url = new URL('https://events.pagerduty.com/v2/enqueue#key')
    const [a, b] = pagerDuty.messages([one, two], url).map(({ body }) => body as Record<string, string>)
    expect(a?.dedup_key).not.toBe(b?.dedup_key)
    expect(a?.dedup_key?.length).toBeLessThanOrEqual(255)
    expect(one.subject).toMatch(/^ERROR TestFailed: rotation of secret \.\.\.x+\/one failed$/)
    expect(two.subject).toHaveLength(99)
  })
})

describe('whatever comes', () => {
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
    { 'detail-type': 'CloudWatch Alarm State Change', detail: { state: 7 } },
  ])('this event becomes an alarm: %j', event => {
    const alarm = read(event)
    expect(alarm.key.length).toBeGreaterThan(0)
    expect(alarm.happenedAt).toBeGreaterThan(Date.now() - 60_000)
    expect(mailTextOf(alarm)).toMatch(/^[A-Z].*\.\n\n/)
    expect(mailTextOf(alarm)).toContain('Severity:')
    expect(alarm.runbook).toMatch(/^docs\/runbook\.md#[a-z-]+$/)
  })

  test('an unknown input gives an alarm about the failure, without the input', () => {
    const failure = { Error: 'InvalidInput', Cause: '{"errorMessage":"createSecret: id: should be"}' }
    const rotation = { id: { password: 'Hidden-1' }, token: 'Hidden-2', failure }
    const alarm = read({ ...rotationFailedEvent, detail: { ...rotationFailedEvent.detail, rotation } })
    expect(alarm.subject).toBe('ERROR InvalidInput: rotation of a credential failed')
    expect(mailTextOf(alarm)).not.toContain('Hidden')
  })

  test('a subject is printable ASCII and short, a cause is one line and short', () => {
    const failure = { Error: 'Lambda.Unknown', Cause: `tür\n\n${'x'.repeat(999)}` }
    const detail = {
      ...rotationFailedEvent.detail,
      rotation: { id: `schlüssel\n${'y'.repeat(512)}`, failure },
    }
    const alarm = read({ ...rotationFailedEvent, detail })
    expect(alarm.subject).toMatch(/^ERROR Lambda.Unknown: rotation of credential \.\.\.y+ failed$/)
    expect(alarm.subject).toHaveLength(99)
    expect(alarm.title).toContain('schlüssel yyy')
    expect(new Map(alarm.facts).get('Cause')).toBe(`tür ${'x'.repeat(293)}...`)
    expect(alarm.runbook).toBe('docs/runbook.md#execution-failed')
  })

  const consoleOf = (arn: string) =>
    read({ ...rotationFailedEvent, detail: { ...rotationFailedEvent.detail, execution: arn } }).console

  test.each([
    ['aws-cn', 'cn-north-1', 'https://cn-north-1.console.amazonaws.cn/states/home'],
    ['aws-us-gov', 'us-gov-west-1', 'https://us-gov-west-1.console.amazonaws-us-gov.com/states/home'],
  ])('the console’s address is that of %s', (partition, region, url) => {
    expect(
      consoleOf(`arn:${partition}:states:${region}:123456789012:execution:keyturn-rotate:${name}`),
    ).toContain(url)
  })

  test.each([
    `arn:aws:states:evil.example/:123456789012:execution:keyturn-rotate:${name}`,
    `arn:aws:states:eu-west-1@evil.example:123456789012:execution:keyturn-rotate:${name}`,
    `arn:constructor:states:eu-west-1:123456789012:execution:keyturn-rotate:${name}`,
    'arn:aws:states:eu-west-1:123456789012:execution:keyturn-rotate:a|<https://evil.example>',
    'javascript:alert(1)',
  ])('no link leads anywhere else: %s', arn => {
    expect(consoleOf(arn)).toBeUndefined()
  })
})

describe('rotations that rotate-due started', () => {
  test('join its report if they were rolled back', () => {
    expect(read(rotationFailedEvent).reportedExecution).toBe(name)
    const end = executionFailedEvent('FAILED', 'TestFailed', 'testSecret: no')
    expect(read(end, 'proven', endedIn('RotationFailed')).reportedExecution).toBe(name)
  })

  test('do not join it if critical, stopped, or failed after the rotation', () => {
    const undone = structuredClone(lockedOutEvent)
    undone.detail.rotation.lockout.Error = 'Unreachable'
    for (const event of [lockedOutEvent, undone, executionEndedEvent('ABORTED', null, null)])
      expect(read(event)).not.toHaveProperty('reportedExecution')
    for (const state of ['RollbackFailed', 'RetireSecret', 'AnnounceSuccess'])
      expect(
        read(executionEndedEvent('FAILED', 'Unreachable', ''), 'proven', endedIn(state)),
      ).not.toHaveProperty('reportedExecution')
  })

  test.each([
    ['keyturn-late-alarm-dead-letters', 'telling-failed'],
    ['keyturn-record-late-late', 'late-credentials'],
    ['keyturn-start-locked-out', 'lockedout'],
    ['keyturn-late-start-dead-letters', 'start-or-watch-failed'],
    ['keyturn-start-it-record-dead-letters', 'recording-failed'],
  ])('of CloudWatch lead to the entry of the alarm, whatever word the stage is: %s', (name, entry) => {
    expect(anchor(cloudWatchAlarmEvent(name, 'ALARM', 'Something is wrong.'))).toBe(entry)
  })

  test('are not grouped by anything in the input', () => {
    const rotation = { ...rotationFailedEvent.detail.rotation, group: 'forged' }
    const alarm = read({ ...rotationFailedEvent, detail: { ...rotationFailedEvent.detail, rotation } })
    expect(JSON.stringify(alarm)).not.toContain('forged')
  })

  test('have a report with the critical failures first, and the runbook’s entry', () => {
    const alarm = read(criticalReportEvent)
    expect(alarm).toMatchObject({
      key: 'report run-1 db.example.com:5432',
      severity: 'critical',
      subject: 'CRITICAL: 52 rotations on db.example.com:5432 failed',
    })
    const kinds = alarm.facts.slice(3, 5)
    expect(kinds.map(([label]) => label)).toEqual(['CRITICAL LockedOut', 'Unreachable'])
    expect(kinds[0]?.[1]).toMatch(/^2: secrets-manager shop\/database, .*; see docs\/runbook\.md#lockedout$/)
  })

  test('are counted by severity if they do not fit into the report', () => {
    const names = Array.from({ length: 50 }, (_, n) => `parameter-store /${'x'.repeat(150)}/${n}`)
    const [error, critical] = criticalReportEvent.detail.report.failures
    const failures = [
      { ...error, count: 90, names },
      { ...critical, count: 60, names },
    ]
    const detail = {
      ...criticalReportEvent.detail,
      report: { ...criticalReportEvent.detail.report, failures },
    }
    const { facts } = read({ ...criticalReportEvent, detail })
    const counted = facts.slice(3, 5).map(([label, value]) => [label, / and (\d+) more;/.exec(value)?.[1]])
    expect(counted).toEqual([
      ['CRITICAL LockedOut', '43'],
      ['Unreachable', '73'],
    ])
  })

  test('have a report that can be read if it is of the last release, of several errors, or unreadable', () => {
    expect(read(runReportEvent)).toMatchObject({
      severity: 'error',
      subject: 'ERROR Unreachable: 52 rotations on db.example.com:5432 failed',
      runbook: 'docs/runbook.md#unreachable',
    })
    const { failures } = runReportEvent.detail.report
    const other = { error: 'TestFailed', reason: '', count: 1, names: ['secrets-manager c'] }
    const several = { ...runReportEvent.detail, severity: 'critical' }
    several.report = { ...runReportEvent.detail.report, failures: [...failures, other] }
    expect(read({ ...runReportEvent, detail: several })).toMatchObject({
      severity: 'critical',
      subject: 'CRITICAL: 52 rotations on db.example.com:5432 failed',
      runbook: 'docs/runbook.md#several-rotations-failed',
      facts: expect.arrayContaining([['TestFailed', '1: secrets-manager c']]),
    })
    // The severity is not known.
    expect(read({ ...runReportEvent, detail: {} })).toMatchObject({
      severity: 'critical',
      subject: 'CRITICAL: 0 rotations failed',
    })
  })

  test('have an entry of the runbook even for an unknown error, or one before any rotation', () => {
    const { failures } = runReportEvent.detail.report
    const of = (error: string) => {
      const detail = {
        ...runReportEvent.detail,
        report: { ...runReportEvent.detail.report, failures: [{ ...failures[0], error }] },
      }
      return anchor({ ...runReportEvent, detail })
    }
    expect(['Lambda.Unknown', 'NotKnown', 'TlsFailed'].map(of)).toEqual([
      'execution-failed',
      'start-or-watch-failed',
      'tlsfailed',
    ])
  })

  test('have an alarm of their own for a day if they are late', () => {
    const alarm = read(credentialsLateEvent)
    expect(alarm).toMatchObject({
      severity: 'error',
      happenedAt: Date.parse('2026-11-21T00:00:00Z'),
      subject: 'ERROR: 60 credentials are late',
      headline: 'Credentials should have rotated and have not.',
      facts: expect.arrayContaining([['Late', 'parameter-store /a, secrets-manager b and 58 more']]),
      runbook: 'docs/runbook.md#late-credentials',
      findings: ['parameter-store /a', 'secrets-manager b'],
    })
    expect(read({ ...credentialsLateEvent, id: 'again', time: '2026-11-21T23:59:00Z' })).toMatchObject({
      key: alarm.key,
      happenedAt: alarm.happenedAt,
    })
    expect(read({ ...credentialsLateEvent, time: '2026-11-22T00:01:00Z' }).key).not.toBe(alarm.key)
    expect(alarm.key.length).toBeLessThan(100)
  })

  test('have an alarm of their own if their run failed', () => {
    expect(read(runFailedEvent)).toMatchObject({
      key: 'run failed HostLost',
      happenedAt: Date.parse('2026-11-21T00:00:00Z'),
      severity: 'error',
      subject: 'ERROR HostLost: a run of what was due failed',
      runbook: 'docs/runbook.md#run-failed',
    })
    const detail = { ...runFailedEvent.detail, status: 'TIMED_OUT', error: null, cause: null }
    expect(read({ ...runFailedEvent, detail })).toMatchObject({
      severity: 'error',
      subject: 'ERROR TIMED_OUT: a run of what was due failed',
    })
  })
})
