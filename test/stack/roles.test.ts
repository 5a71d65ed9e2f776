import { expect, test } from 'vitest'
import type { Template } from './package.ts'
import { ofPromotion } from './promotionLimits.ts'

import {
  admins,
  dueSteps,
  functions,
  inVpc,
  key,
  logical,
  lookers,
  packageBoth,
  promotionSteps,
  properties,
  serverSteps,
  steps,
} from './stacks.ts'

const { plainStack, plain, full } = await packageBoth()

type Statement = {
  Sid: string
  Effect: 'Allow' | 'Deny'
  Action: string | string[]
  Resource: string | string[]
  Condition?: Record<string, Record<string, string>>
}
const list = <T>(value: T | T[]) => [value].flat() as T[]
const roleNames = [
  ...functions.map(name => `${logical(name)}Role`),
  'RotateRole',
  'RotateDueRole',
  'RotateServersRole',
  'DueScheduleRole',
  'PromoteRole',
  'RehearsalScheduleRole',
]

function statements(template: Template, role: string): Statement[] {
  const policies = properties(template, role).Policies
  return policies.flatMap(
    (policy: { PolicyDocument: { Statement: Statement[] } }) => policy.PolicyDocument.Statement,
  )
}
const every = () => roleNames.flatMap(role => statements(full, role))

