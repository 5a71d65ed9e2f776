import { expect, test } from 'vitest'
import { type Alarm, downgradeToError, mailTextOf } from '../../../functions/alarm/alarm.ts'
import { readEvent } from '../../../functions/alarm/event.ts'
import { recoveryAlarmOf } from '../../../functions/alarm/readAlarm.ts'
import { services } from '../../../functions/alarm/webhook/webhook.ts'
import { LockedOut } from '../../../rotation/errors.ts'
import {
  causeOf,
  cloudWatchAlarmEvent,
  credentialsLateEvent,
  criticalReportEvent,
  executionArn,
  executionEndedEvent,
  executionFailedEvent,
  laggingReplicasEvent,
  leftOpenEvent,
  lockedOutEvent,
  managedRotationAbandonedEvent,
  managedRotationFailedEvent,
  parkedReportEvent,
  promotedElsewhereEvent,
  promotedFoundEvent,
  promotionFinishedEvent,
  promotionNotReadyEvent,
  replicasBehindEvent,
  replicatedEvent,
  retirementFailedEvent,
  rotatedEvent,
  rotationFailedEvent,
  rotationRefusedEvent,
  runFailedEvent,
  runReportEvent,
} from '../../support/alarmEvents.ts'
import { endedIn, guide, read } from './reading.ts'

const url = new URL('https://events.pagerduty.com/v2/enqueue#routing-key')
const { rotation } = lockedOutEvent.detail
const before = {
  ...rotation,
  lockout: causeOf(
    'LockedOut',
    LockedOut.before('rollbackSecret: shop on db.example.com', 'AWSPREVIOUS logs in').message,
  ),
}
const died = { ...rotation, lockout: { Error: 'Runtime.ExitError', Cause: '' } }
const of = <T extends { detail: object }>(event: T, detail: object) => ({
  ...event,
  detail: { ...event.detail, ...detail },
})
const parameter = { store: 'parameter-store', id: '/shop/database' }

