import { beforeAll, describe, expect, test } from 'vitest'
import {
  cloudWatchAlarmEvent,
  credentialsLateEvent,
  executionFailedEvent,
  lockedOutEvent,
  managedRotationAbandonedEvent,
  managedRotationFailedEvent,
  parameterPolicyEvent,
  parkedReportEvent,
  replicasBehindEvent,
  retirementFailedEvent,
  rotatedEvent,
  rotationFailedEvent,
  runReportEvent,
} from '../support/alarmEvents.ts'
import { deployed, packageStack } from './package.ts'
import { hasRuler, matching } from './ruler.ts'

type Event = { 'detail-type': string; detail: object }
const of = (event: Event, detail: object, more: object = {}) => ({
  ...event,
  ...more,
  detail: { ...event.detail, ...detail },
})
const rotate = 'RotateStateMachine'
const run = 'RotateDueStateMachine'
const change = (status: string, stateMachineArn = rotate) =>
  of(executionFailedEvent(status), { stateMachineArn })
const ownExecution = rotationFailedEvent.detail.execution
const child = runReportEvent.detail.execution
const alarm = (name: string, value: string) =>
  ({ ...cloudWatchAlarmEvent(name, value, ''), resources: [`${name}.Arn`] }) as Event
const policy = (detail: Record<string, string>) => of(parameterPolicyEvent, detail)