const read = ['secretsmanager:GetSecretValue']
const keyturnSecrets = (actions: string[]) => ({ RotatedByThisStack: actions, TaggedManaged: actions })
const describeSecret = ['secretsmanager:DescribeSecret']
const adminSecrets = {
  TaggedAdmin: read,
  ListedAdmins: read,
  ManagedMasters: describeSecret,
  ListedManagedMasters: describeSecret,
  Databases: ['rds:DescribeDBClusters', 'rds:DescribeDBInstances'],
}
const masters = { MasterPasswords: ['rds:ModifyDBCluster', 'rds:ModifyDBInstance'] }
const everyFunction = {
  OwnLogs: ['logs:CreateLogStream', 'logs:PutLogEvents'],
  Traces: ['xray:PutTelemetryRecords', 'xray:PutTraceSegments'],
}
const networkInterfaces = [
  'ec2:AssignPrivateIpAddresses',
  'ec2:CreateNetworkInterface',
  'ec2:DeleteNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:UnassignPrivateIpAddresses',
]
const vpc = { NetworkInterfaces: networkInterfaces, NotByOwnCode: networkInterfaces }
const describeParameter = ['ssm:GetParameter', 'ssm:GetParameterHistory', 'ssm:ListTagsForResource']
const readParameter = ['ssm:GetParameter', 'ssm:GetParameterHistory']
const readPending = ['ssm:GetParameter']
const readKey = { CustomerKey: ['kms:Decrypt'], CustomerKeyForParameters: ['kms:Decrypt'] }
const writeKey = ['kms:Decrypt', 'kms:Encrypt', 'kms:GenerateDataKey']
const watchExecutions = ['states:DescribeExecution', 'states:GetExecutionHistory']
const everyStateMachine = {
  Announcements: ['events:PutEvents'],
  LogDelivery: [
    'logs:CreateLogDelivery',
    'logs:DeleteLogDelivery',
    'logs:DescribeLogGroups',
    'logs:DescribeResourcePolicies',
    'logs:GetLogDelivery',
    'logs:ListLogDeliveries',
    'logs:PutResourcePolicy',
    'logs:UpdateLogDelivery',
  ],
  Traces: [
    'xray:GetSamplingRules',
    'xray:GetSamplingTargets',
    'xray:PutTelemetryRecords',
    'xray:PutTraceSegments',
  ],
}
const replicas = (actions: string[]) => ({ ManagedReplicas: actions, AdminReplicas: actions })
const databaseCopies = ['rds:DescribeDBClusters', 'rds:DescribeDBInstances', 'rds:DescribeGlobalClusters']
/** Every action of every role, by statement, with every parameter set. */
const table: Record<string, Record<string, string[]>> = {
  CreateSecretRole: {
    ...keyturnSecrets([
      'secretsmanager:DescribeSecret',
      'secretsmanager:GetSecretValue',
      'secretsmanager:PutSecretValue',
      'secretsmanager:UpdateSecretVersionStage',
    ]),
    CustomerKey: ['kms:Decrypt', 'kms:GenerateDataKey'],
    ManagedParameters: [
      'ssm:GetParameter',
      'ssm:GetParameterHistory',
      'ssm:LabelParameterVersion',
      'ssm:ListTagsForResource',
    ],
    PendingParameters: [
      'ssm:DeleteParameters',
      'ssm:GetParameter',
      'ssm:GetParametersByPath',
      'ssm:PutParameter',
    ],
    CustomerKeyForParameters: writeKey,
    Executions: watchExecutions,
    ...everyFunction,
  },
  SetSecretRole: {
    ...keyturnSecrets(['secretsmanager:GetSecretValue', 'secretsmanager:ListSecretVersionIds']),
    ...adminSecrets,
    ...masters,
    ManagedParameters: readParameter,
    PendingParameters: ['ssm:GetParameter', 'ssm:GetParametersByPath'],
    ...readKey,
    Executions: watchExecutions,
    ...everyFunction,
    ...vpc,
  },
  TestSecretRole: {
    ...keyturnSecrets(['secretsmanager:GetSecretValue']),
    ManagedParameters: readParameter,
    PendingParameters: readPending,
    ...readKey,
    ...everyFunction,
    ...vpc,
  },
  FinishSecretRole: {
    ...keyturnSecrets(['secretsmanager:DescribeSecret', 'secretsmanager:UpdateSecretVersionStage']),
    ManagedParameters: [
      'ssm:GetParameter',
      'ssm:GetParameterHistory',
      'ssm:LabelParameterVersion',
      'ssm:PutParameter',
      'ssm:UnlabelParameterVersion',
    ],
    PendingParameters: ['ssm:DeleteParameters', 'ssm:GetParameter'],
    CustomerKeyForParameters: writeKey,
    ...everyFunction,
  },
  AwaitReplicasRole: {
    ...keyturnSecrets(['secretsmanager:DescribeSecret']),
    Replicas: ['secretsmanager:DescribeSecret'],
    ManagedElsewhere: ['secretsmanager:DescribeSecret'],
    AdminElsewhere: ['secretsmanager:DescribeSecret'],
    ...everyFunction,
  },
  RollbackSecretRole: {
    ...keyturnSecrets([
      'secretsmanager:DescribeSecret',
      'secretsmanager:GetSecretValue',
      'secretsmanager:ListSecretVersionIds',
      'secretsmanager:UpdateSecretVersionStage',
    ]),
    ...adminSecrets,
    ...masters,
    ManagedParameters: describeParameter,
    PendingParameters: ['ssm:DeleteParameters', 'ssm:GetParameter', 'ssm:GetParametersByPath'],
    ...readKey,
    Executions: watchExecutions,
    ...everyFunction,
    ...vpc,
  },
  RetireSecretRole: {
    ...keyturnSecrets(['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue']),
    ...adminSecrets,
    ManagedParameters: describeParameter,
    PendingParameters: readPending,
    ...readKey,
    ...everyFunction,
    ...vpc,
  },
  RotateSecretRole: {
    RotatedByThisStack: [
      'secretsmanager:DescribeSecret',
      'secretsmanager:GetSecretValue',
      'secretsmanager:PutSecretValue',
      'secretsmanager:UpdateSecretVersionStage',
    ],
    CustomerKey: ['kms:Decrypt', 'kms:GenerateDataKey'],
    ManagedParameters: ['ssm:GetParameter'],
    CustomerKeyForParameters: ['kms:Decrypt'],
    Executions: watchExecutions,
    StartRotation: ['states:StartExecution'],
    ...everyFunction,
    ...vpc,
  },
  FindDueRole: {
    Lists: ['secretsmanager:ListSecrets', 'ssm:DescribeParameters', 'tag:GetResources'],
    Versions: ['secretsmanager:ListSecretVersionIds'],
    RotatedByThisStack: ['secretsmanager:DescribeSecret'],
    TaggedManaged: ['secretsmanager:DescribeSecret'],
    Schedules: ['secretsmanager:TagResource'],
    Replicas: ['secretsmanager:DescribeSecret'],
    ManagedElsewhere: ['secretsmanager:DescribeSecret'],
    AdminElsewhere: ['secretsmanager:DescribeSecret'],
    ManagedSecrets: read,
    ManagedParameters: ['ssm:GetParameters'],
    ...readKey,
    Runs: ['states:ListExecutions'],
    EarlierRuns: ['states:DescribeStateMachineForExecution'],
    Servers: ['states:DescribeExecution'],
    ...everyFunction,
  },
  RotateServerRole: {
    Servers: ['states:DescribeExecution'],
    TakeServers: ['states:StartExecution'],
    ...everyFunction,
  },
  TakeSlotRole: {
    Servers: ['states:DescribeExecution'],
    TakeServers: ['states:StartExecution'],
    Slots: ['states:ListExecutions'],
    ...everyFunction,
  },
  StartRotationRole: {
    Lists: ['ssm:DescribeParameters'],
    Tags: ['ssm:ListTagsForResource'],
    Labels: ['ssm:GetParameterHistory'],
    Locks: ['ssm:GetParameter'],
    OtherRotations: ['states:DescribeExecution'],
    Servers: ['states:DescribeExecution'],
    StartRotation: ['states:StartExecution'],
    Runs: ['dynamodb:PutItem'],
    DeadLetters: ['sqs:SendMessage'],
    ...everyFunction,
  },
  AwaitRotationRole: {
    Executions: watchExecutions,
    TakeServers: ['states:StartExecution'],
    ...everyFunction,
  },
  ReportRotationsRole: everyFunction,
  RaiseAlarmRole: {
    Topic: ['sns:Publish'],
    TopicKey: ['kms:Decrypt', 'kms:GenerateDataKey'],
    Ledger: ['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem'],
    Histories: ['states:GetExecutionHistory'],
    Queues: ['sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ReceiveMessage'],
    Webhook: ['ssm:GetParameter'],
    WebhookCustomerKey: ['kms:Decrypt'],
    ...everyFunction,
  },
  RecordRotationRole: {
    Records: ['dynamodb:PutItem'],
    Histories: ['states:GetExecutionHistory'],
    Queues: ['sqs:DeleteMessage', 'sqs:GetQueueAttributes', 'sqs:ReceiveMessage'],
    ...everyFunction,
  },
  RotateRole: {
    Steps: ['lambda:InvokeFunction'],
    MoveBack: ['states:StartExecution'],
    ...everyStateMachine,
  },
  RotateDueRole: {
    Functions: ['lambda:InvokeFunction'],
    ChildExecutions: ['states:StartExecution'],
    EndChildExecutions: ['states:DescribeExecution', 'states:StopExecution'],
    ...everyStateMachine,
  },
  RotateServersRole: { Functions: ['lambda:InvokeFunction'], ...everyStateMachine },
  FindReplicasRole: {
    SecretsOfRegions: ['secretsmanager:ListSecrets'],
    ManagedElsewhere: ['secretsmanager:DescribeSecret'],
    AdminElsewhere: ['secretsmanager:DescribeSecret'],
    Promotions: ['dynamodb:Query'],
    ...everyFunction,
  },
  FindVersionRole: {
    ...replicas(['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue']),
    ...readKey,
    Connections: ['ssm:GetParameter'],
    DatabaseCopies: databaseCopies,
    ...everyFunction,
    ...vpc,
  },
  HandOverRole: {
    ...replicas(['secretsmanager:DescribeSecret']),
    ManagedElsewhere: ['secretsmanager:DescribeSecret'],
    AdminElsewhere: ['secretsmanager:DescribeSecret'],
    HomeOfManaged: ['secretsmanager:TagResource'],
    HomeOfAdmins: ['secretsmanager:TagResource'],
    SchedulesOfManaged: ['secretsmanager:CancelRotateSecret'],
    SchedulesOfAdmins: ['secretsmanager:CancelRotateSecret'],
    ...everyFunction,
  },
  PromoteReplicaRole: {
    ...replicas([
      'secretsmanager:DescribeSecret',
      'secretsmanager:GetSecretValue',
      'secretsmanager:PutSecretValue',
      'secretsmanager:StopReplicationToReplica',
      'secretsmanager:UpdateSecretVersionStage',
    ]),
    TagManaged: ['secretsmanager:TagResource'],
    TagAdmins: ['secretsmanager:TagResource'],
    ScheduleManaged: ['secretsmanager:RotateSecret'],
    ScheduleAdmins: ['secretsmanager:RotateSecret'],
    RotationFunction: ['lambda:InvokeFunction'],
    CustomerKey: ['kms:Decrypt', 'kms:GenerateDataKey'],
    Connections: ['ssm:GetParameter'],
    CustomerKeyForParameters: ['kms:Decrypt'],
    DatabaseCopies: databaseCopies,
    ...everyFunction,
  },
  NotePromotionRole: {
    Promotions: ['dynamodb:DeleteItem', 'dynamodb:GetItem', 'dynamodb:PutItem'],
    ...everyFunction,
  },
  ReportPromotionRole: { Promotions: ['dynamodb:DeleteItem', 'dynamodb:Query'], ...everyFunction },
  SwitchRegionRole: {
    Start: ['states:ListExecutions', 'states:StartExecution'],
    Report: ['states:DescribeExecution'],
    ...everyFunction,
  },
  PromoteRole: {
    Functions: ['lambda:InvokeFunction'],
    ChildExecutions: ['states:StartExecution'],
    EndChildExecutions: ['states:DescribeExecution', 'states:StopExecution'],
    ...everyStateMachine,
  },
  RehearsalScheduleRole: { StartRehearsal: ['states:StartExecution'], DeadLetters: ['sqs:SendMessage'] },
  DueScheduleRole: { StartRun: ['states:StartExecution'], DeadLetters: ['sqs:SendMessage'] },
}
const optional = [
  'ListedAdmins',
  'ListedManagedMasters',
  'CustomerKey',
  'CustomerKeyForParameters',
  'NetworkInterfaces',
  'NotByOwnCode',
  'Webhook',
  'WebhookCustomerKey',
  'Replicas',
  'ManagedElsewhere',
  'AdminElsewhere',
  'HomeOfManaged',
  'HomeOfAdmins',
  'SchedulesOfManaged',
  'SchedulesOfAdmins',
  'Schedules',
]

