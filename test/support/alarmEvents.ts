/* Events of every shape that the rules in resources/alarms.yml match. */

const name = '0a1b2c3d-0000-4000-8000-000000000001'
const stateMachine = 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-test-rotate'
export const executionArn = `arn:aws:states:eu-west-1:123456789012:execution:keyturn-test-rotate:${name}`
export const secretArn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/database-AbCdEf'

const envelope = { version: '0', account: '123456789012', region: 'eu-west-1', resources: [] }
/** @returns Error and Cause as Step Functions reports an error that a Lambda function threw */
export const causeOf = (errorType: string, errorMessage: string) => ({
  Error: errorType,
  Cause: JSON.stringify({ errorType, errorMessage, trace: ['at somewhere'] }),
})

/** rotate's own event about a rotation that failed and was rolled back. */
export const rotationFailedEvent = {
  ...envelope,
  id: 'event-1',
  source: 'keyturn',
  'detail-type': 'Credential Rotation Failed',
  time: '2026-11-21T10:00:00Z',
  detail: {
    severity: 'error',
    execution: executionArn,
    rotation: {
      store: 'secrets-manager',
      id: 'shop/database',
      replaces: 'f0e1d2c3-0000-4000-8000-000000000001',
      strategy: 'single-user',
      user: 'shop',
      failure: causeOf('TestFailed', 'testSecret: the test query failed:\n42501 as shop on db.example.com'),
      rollback: { token: name, outcome: 'restored' },
    },
  },
}

const { rollback, ...rotation } = rotationFailedEvent.detail.rotation
/** The same event about a rotation whose rollback failed. */
export const lockedOutEvent = {
  ...rotationFailedEvent,
  id: 'event-2',
  detail: {
    ...rotationFailedEvent.detail,
    severity: 'critical',
    rotation: { ...rotation, lockout: causeOf('LockedOut', 'rollbackSecret: shop on db.example.com') },
  },
}

/** Step Functions' event about an execution that ended with the error of a function. */
export function executionFailedEvent(status: string, error?: string, message?: string) {
  const failure = error && message ? causeOf(error, message) : undefined
  return executionEndedEvent(status, failure?.Error ?? null, failure?.Cause ?? null)
}

/** The same event, with any error and cause. */
export function executionEndedEvent(status: string, error: string | null, cause: string | null) {
  return {
    ...envelope,
    id: 'event-3',
    source: 'aws.states',
    'detail-type': 'Step Functions Execution Status Change',
    time: '2026-11-21T10:00:01Z',
    resources: [executionArn],
    detail: {
      executionArn,
      stateMachineArn: stateMachine,
      name,
      status,
      startDate: 1_795_255_140_000,
      stopDate: 1_795_255_201_000,
      input: '{"store":"secrets-manager","id":"shop/database"}',
      inputDetails: { included: true },
      output: null,
      outputDetails: null,
      error,
      cause,
    },
  }
}

/** CloudTrail's event about a rotation that Secrets Manager ran and that failed, with the secret in `additionalEventData`. */
export const managedRotationFailedEvent = {
  ...envelope,
  id: 'event-4',
  source: 'aws.secretsmanager',
  'detail-type': 'AWS Service Event via CloudTrail',
  time: '2026-11-21T10:00:20Z',
  detail: {
    eventVersion: '1.08',
    userIdentity: { accountId: '123456789012', invokedBy: 'secretsmanager.amazonaws.com' },
    eventTime: '2026-11-21T10:00:20Z',
    eventSource: 'secretsmanager.amazonaws.com',
    eventName: 'RotationFailed',
    awsRegion: 'eu-west-1',
    errorMessage:
      'Error when executing lambda arn:aws:lambda:eu-west-1:123456789012:function:other during createSecret step',
    requestParameters: null,
    responseElements: null,
    additionalEventData: { SecretId: secretArn },
    eventType: 'AwsServiceEvent',
  },
}

const { additionalEventData, errorMessage, ...detail } = managedRotationFailedEvent.detail
/** CloudTrail's event RotationAbandoned, in the other shape, with the secret in `serviceEventDetails`. */
export const managedRotationAbandonedEvent = {
  ...managedRotationFailedEvent,
  id: 'event-5',
  detail: { ...detail, eventName: 'RotationAbandoned', serviceEventDetails: { secretId: secretArn } },
}

/** rotate-due's report on one database server on which rotations failed. */
export const runReportEvent = {
  ...envelope,
  id: 'event-6',
  source: 'keyturn',
  'detail-type': 'Credential Rotations Failed',
  time: '2026-11-21T10:05:00Z',
  detail: {
    severity: 'error',
    execution: 'arn:aws:states:eu-west-1:123456789012:execution:keyturn-test-rotate-due/Host:0a1b',
    group: 'run-1 db.example.com:5432',
    report: {
      host: 'db.example.com:5432',
      rotated: 1,
      failed: 52,
      skipped: 0,
      severity: 'error',
      failures: [
        {
          error: 'Unreachable',
          reason: 'setSecret: no answer\nfrom db.example.com',
          count: 52,
          names: ['parameter-store /a', 'parameter-store /b'],
        },
      ],
    },
  },
}