/** An alarm for every kind of message, by the name of its files in messages/. */
const alarms: Record<string, Alarm> = {
  'rolled back': read(rotationFailedEvent),
  'rolled back, of a parameter': read(
    of(rotationFailedEvent, { rotation: { ...rotationFailedEvent.detail.rotation, ...parameter } }),
  ),
  lockout: read(lockedOutEvent),
  'lockout from before': read(of(lockedOutEvent, { rotation: before })),
  'lockout from before, again': downgradeToError(read(of(lockedOutEvent, { rotation: before }))),
  'failed, without a severity': read(of(lockedOutEvent, { severity: undefined })),
  'not announced': read(
    executionFailedEvent('FAILED', 'TestFailed', 'testSecret: the two users are not equal'),
    'proven',
    endedIn('RotationFailed', rotationFailedEvent.detail.rotation),
  ),
  'rollback died, not announced': read(
    executionEndedEvent('FAILED', 'Runtime.ExitError', ''),
    'proven',
    endedIn('RollbackFailed', died),
  ),
  'failed, nobody can tell where': read(executionEndedEvent('FAILED', 'States.Timeout', ''), 'proven', {
    why: 'Step Functions: ThrottlingException',
  }),
  'failed before it began': read(
    executionEndedEvent('FAILED', 'States.Runtime', 'a path is missing'),
    'proven',
    endedIn('CreateSecret'),
  ),
  'stopped midway': read(
    executionEndedEvent('ABORTED', null, null),
    'proven',
    endedIn('TestSecret', rotation),
  ),
  'stopped before it began': read(
    executionEndedEvent('ABORTED', null, null),
    'proven',
    endedIn('CreateSecret'),
  ),
  'stopped in its grace time': read(
    executionEndedEvent('ABORTED', null, null),
    'proven',
    endedIn('Grace', rotatedEvent.detail),
  ),
  'timed out, nobody can tell where': read(executionEndedEvent('TIMED_OUT', null, null), 'proven', {
    why: 'Step Functions: AccessDeniedException',
  }),
  'retirement failed': read(retirementFailedEvent),
  'retirement failed, of the last release': read(
    executionFailedEvent('FAILED', 'Unreachable', 'retireSecret: no answer from db.example.com'),
    'proven',
    endedIn('RetireSecret', rotatedEvent.detail),
  ),
  'replicas behind': read(replicasBehindEvent),
  'replicas behind, refused': read(rotationRefusedEvent),
  'replicas behind, once a day': read(laggingReplicasEvent),
  'promoted elsewhere': read(promotedElsewhereEvent),
  'promoted elsewhere, left open': read(leftOpenEvent),
  'promoted elsewhere, found by a run': read(promotedFoundEvent),
  'promotion, not all of it': read(promotionFinishedEvent),
  'promotion, not ready': read(promotionNotReadyEvent),
  'promotion, not to its end': read({
    ...executionFailedEvent('FAILED', 'Throttled', 'findReplicas: DynamoDB: TimeoutError'),
    detail: {
      ...executionFailedEvent('FAILED', 'Throttled', 'findReplicas: DynamoDB: TimeoutError').detail,
      stateMachineArn: 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-test-promote',
    },
  }),
  'stays on its clone': read(of(retirementFailedEvent, { state: 'MayMoveBack' })),
  'success not announced': read(
    executionEndedEvent('FAILED', 'EventBridge.ResourceNotFoundException', 'no such bus'),
    'proven',
    endedIn('AnnounceSuccess', rotatedEvent.detail),
  ),
  'managed rotation': read(managedRotationFailedEvent),
  'managed rotation, abandoned': read(managedRotationAbandonedEvent),
  report: read(criticalReportEvent),
  'report of the last release': read(runReportEvent),
  parked: read(parkedReportEvent),
  late: read(credentialsLateEvent),
  'run failed': read(runFailedEvent),
  'CloudWatch, locked out': read(
    cloudWatchAlarmEvent(
      'keyturn-test-locked-out',
      'ALARM',
      'CRITICAL: an application may be locked out of its database.',
    ),
  ),
  'CloudWatch, dead letters': read(
    cloudWatchAlarmEvent(
      'keyturn-test-alarm-dead-letters',
      'ALARM',
      'A failed rotation could not be told to everybody.',
    ),
  ),
  'CloudWatch, nobody looks': read(
    cloudWatchAlarmEvent('keyturn-test-late', 'INSUFFICIENT_DATA', 'Nobody has looked for hours.'),
  ),
  'well again': {
    ...recoveryAlarmOf(
      { store: 'secrets-manager', id: 'shop/database', execution: executionArn },
      readEvent(rotatedEvent),
      guide,
    ),
    recoveredSeverities: ['error', 'critical'],
  },
  'well again, everywhere': {
    ...recoveryAlarmOf(
      { store: 'secrets-manager', id: 'shop/database', execution: executionArn, replicasFollowed: true },
      readEvent(replicatedEvent),
      guide,
    ),
    recoveredSeverities: ['error'],
  },
  'not borne out': read(lockedOutEvent, 'denied'),
  'not looked up': read(lockedOutEvent, 'unknown', { why: 'Step Functions: ThrottlingException' }),
  'no input of ours': read(
    of(rotationFailedEvent, {
      rotation: { failure: causeOf('InvalidInput', 'createSecret: rotation: should be an object') },
    }),
  ),
  unreadable: read({
    id: 'event-6',
    time: '2026-11-21T10:00:00Z',
    source: 'somebody',
    'detail-type': 'Something',
    detail: { password: 'Hidden-1' },
  }),
}

const file = (name: string) => `./messages/${name.replaceAll(/[^\w]+/g, '-')}`
const pretty = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`

test.each(Object.entries(alarms))('%s: as a mail', async (name, alarm) => {
  const { subject, title, severity, incident, key } = alarm
  const text = `Subject: ${subject}\n\n${mailTextOf(alarm)}`
  expect(subject).toMatch(/^[ -~]{1,99}$/)
  await expect(text).toMatchFileSnapshot(`${file(name)}.txt`)
  expect({ title, severity, incident, key }).toMatchObject({
    severity: expect.stringMatching(/^(critical|error|ok)$/),
    title: expect.stringMatching(new RegExp(`^${severity.toUpperCase()}`)),
  })
})

test.each(Object.entries(alarms))('%s: to the webhook', async (name, alarm) => {
  const messages = services.map(service => [
    service.name,
    service.messages([alarm], url).map(({ body }) => body),
  ])
  await expect(pretty(Object.fromEntries(messages))).toMatchFileSnapshot(`${file(name)}.json`)
})

test('many at once, to the webhook', async () => {
  const { critical = [], error = [] } = Object.groupBy(Object.values(alarms), ({ severity }) => severity)
  const all = [...critical, ...error]
  const messages = services.map(service => [service.name, service.messages(all, url).map(({ body }) => body)])
  await expect(pretty(Object.fromEntries(messages))).toMatchFileSnapshot(`${file('many at once')}.json`)
})