const actions = (template: Template, role: string) =>
  Object.fromEntries(statements(template, role).map(({ Sid, Action }) => [Sid, list(Action)]))

test.each(roleNames)('%s has exactly these actions', role => {
  expect(statements(full, role)).toHaveLength(Object.keys(table[role] ?? {}).length)
  expect(actions(full, role)).toEqual(table[role])
})

/** There only where peers are named. */
const ofPeers = ['RehearsalScheduleRole']

test.each(roleNames)('%s has no statement for a parameter that is not set', role => {
  if (ofPeers.includes(role)) return expect(plain.Resources[role]).toMatchObject({ Condition: 'Peers' })
  const rest = Object.entries(table[role] ?? {}).filter(([sid]) => !optional.includes(sid))
  expect(actions(plain, role)).toEqual(Object.fromEntries(rest))
})

test('there are no other roles and policies', () => {
  const found = Object.keys(full.Resources).filter(name =>
    full.Resources[name]?.Type.startsWith('AWS::IAM::'),
  )
  // The policy is attached to nobody: auditPolicy.test.ts.
  expect(found.sort()).toEqual([...roleNames, 'AuditPolicy'].sort())
  for (const role of roleNames) expect(properties(full, role)).not.toHaveProperty('ManagedPolicyArns')
})