/** The report on a server that does not answer, so that its other credentials were parked. */
export const parkedReportEvent = {
  ...runReportEvent,
  detail: {
    ...runReportEvent.detail,
    execution:
      'arn:aws:states:eu-west-1:123456789012:execution:keyturn-test-rotate-server:0123456789abcdef-7',
    report: {
      ...runReportEvent.detail.report,
      rotated: 0,
      failed: 1,
      parked: 2,
      failures: [
        {
          severity: 'error',
          error: 'Unreachable',
          reason: 'setSecret: no answer from db.example.com',
          count: 1,
          names: ['parameter-store /a'],
        },
        {
          severity: 'error',
          error: 'Parked',
          reason: 'its server does not answer',
          count: 2,
          names: ['parameter-store /b', 'parameter-store /c'],
        },
      ],
    },
  },
}

const runEnded = executionFailedEvent('FAILED', 'HostLost', 'A child execution failed')
/** Step Functions' event about a failed execution of rotate-due. */
export const runFailedEvent = {
  ...runEnded,
  detail: {
    ...runEnded.detail,
    executionArn: 'arn:aws:states:eu-west-1:123456789012:execution:keyturn-test-rotate-due:run-1',
    stateMachineArn: 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-test-rotate-due',
    input: '{}',
  },
}

/** rotate-due's event about credentials that should have rotated. */
export const credentialsLateEvent = {
  ...envelope,
  id: 'event-7',
  source: 'keyturn',
  'detail-type': 'Credentials Late',
  time: '2026-11-21T10:05:00Z',
  detail: {
    execution: 'arn:aws:states:eu-west-1:123456789012:execution:keyturn-test-rotate-due:run-1',
    late: { count: 60, names: ['parameter-store /a', 'secrets-manager b'] },
  },
}

/** A run's report in which each failure has a severity, one of them critical. */
export const criticalReportEvent = {
  ...runReportEvent,
  detail: {
    ...runReportEvent.detail,
    severity: 'critical',
    report: {
      ...runReportEvent.detail.report,
      severity: 'critical',
      failures: [
        { severity: 'error', ...runReportEvent.detail.report.failures[0] },
        {
          severity: 'critical',
          error: 'LockedOut',
          reason: 'rollbackSecret: shop on db.example.com',
          count: 2,
          names: ['secrets-manager shop/database', 'secrets-manager shop/mail'],
        },
      ],
    },
  },
}

/** rotate's event that what a rotation replaced could not be closed. */
export const retirementFailedEvent = {
  ...rotationFailedEvent,
  id: 'event-8',
  'detail-type': 'Credential Retirement Failed',
  detail: {
    severity: 'error',
    execution: executionArn,
    state: 'RetireSecret',
    rotation: { ...rotation, failure: undefined, retirement: { Error: 'States.Timeout', Cause: '' } },
  },
}

/** rotate's event that a replica did not get the new value, so that what was replaced stays open. */
export const replicasBehindEvent = {
  ...rotationFailedEvent,
  id: 'event-11',
  'detail-type': 'Credential Replicas Behind',
  detail: {
    severity: 'error',
    execution: executionArn,
    rotation: {
      ...rotation,
      failure: undefined,
      replication: causeOf(
        'ReplicasBehind',
        'awaitReplicas: the replica in us-east-1 is Failed: the key is disabled',
      ),
    },
  },
}

/** rotate's event about a rotation that CreateSecret refused, as a replica had failed. */
export const rotationRefusedEvent = {
  ...rotationFailedEvent,
  id: 'event-12',
  detail: {
    severity: 'error',
    execution: `${executionArn}-2`,
    rotation: {
      ...rotation,
      failure: causeOf(
        'ReplicasBehind',
        'createSecret: the replica in us-east-1 is Failed: the key is disabled',
      ),
    },
  },
}

/** rotate-due's event about replicas that are behind, which a run looks for once a day. */
export const laggingReplicasEvent = {
  ...credentialsLateEvent,
  id: 'event-13',
  detail: {
    ...credentialsLateEvent.detail,
    late: {
      count: 2,
      names: [
        'secrets-manager shop/database: the replica in us-east-1 is Failed: the key is disabled',
        'secrets-manager shop/mail: there is no replica in us-east-1',
      ],
      behind: true,
    },
  },
}

const standsAlone = 'the secret with this ARN stands alone in us-east-1, as after a promotion'

/** rotate's event about a rotation that was refused, as the secret was promoted in another Region. */
export const promotedElsewhereEvent = {
  ...rotationRefusedEvent,
  id: 'event-15',
  detail: {
    ...rotationRefusedEvent.detail,
    rotation: {
      ...rotationRefusedEvent.detail.rotation,
      failure: causeOf('PromotedElsewhere', `createSecret: ${standsAlone}`),
    },
  },
}