/** Events as AWS documents them and as the state machines send them, each with the rules that must match it. */
const events: [what: string, event: object, ...rules: string[]][] = [
  ['a rotation that failed', rotationFailedEvent, 'RotationFailedRule', 'RotationAnnouncedRule'],
  ['a lockout', lockedOutEvent, 'LockoutRule', 'RotationAnnouncedRule'],
  [
    'a failure of a severity that nobody knows',
    of(rotationFailedEvent, { severity: 'fatal' }),
    'LockoutRule',
    'RotationAnnouncedRule',
  ],
  [
    'a failure without a severity',
    of(rotationFailedEvent, { severity: undefined }),
    'LockoutRule',
    'RotationAnnouncedRule',
  ],
  [
    'a failure whose severity is no text',
    of(rotationFailedEvent, { severity: { is: 'error' } }),
    'LockoutRule',
    'RotationAnnouncedRule',
  ],
  ['several rotations that failed', runReportEvent, 'RotationFailedRule'],
  ['several, some of them critical', of(runReportEvent, { severity: 'critical' }), 'LockoutRule'],
  ['several, without a severity', of(runReportEvent, { severity: undefined }), 'LockoutRule'],
  [
    'what was replaced could not be closed',
    retirementFailedEvent,
    'RotationFailedRule',
    'RotationAnnouncedRule',
  ],
  ['a Region that does not follow', replicasBehindEvent, 'RotationFailedRule', 'RotationAnnouncedRule'],
  [
    'one that does again',
    { ...rotatedEvent, 'detail-type': 'Credential Replicated' },
    'RotationFailedRule',
    'RotationAnnouncedRule',
  ],
  ['credentials that are late', credentialsLateEvent, 'RotationFailedRule'],
  [
    'a rotation that went well, as it may make up for a failure',
    rotatedEvent,
    'RotationFailedRule',
    'RotationAnnouncedRule',
  ],
  [
    'an admin that was named',
    of(
      { ...rotatedEvent, 'detail-type': 'Credential Admin Set' },
      { execution: ownExecution.replace('-rotate:', '-set-admin:') },
    ),
    'RotationAnnouncedRule',
  ],
  ['a run that came to its end', { ...rotatedEvent, 'detail-type': 'Due Rotations Finished' }],
  ["another application's event", { ...rotationFailedEvent, source: 'app' }],
  ["another account's", { ...lockedOutEvent, account: '999999999999' }],
  [
    "another account's, of its own stack",
    of(rotationFailedEvent, { execution: ownExecution.replace('123456789012', '999999999999') }),
  ],
  ["another stage's", of(rotationFailedEvent, { execution: ownExecution.replace('-test-', '-prod-') })],
  [
    "another stage's whose name begins alike",
    of(rotationFailedEvent, { execution: ownExecution.replace('-rotate:', '-rotate-2:') }),
  ],
  ['of another stage, critical', of(lockedOutEvent, { execution: ownExecution.replace('-test-', '-prod-') })],
  ['of no execution', of(lockedOutEvent, { execution: undefined })],
  ['a server that does not answer', parkedReportEvent, 'RotationFailedRule'],
  ["of a run's child", of(runReportEvent, { execution: child }), 'RotationFailedRule'],
  ['Secrets Manager: failed', managedRotationFailedEvent, 'ManagedRotationFailedRule'],
  [
    'Secrets Manager: abandoned, in the other shape',
    managedRotationAbandonedEvent,
    'ManagedRotationFailedRule',
  ],
  ['Secrets Manager: started', of(managedRotationFailedEvent, { eventName: 'RotationStarted' })],
  ['Secrets Manager: succeeded', of(managedRotationFailedEvent, { eventName: 'RotationSucceeded' })],
  [
    'Secrets Manager: a label moved',
    { ...managedRotationFailedEvent, 'detail-type': 'Secret Label Updated' },
  ],
  ['an execution that failed', change('FAILED'), 'ExecutionFailedRule', 'RotationEndedRule'],
  ['an execution that timed out', change('TIMED_OUT'), 'RotationStoppedRule', 'RotationEndedRule'],
  ['an execution that was stopped', change('ABORTED'), 'RotationStoppedRule', 'RotationEndedRule'],
  ['an execution that runs', change('RUNNING')],
  ['an execution that went well', change('SUCCEEDED'), 'RotationEndedRule'],
  ['an execution that waits for a redrive', change('PENDING_REDRIVE')],
  ['a run that failed', change('FAILED', run), 'ExecutionFailedRule'],
  ['a run that timed out', change('TIMED_OUT', run), 'ExecutionFailedRule'],
  ['a run that was stopped', change('ABORTED', run), 'ExecutionFailedRule'],
  ['a run that went well', change('SUCCEEDED', run)],
  ["a run's child, as the run itself fails then", change('FAILED', `${run}/Host`)],
  ["another state machine's", executionFailedEvent('FAILED')],
  ['CloudWatch: an application may be locked out', alarm('LockedOutAlarm', 'ALARM'), 'LockedOutAlarmRule'],
  ['CloudWatch: that is over', alarm('LockedOutAlarm', 'OK')],
  ['CloudWatch: dead letters', alarm('DeadLettersAlarm', 'ALARM'), 'AlarmStateRule'],
  ['CloudWatch: none any more', alarm('DeadLettersAlarm', 'OK')],
  [
    'CloudWatch: dead letters of what should have begun',
    alarm('StartDeadLettersAlarm', 'ALARM'),
    'AlarmStateRule',
  ],
  [
    'CloudWatch: dead letters of what should have been recorded',
    alarm('RecordDeadLettersAlarm', 'ALARM'),
    'AlarmStateRule',
  ],
  ['CloudWatch: nobody looks', alarm('LateAlarm', 'INSUFFICIENT_DATA'), 'AlarmStateRule'],
  ['CloudWatch: some are late, which is told by name', alarm('LateAlarm', 'ALARM')],
  ["CloudWatch: somebody else's alarm", alarm('Other', 'ALARM')],
  [
    'CloudWatch: an alarm was changed',
    { ...alarm('LateAlarm', 'ALARM'), 'detail-type': 'CloudWatch Alarm Configuration Change' },
  ],
  ['a parameter that nobody changed', parameterPolicyEvent, 'PolicyEventRule'],
  ['a parameter that will expire', policy({ 'policy-type': 'ExpirationNotification' }), 'PolicyEventRule'],
  ['a parameter that was deleted', policy({ 'policy-type': 'Expiration' })],
  ['a policy that could not be carried out', policy({ 'action-status': 'Failed' })],
  [
    "a change of a parameter, such as a rotation's own",
    { ...parameterPolicyEvent, 'detail-type': 'Parameter Store Change' },
  ],
]

describe.skipIf(!hasRuler)('the rules, tried on AWS’s own matcher', () => {
  let rules: (readonly [string, object])[]
  let found: string[][]
  beforeAll(async () => {
    await using stack = await packageStack({ region: 'eu-west-1' })
    rules = Object.entries(deployed(stack.template).Resources).flatMap(([name, { Type, Properties }]) =>
      Type === 'AWS::Events::Rule' ? [[name, Properties.EventPattern as object] as const] : [],
    )
    found = await matching(
      Object.fromEntries(rules),
      events.map(([, event]) => event),
    )
  })

  test.each(events.map(([what, , ...rules], index) => ({ what, rules, index })))(
    '$what matches $rules',
    ({ rules, index }) => {
      expect(found[index]?.toSorted()).toEqual(rules.toSorted())
    },
  )

  test('each rule is matched by an event of this test', () => {
    expect(new Set(found.flat())).toEqual(new Set(rules.map(([name]) => name)))
  })
})