test('no action is a pattern, and only what knows no resources is for all of them', () => {
  for (const { Sid, Action, Resource } of every()) {
    for (const action of list(Action)) expect(action).toMatch(/^[a-z0-9]+:[A-Za-z]+$/)
    const forAll = ['Traces', 'LogDelivery', 'NetworkInterfaces', 'NotByOwnCode', 'Lists', 'SecretsOfRegions']
    expect(list(Resource).includes('*')).toBe(forAll.includes(Sid))
  }
})

const taggedManaged = { StringEquals: { 'aws:ResourceTag/keyturn:managed': 'true' } }

test('secrets: those that this stack rotates or that are tagged, and admins to be read only', () => {
  const here = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:*'
  const everywhere = here.replace('eu-west-1', '*')
  const peers = ['eu-central-1', 'us-east-1']
  const current = { 'ForAnyValue:StringEquals': { 'secretsmanager:VersionStage': 'AWSCURRENT' } }
  const limits: Record<string, object> = {
    RotatedByThisStack: {
      Resource: here,
      Condition: {
        StringEquals: {
          'secretsmanager:resource/AllowRotationLambdaArn':
            'arn:aws:lambda:eu-west-1:123456789012:function:keyturn-test-rotateSecret',
        },
      },
    },
    TaggedManaged: { Resource: here, Condition: taggedManaged },
    TaggedAdmin: {
      Resource: here,
      Condition: { StringEquals: { 'aws:ResourceTag/keyturn:admin': 'true' }, ...current },
    },
    ListedAdmins: { Resource: admins, Condition: current },
    // Names and tags of masters that RDS manages; no value.
    ManagedMasters: {
      Resource: here.replace(/\*$/, 'rds!*'),
      Condition: { StringEquals: { 'aws:ResourceTag/keyturn:admin': 'true' } },
    },
    ListedManagedMasters: { Resource: admins },
    // What is due is found among all, but no value is read that is not to rotate.
    Lists: { Resource: '*' },
    Versions: { Resource: here, Condition: taggedManaged },
    ManagedSecrets: { Resource: here, Condition: { ...taggedManaged, ...current } },
    // One tag, of what is at home here, and only where the deployment says so.
    Schedules: {
      Resource: here,
      Condition: {
        StringEquals: {
          'secretsmanager:resource/AllowRotationLambdaArn':
            'arn:aws:lambda:eu-west-1:123456789012:function:keyturn-test-rotateSecret',
          'aws:ResourceTag/keyturn:home': 'eu-west-1',
        },
        'ForAllValues:StringEquals': { 'aws:TagKeys': 'keyturn:service-schedule' },
        Null: { 'aws:TagKeys': 'false' },
      },
    },
    // Names, labels and tags in the Regions that the deployment names; no value.
    Replicas: {
      Resource: everywhere,
      Condition: {
        StringEquals: { 'aws:RequestedRegion': peers },
        StringEqualsIfExists: { 'secretsmanager:SecretPrimaryRegion': 'eu-west-1' },
      } as never,
    },
    ManagedElsewhere: {
      Resource: everywhere,
      Condition: {
        StringEquals: { 'aws:RequestedRegion': peers, 'aws:ResourceTag/keyturn:managed': 'true' },
      } as never,
    },
    AdminElsewhere: {
      Resource: everywhere,
      Condition: {
        StringEquals: { 'aws:RequestedRegion': peers, 'aws:ResourceTag/keyturn:admin': 'true' },
      } as never,
    },
    ...ofPromotion(here, everywhere, peers),
  }
  const found = every().filter(({ Action }) => list(Action).some(name => name.startsWith('secretsmanager:')))
  expect(found.length).toBeGreaterThan(0)
  for (const { Sid, Effect, Action, ...limit } of found) {
    expect(Effect).toBe('Allow')
    expect(limit).toEqual(limits[Sid])
    if (/^(TaggedAdmin|ListedAdmins)$/.test(Sid)) expect(Action).toBe('secretsmanager:GetSecretValue')
  }
})