/** rotate's event that what was replaced stays open, as the secret was promoted in another Region. */
export const leftOpenEvent = {
  ...replicasBehindEvent,
  id: 'event-16',
  detail: {
    ...replicasBehindEvent.detail,
    rotation: {
      ...replicasBehindEvent.detail.rotation,
      replication: causeOf('PromotedElsewhere', `awaitReplicas: ${standsAlone}`),
    },
  },
}

/** rotate-due's event about secrets that were promoted in another Region. */
export const promotedFoundEvent = {
  ...laggingReplicasEvent,
  id: 'event-17',
  detail: {
    ...laggingReplicasEvent.detail,
    late: {
      count: 1,
      names: [`secrets-manager shop/database: ${standsAlone}`],
      behind: true,
      promoted: true,
    },
  },
}

/** rotate's event that all replicas have the new value. */
export const replicatedEvent = {
  ...envelope,
  id: 'event-14',
  source: 'keyturn',
  'detail-type': 'Credential Replicated',
  time: '2026-11-21T10:20:00Z',
  detail: { execution: executionArn, store: 'secrets-manager', id: 'shop/database' },
}

/** rotate's event about a rotation that succeeded. */
export const rotatedEvent = {
  ...envelope,
  id: 'event-9',
  source: 'keyturn',
  'detail-type': 'Credential Rotated',
  time: '2026-11-21T11:00:00Z',
  detail: {
    execution: executionArn,
    store: 'secrets-manager',
    id: 'shop/database',
    token: name,
    replaces: rotation.replaces,
    engine: 'postgres',
    host: 'db.example.com',
    strategy: 'single-user',
    user: 'shop',
    nextUser: 'shop',
  },
}

/** CloudWatch's event about an alarm, as its user guide shows it. */
export function cloudWatchAlarmEvent(alarmName: string, value: string, description: string) {
  return {
    ...envelope,
    id: 'event-10',
    source: 'aws.cloudwatch',
    'detail-type': 'CloudWatch Alarm State Change',
    time: '2026-11-21T10:02:00Z',
    resources: [`arn:aws:cloudwatch:eu-west-1:123456789012:alarm:${alarmName}`],
    detail: {
      alarmName,
      state: {
        value,
        reason: 'Threshold Crossed: 1 out of the last 1 datapoints was greater than the threshold (0.0).',
        reasonData: '{"version":"1.0"}',
        timestamp: '2026-11-21T10:02:00.000+0000',
      },
      previousState: { value: 'OK', reason: 'Unchecked', timestamp: '2026-11-20T10:00:00.000+0000' },
      configuration: { description, metrics: [] },
    },
  }
}

/** The event that a parameter's policy sends, as the user guide of Parameter Store shows it. */
export const parameterPolicyEvent = {
  version: '0',
  id: '6a7e8feb-b491-4cf7-a9f1-bf3703467718',
  'detail-type': 'Parameter Store Policy Action',
  source: 'aws.ssm',
  account: '123456789012',
  time: '2017-05-22T16:43:48Z',
  region: 'us-east-1',
  resources: ['arn:aws:ssm:us-east-1:123456789012:parameter/foo'],
  detail: {
    'policy-type': 'NoChangeNotification',
    'parameter-name': 'foo',
    'parameter-type': 'String',
    'policy-content':
      '{"Type":"NoChangeNotification","Version":"1.0","Attributes":{"After":"2","Unit":"Hours"}}',
    'action-status': 'Success',
    'action-reason': 'The parameter has not been changed for 2 hours.',
  },
}

const promoted500 = {
  from: 'eu-west-1',
  rehearsal: false,
  count: 500,
  unknown: 1,
  promoted: 497,
  before: 0,
  failed: {
    count: 2,
    names: [
      'shop/mail: StillStandby: postgres://db.example.com:5432 takes no changes: promote the database, then promote again',
      'shop/app: LoginRefused: postgres://db.example.com:5432 refuses every version that is labelled, current, previous',
    ],
  },
  warned: { count: 0, names: [] },
}
const promotion = executionArn.replace(/:execution:.*/, ':execution:keyturn-test-promote:0a1b')

/** promote's event that it has promoted a lost Region's credentials, except some. */
export const promotionFinishedEvent = {
  ...envelope,
  id: 'event-18',
  source: 'keyturn',
  'detail-type': 'Promotion Finished',
  time: '2026-11-21T10:20:00Z',
  detail: { execution: promotion, promotion: promoted500 },
}

/** promote's event that a rehearsal found new reasons for which credentials could not be promoted. */
export const promotionNotReadyEvent = {
  ...promotionFinishedEvent,
  id: 'event-19',
  'detail-type': 'Promotion Not Ready',
  detail: {
    execution: promotion,
    promotion: { ...promoted500, rehearsal: true, unknown: 0, news: promoted500.failed },
  },
}
