import { expect, test } from 'vitest'
import { type Alarm, lessened, textOf, wellAgain } from '../../../functions/alarm/alarm.ts'
import { readEvent } from '../../../functions/alarm/event.ts'
import { pagerDuty } from '../../../functions/alarm/webhook/pagerduty.ts'
import { slack } from '../../../functions/alarm/webhook/slack.ts'
import { teams } from '../../../functions/alarm/webhook/teams.ts'
import { LockedOut } from '../../../rotation/errors.ts'
import {
  abandoned,
  alarmChange,
  announced,
  ended,
  execution,
  lagging,
  late,
  leftOpen,
  lockedOut,
  managed,
  markedReport,
  parkedReport,
  promoted,
  promotedFound,
  promotionFinished,
  promotionNotReady,
  refused,
  replicasBehind,
  replicated,
  report,
  retirementFailed,
  rotated,
  runFailed,
  statusChange,
  thrown,
} from '../../support/failures.ts'
import { endedIn, guide, read } from './reading.ts'

const url = new URL('https://events.pagerduty.com/v2/enqueue#routing-key')
const { rotation } = lockedOut.detail
const before = {
  ...rotation,
  lockout: thrown(
    'LockedOut',
    new LockedOut('rollbackSecret: shop on db.example.com', 'AWSPREVIOUS logs in').message,
  ),
}
const died = { ...rotation, lockout: { Error: 'Runtime.ExitError', Cause: '' } }
const of = <T extends { detail: object }>(event: T, detail: object) => ({
  ...event,
  detail: { ...event.detail, ...detail },
})
const parameter = { store: 'parameter-store', id: '/shop/database' }

/** Every kind of message, by the name of its files in messages/. */
const alarms: Record<string, Alarm> = {
  'rolled back': read(announced),
  'rolled back, of a parameter': read(
    of(announced, { rotation: { ...announced.detail.rotation, ...parameter } }),
  ),
  lockout: read(lockedOut),
  'lockout from before': read(of(lockedOut, { rotation: before })),
  'lockout from before, again': lessened(read(of(lockedOut, { rotation: before }))),
  'failed, without a severity': read(of(lockedOut, { severity: undefined })),
  'not announced': read(
    statusChange('FAILED', 'TestFailed', 'testSecret: the two users are not equal'),
    'proven',
    endedIn('RotationFailed', announced.detail.rotation),
  ),
  'rollback died, not announced': read(
    ended('FAILED', 'Runtime.ExitError', ''),
    'proven',
    endedIn('RollbackFailed', died),
  ),
  'failed, nobody can tell where': read(ended('FAILED', 'States.Timeout', ''), 'proven', {
    why: 'Step Functions: ThrottlingException',
  }),
  'failed before it began': read(
    ended('FAILED', 'States.Runtime', 'a path is missing'),
    'proven',
    endedIn('CreateSecret'),
  ),
  'stopped midway': read(ended('ABORTED', null, null), 'proven', endedIn('TestSecret', rotation)),
  'stopped before it began': read(ended('ABORTED', null, null), 'proven', endedIn('CreateSecret')),
  'stopped in its grace time': read(ended('ABORTED', null, null), 'proven', endedIn('Grace', rotated.detail)),
  'timed out, nobody can tell where': read(ended('TIMED_OUT', null, null), 'proven', {
    why: 'Step Functions: AccessDeniedException',
  }),
  'retirement failed': read(retirementFailed),
  'retirement failed, of the last release': read(
    statusChange('FAILED', 'Unreachable', 'retireSecret: no answer from db.example.com'),
    'proven',
    endedIn('RetireSecret', rotated.detail),
  ),
  'replicas behind': read(replicasBehind),
  'replicas behind, refused': read(refused),
  'replicas behind, once a day': read(lagging),
  'promoted elsewhere': read(promoted),
  'promoted elsewhere, left open': read(leftOpen),
  'promoted elsewhere, found by a run': read(promotedFound),
  'promotion, not all of it': read(promotionFinished),
  'promotion, not ready': read(promotionNotReady),
  'promotion, not to its end': read({
    ...statusChange('FAILED', 'Throttled', 'findReplicas: DynamoDB: TimeoutError'),
    detail: {
      ...statusChange('FAILED', 'Throttled', 'findReplicas: DynamoDB: TimeoutError').detail,
      stateMachineArn: 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-test-promote',
    },
  }),
  'stays on its clone': read(of(retirementFailed, { state: 'MayMoveBack' })),
  'success not announced': read(
    ended('FAILED', 'EventBridge.ResourceNotFoundException', 'no such bus'),
    'proven',
    endedIn('AnnounceSuccess', rotated.detail),
  ),
  'managed rotation': read(managed),
  'managed rotation, abandoned': read(abandoned),
  report: read(markedReport),
  'report of the last release': read(report),
  parked: read(parkedReport),
  late: read(late),
  'run failed': read(runFailed),
  'CloudWatch, locked out': read(
    alarmChange(
      'keyturn-test-locked-out',
      'ALARM',
      'CRITICAL: an application may be locked out of its database.',
    ),
  ),
  'CloudWatch, dead letters': read(
    alarmChange(
      'keyturn-test-alarm-dead-letters',
      'ALARM',
      'A failed rotation could not be told to everybody.',
    ),
  ),
  'CloudWatch, nobody looks': read(
    alarmChange('keyturn-test-late', 'INSUFFICIENT_DATA', 'Nobody has looked for hours.'),
  ),
  'well again': {
    ...wellAgain({ store: 'secrets-manager', id: 'shop/database', execution }, readEvent(rotated), guide),
    severities: ['error', 'critical'],
  },
  'well again, everywhere': {
    ...wellAgain(
      { store: 'secrets-manager', id: 'shop/database', execution, everywhere: true },
      readEvent(replicated),
      guide,
    ),
    severities: ['error'],
  },
  'not borne out': read(lockedOut, 'denied'),
  'not looked up': read(lockedOut, 'unknown', { why: 'Step Functions: ThrottlingException' }),
  'no input of ours': read(
    of(announced, {
      rotation: { failure: thrown('InvalidInput', 'createSecret: rotation: should be an object') },
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
  const text = `Subject: ${subject}\n\n${textOf(alarm)}`
  expect(subject).toMatch(/^[ -~]{1,100}$/)
  await expect(text).toMatchFileSnapshot(`${file(name)}.txt`)
  expect({ title, severity, incident, key }).toMatchObject({
    severity: expect.stringMatching(/^(critical|error|ok)$/),
    title: expect.stringMatching(new RegExp(`^${severity.toUpperCase()}`)),
  })
})

test.each(Object.entries(alarms))('%s: to the webhook', async (name, alarm) => {
  const messages = [slack, teams, pagerDuty].map(service => [
    service.name,
    service.messages([alarm], url).map(({ body }) => body),
  ])
  await expect(pretty(Object.fromEntries(messages))).toMatchFileSnapshot(`${file(name)}.json`)
})

test('many at once, to the webhook', async () => {
  const { critical = [], error = [] } = Object.groupBy(Object.values(alarms), ({ severity }) => severity)
  const all = [...critical, ...error]
  const messages = [slack, teams, pagerDuty].map(service => [
    service.name,
    service.messages(all, url).map(({ body }) => body),
  ])
  await expect(pretty(Object.fromEntries(messages))).toMatchFileSnapshot(`${file('many at once')}.json`)
})