test('databases: what RDS tells of those of this account and Region, and a change of those that are tagged', () => {
  const found = every().filter(({ Action }) => list(Action).some(name => name.startsWith('rds:')))
  expect(found.length).toBeGreaterThan(0)
  const here = 'arn:aws:rds:eu-west-1:123456789012'
  for (const { Sid, Resource, Condition } of found) {
    expect(['Databases', 'MasterPasswords', 'DatabaseCopies']).toContain(Sid)
    expect(Condition).toEqual(Sid === 'MasterPasswords' ? taggedManaged : undefined)
    const globalClusters = Sid === 'DatabaseCopies' ? ['arn:aws:rds::123456789012:global-cluster:*'] : []
    expect(Resource).toEqual([`${here}:cluster:*`, `${here}:db:*`, ...globalClusters])
  }
})

test('parameters: those that are tagged, and what is pending beside them', () => {
  const found = every().filter(
    ({ Sid, Action }) => Sid !== 'Webhook' && list(Action).some(name => name.startsWith('ssm:')),
  )
  const here = 'arn:aws:ssm:eu-west-1:123456789012:parameter'
  const limits: Record<string, Pick<Statement, 'Resource' | 'Condition'>> = {
    ManagedParameters: { Resource: `${here}/*`, Condition: taggedManaged },
    PendingParameters: { Resource: `${here}/keyturn/pending/*` },
    // No values: names and dates, and the tags of those that an event is about.
    Lists: { Resource: '*' },
    Tags: { Resource: `${here}/*` },
    // Which rotations made its versions, and which one goes on.
    Labels: { Resource: `${here}/*`, Condition: taggedManaged },
    Locks: { Resource: `${here}/keyturn/pending/*/lock` },
    Connections: { Resource: `${here}/*`, Condition: taggedManaged },
  }
  // rotateSecret and a promotion read connections alone.
  expect(found).toHaveLength(2 * steps.length + 9)
  for (const { Sid, Effect, Action, ...limit } of found) {
    expect(Effect).toBe('Allow')
    expect(limit).toEqual(limits[Sid])
  }
})

test("the customer's key: only through each store, for what is stored in this account and Region", () => {
  const found = every().filter(({ Sid }) => Sid.startsWith('CustomerKey'))
  const through = (service: string, context: string, resource: string) => ({
    StringEquals: { 'kms:ViaService': `${service}.eu-west-1.amazonaws.com` },
    StringLike: {
      [`kms:EncryptionContext:${context}`]: `arn:aws:${service}:eu-west-1:123456789012:${resource}`,
    },
  })
  const limits: Record<string, object> = {
    CustomerKey: through('secretsmanager', 'SecretARN', 'secret:*'),
    CustomerKeyForParameters: through('ssm', 'PARAMETER_ARN', 'parameter/*'),
  }
  expect(found).toHaveLength(19)
  for (const { Sid, Resource, Condition } of found) {
    expect(Resource).toBe(key)
    expect(Condition).toEqual(limits[Sid])
  }
  expect(plainStack.template.Conditions).toHaveProperty('CustomerKey')
})

test("an alarm: this stack's topic, table, queues and executions, and the webhook's parameter with its key", () => {
  const own = Object.fromEntries(
    statements(full, 'RaiseAlarmRole').map(({ Sid, Resource, Condition }) => [Sid, { Resource, Condition }]),
  )
  const parameter = 'arn:aws:ssm:eu-west-1:123456789012:parameter/keyturn/webhook'
  const { RotateByHost } = JSON.parse(properties(full, 'RotateDueStateMachine').DefinitionString).States
  const histories = [
    'rotate',
    'rotate-due',
    `rotate-due/${RotateByHost.Label}`,
    'rotate-server',
    'promote',
  ].map(name => `arn:aws:states:eu-west-1:123456789012:execution:keyturn-test-${name}:*`)
  expect(own).toMatchObject({
    Topic: { Resource: 'AlarmTopic' },
    TopicKey: {
      Resource: 'AlarmKey.Arn',
      Condition: { StringEquals: { 'kms:ViaService': 'sns.eu-west-1.amazonaws.com' } },
    },
    Ledger: { Resource: 'AlarmLedger.Arn' },
    Histories: { Resource: histories },
    Queues: { Resource: ['CriticalAlarms.Arn', 'OtherAlarms.Arn'] },
    Webhook: { Resource: parameter },
    WebhookCustomerKey: {
      Resource: key,
      Condition: {
        StringEquals: {
          'kms:ViaService': 'ssm.eu-west-1.amazonaws.com',
          'kms:EncryptionContext:PARAMETER_ARN': parameter,
        },
      },
    },
  })
})

test("a record: this stack's rotations, its table and its queue", () => {
  const own = statements(full, 'RecordRotationRole').map(({ Sid, Resource }) => [Sid, Resource])
  expect(Object.fromEntries(own)).toMatchObject({
    Records: 'RotationRecords.Arn',
    Histories: 'arn:aws:states:eu-west-1:123456789012:execution:keyturn-test-rotate:*',
    Queues: 'RotationEvents.Arn',
  })
})

test('network interfaces: for Lambda, not for the code that runs in it', () => {
  const denied = every().filter(({ Effect }) => Effect === 'Deny')
  expect(denied).toHaveLength(inVpc.length)
  for (const { Condition } of denied)
    expect(Condition).toEqual({
      ArnLike: {
        'lambda:SourceFunctionArn': 'arn:aws:lambda:eu-west-1:123456789012:function:keyturn-test-*',
      },
    })
})

test('each function writes to its own log only, and knows executions of this stack only', () => {
  const arn = (resource: string) => `arn:aws:states:eu-west-1:123456789012:${resource}`
  const limits: Record<string, string | string[]> = {
    OtherRotations: arn('execution:keyturn-test-rotate:*'),
    Executions: arn('execution:keyturn-test-rotate:*'),
    StartRotation: arn('stateMachine:keyturn-test-rotate'),
    Runs: ['rotate-due', 'rotate', 'rotate-server'].map(name => arn(`stateMachine:keyturn-test-${name}`)),
    EarlierRuns: arn('execution:keyturn-test-rotate-due:*'),
    Servers: arn('execution:keyturn-test-rotate-server:*'),
    TakeServers: arn('stateMachine:keyturn-test-rotate-server'),
    Slots: arn('stateMachine:keyturn-test-rotate-server'),
    Start: arn('stateMachine:keyturn-test-promote'),
    Report: arn('execution:keyturn-test-promote:*'),
  }
  for (const name of functions) {
    const own = statements(full, `${logical(name)}Role`)
    expect(own.find(({ Sid }) => Sid === 'OwnLogs')?.Resource).toBe(`${logical(name)}LogGroup.Arn`)
    const states = own.filter(({ Action }) => list(Action).some(action => action.startsWith('states:')))
    for (const { Sid, Resource } of states) if (Sid !== 'Histories') expect(Resource).toEqual(limits[Sid])
  }
})

const resources = (role: string) =>
  Object.fromEntries(statements(full, role).map(({ Sid, Resource }) => [Sid, Resource]))
const bus = 'arn:aws:events:eu-west-1:123456789012:event-bus/operations'

test('the state machines invoke their functions and tell this bus, and nothing else', () => {
  expect(resources('RotateRole')).toEqual({
    Steps: [...steps.slice(0, 4), ...lookers, ...steps.slice(4)].map(
      name => `${logical(name)}LambdaFunction.Arn`,
    ),
    // Its own, for the second half of a temporary clone's rotation.
    MoveBack: 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-test-rotate',
    Announcements: bus,
    LogDelivery: '*',
    Traces: '*',
  })
  const runs = 'arn:aws:states:eu-west-1:123456789012:execution:keyturn-test-rotate-due'
  const { RotateByHost } = JSON.parse(properties(full, 'RotateDueStateMachine').DefinitionString).States
  expect(resources('RotateDueRole')).toEqual({
    // And what the executions call that the last release began.
    Functions: [...dueSteps, ...serverSteps.slice(1)].map(name => `${logical(name)}LambdaFunction.Arn`),
    // Its own, as the executions of a distributed Map are executions of the same state machine.
    ChildExecutions: 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-test-rotate-due',
    EndChildExecutions: [`${runs}:*`, `${runs}/${RotateByHost.Label}:*`],
    Announcements: bus,
    LogDelivery: '*',
    Traces: '*',
  })
})

test('a promotion invokes its functions and tells this bus, and nothing else; its table is its own', () => {
  const runs = 'arn:aws:states:eu-west-1:123456789012:execution:keyturn-test-promote'
  const { PromoteEach } = JSON.parse(properties(full, 'PromoteStateMachine').DefinitionString).States
  expect(resources('PromoteRole')).toEqual({
    Functions: expect.arrayContaining(promotionSteps.map(name => `${logical(name)}LambdaFunction.Arn`)),
    ChildExecutions: 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-test-promote',
    EndChildExecutions: [`${runs}:*`, `${runs}/${PromoteEach.Label}:*`],
    Announcements: bus,
    LogDelivery: '*',
    Traces: '*',
  })
  expect(resources('PromoteRole').Functions).toHaveLength(promotionSteps.length)
  for (const role of ['FindReplicasRole', 'NotePromotionRole', 'ReportPromotionRole'])
    expect(resources(role).Promotions).toBe('Promotions.Arn')
  expect(resources('PromoteReplicaRole').RotationFunction).toBe(
    'arn:aws:lambda:eu-west-1:123456789012:function:keyturn-test-rotateSecret',
  )
  expect(resources('RehearsalScheduleRole')).toEqual({
    StartRehearsal: 'PromoteStateMachine',
    DeadLetters: 'StartDeadLetters.Arn',
  })
})

test('rotate-server invokes its functions and tells this bus, and nothing else', () => {
  expect(resources('RotateServersRole')).toEqual({
    Functions: serverSteps.map(name => `${logical(name)}LambdaFunction.Arn`),
    Announcements: bus,
    LogDelivery: '*',
    Traces: '*',
  })
})

test('what starts rotations may use one queue beside; no other function of rotate-due sends anything', () => {
  expect(resources('DueScheduleRole')).toEqual({
    StartRun: 'RotateDueStateMachine',
    DeadLetters: 'StartDeadLetters.Arn',
  })
  expect(resources('StartRotationRole')).toMatchObject({
    DeadLetters: 'StartDeadLetters.Arn',
    Runs: 'AlarmLedger.Arn',
  })
})

test('each role is for its service only, and within this account', () => {
  const services: Record<string, string> = {
    RotateRole: 'states.amazonaws.com',
    RotateDueRole: 'states.amazonaws.com',
    RotateServersRole: 'states.amazonaws.com',
    DueScheduleRole: 'scheduler.amazonaws.com',
    PromoteRole: 'states.amazonaws.com',
    RehearsalScheduleRole: 'scheduler.amazonaws.com',
  }
  for (const role of roleNames) {
    const service = services[role]
    expect(properties(full, role).AssumeRolePolicyDocument.Statement).toEqual([
      {
        Effect: 'Allow',
        Action: 'sts:AssumeRole',
        Principal: { Service: service ?? 'lambda.amazonaws.com' },
        ...(service && { Condition: { StringEquals: { 'aws:SourceAccount': '123456789012' } } }),
      },
    ])
  }
})
