import { expect, test } from 'vitest'
import type { Template } from './package.ts'
import { ofPromotion } from './promotionLimits.ts'
import { table } from './roleTable.ts'

import { adminsDescribed } from './setAdminLimits.ts'
import {
  admins,
  checkSteps,
  dueSteps,
  functions,
  inVpc,
  key,
  logical,
  packageBoth,
  promotionSteps,
  properties,
  replicaSteps,
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
  'CheckRole',
  'SetAdminsRole',
]

function statements(template: Template, role: string): Statement[] {
  const policies = properties(template, role).Policies
  return policies.flatMap(
    (policy: { PolicyDocument: { Statement: Statement[] } }) => policy.PolicyDocument.Statement,
  )
}
const every = () => roleNames.flatMap(role => statements(full, role))

const optional = [
  'ListedAdmins',
  'ListedManagedMasters',
  'DescribeListedAdmins',
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

test.each(roleNames)('%s allows exactly the actions in the table', role => {
  expect(statements(full, role)).toHaveLength(Object.keys(table[role] ?? {}).length)
  expect(actions(full, role)).toEqual(table[role])
})

/** The statements that exist only with peer Regions. */
const ofPeers = ['RehearsalScheduleRole']

test.each(roleNames)('%s has no statement for a parameter that is not set', role => {
  if (ofPeers.includes(role)) return expect(plain.Resources[role]).toMatchObject({ Condition: 'Peers' })
  const rest = Object.entries(table[role] ?? {}).filter(([sid]) => !optional.includes(sid))
  expect(actions(plain, role)).toEqual(Object.fromEntries(rest))
})

test('the template has no other roles and policies', () => {
  const found = Object.keys(full.Resources).filter(name =>
    full.Resources[name]?.Type.startsWith('AWS::IAM::'),
  )
  // This policy is attached to nobody: see auditPolicy.test.ts.
  expect(found.sort()).toEqual([...roleNames, 'AuditPolicy'].sort())
  for (const role of roleNames) expect(properties(full, role)).not.toHaveProperty('ManagedPolicyArns')
})

test('no action is a pattern, and only actions without resources are allowed on everything', () => {
  for (const { Sid, Action, Resource } of every()) {
    for (const action of list(Action)) expect(action).toMatch(/^[a-z0-9]+:[A-Za-z]+$/)
    const forAll = ['Traces', 'LogDelivery', 'NetworkInterfaces', 'NotByOwnCode', 'Lists', 'SecretsOfRegions']
    expect(list(Resource).includes('*')).toBe(forAll.includes(Sid))
  }
})

const taggedManaged = { StringEquals: { 'aws:ResourceTag/keyturn:managed': 'true' } }

test('secrets: a role may use those that this stack rotates or that are tagged, and only read admins', () => {
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
    // Names and tags of masters that RDS manages, without values.
    ManagedMasters: {
      Resource: here.replace(/\*$/, 'rds!*'),
      Condition: { StringEquals: { 'aws:ResourceTag/keyturn:admin': 'true' } },
    },
    ListedManagedMasters: { Resource: admins },
    ...adminsDescribed(here),
    // All credentials are listed, but only values of those that are to rotate are read.
    Lists: { Resource: '*' },
    Versions: { Resource: here, Condition: taggedManaged },
    ManagedSecrets: { Resource: here, Condition: { ...taggedManaged, ...current } },
    // Only one tag, of secrets with their home here, and only if the deployment says so.
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
    // Names, labels and tags in the peer Regions, without values.
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

test('databases: a role may describe those of this account and Region, and change those that are tagged', () => {
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

test('parameters: a role may use those that are tagged, and the pending values beside them', () => {
  const found = every().filter(
    ({ Sid, Action }) => Sid !== 'Webhook' && list(Action).some(name => name.startsWith('ssm:')),
  )
  const here = 'arn:aws:ssm:eu-west-1:123456789012:parameter'
  const limits: Record<string, Pick<Statement, 'Resource' | 'Condition'>> = {
    ManagedParameters: { Resource: `${here}/*`, Condition: taggedManaged },
    PendingParameters: { Resource: `${here}/keyturn/pending/*` },
    // Names and dates, and tags of parameters that an event is about, without values.
    Lists: { Resource: '*' },
    Tags: { Resource: `${here}/*` },
    // The rotations that made its versions, and the one that runs.
    Labels: { Resource: `${here}/*`, Condition: taggedManaged },
    Locks: { Resource: `${here}/keyturn/pending/*/lock` },
    Connections: { Resource: `${here}/*`, Condition: taggedManaged },
  }
  // rotateSecret and promotions read only connections.
  expect(found).toHaveLength(2 * steps.length + 13)
  for (const { Sid, Effect, Action, ...limit } of found) {
    expect(Effect).toBe('Allow')
    expect(limit).toEqual(limits[Sid])
  }
})

test('the customer’s key: a role may use it only through a store, for values of this account and Region', () => {
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
  expect(found).toHaveLength(23)
  for (const { Sid, Resource, Condition } of found) {
    expect(Resource).toBe(key)
    expect(Condition).toEqual(limits[Sid])
  }
  expect(plainStack.template.Conditions).toHaveProperty('CustomerKey')
})

test('alarms: raiseAlarm may use this stack’s topic, table, queues and histories, and the webhook’s parameter', () => {
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

test('records: recordRotation may use this stack’s histories, its table and its queue', () => {
  const own = statements(full, 'RecordRotationRole').map(({ Sid, Resource }) => [Sid, Resource])
  expect(Object.fromEntries(own)).toMatchObject({
    Records: 'RotationRecords.Arn',
    Histories: ['rotate', 'set-admin'].map(
      name => `arn:aws:states:eu-west-1:123456789012:execution:keyturn-test-${name}:*`,
    ),
    Queues: 'RotationEvents.Arn',
  })
})

test('network interfaces: Lambda may make them, and the code that runs in it may not', () => {
  const denied = every().filter(({ Effect }) => Effect === 'Deny')
  expect(denied).toHaveLength(inVpc.length)
  for (const { Condition } of denied)
    expect(Condition).toEqual({
      ArnLike: {
        'lambda:SourceFunctionArn': 'arn:aws:lambda:eu-west-1:123456789012:function:keyturn-test-*',
      },
    })
})

test('each function may write to its own log alone, and look at executions of this stack alone', () => {
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

test('the state machines may invoke their functions and send to this bus, and nothing else', () => {
  expect(resources('RotateRole')).toEqual({
    Steps: [...steps.slice(0, 4), ...replicaSteps, ...steps.slice(4)].map(
      name => `${logical(name)}LambdaFunction.Arn`,
    ),
    // Its own state machine, for the second rotation of a temporary clone.
    MoveBack: 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-test-rotate',
    Announcements: bus,
    LogDelivery: '*',
    Traces: '*',
  })
  const runs = 'arn:aws:states:eu-west-1:123456789012:execution:keyturn-test-rotate-due'
  const { RotateByHost } = JSON.parse(properties(full, 'RotateDueStateMachine').DefinitionString).States
  expect(resources('RotateDueRole')).toEqual({
    // And the functions that executions of the last release call.
    Functions: [...dueSteps, ...serverSteps.slice(1)].map(name => `${logical(name)}LambdaFunction.Arn`),
    // Its own state machine, of which the children of a distributed Map are executions.
    ChildExecutions: 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-test-rotate-due',
    EndChildExecutions: [`${runs}:*`, `${runs}/${RotateByHost.Label}:*`],
    Announcements: bus,
    LogDelivery: '*',
    Traces: '*',
  })
})

test('a promotion may invoke its functions and send to this bus, and nothing else, and has its own table', () => {
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

test.each([
  ['rotate-server', 'RotateServersRole', serverSteps],
  ['check', 'CheckRole', checkSteps],
  ['set-admin', 'SetAdminsRole', ['setAdmin']],
])('%s may invoke its functions and send to this bus, and nothing else', (_, role, functions) => {
  const { Functions, ...others } = resources(role)
  expect([Functions].flat()).toEqual(functions.map(name => `${logical(name)}LambdaFunction.Arn`))
  expect(others).toEqual({ Announcements: bus, LogDelivery: '*', Traces: '*' })
})

test('the roles that start rotations may send to one queue too, and no function of rotate-due sends anything', () => {
  expect(resources('DueScheduleRole')).toEqual({
    StartRun: 'RotateDueStateMachine',
    DeadLetters: 'StartDeadLetters.Arn',
  })
  expect(resources('StartRotationRole')).toMatchObject({
    DeadLetters: 'StartDeadLetters.Arn',
    Runs: 'AlarmLedger.Arn',
  })
})

test('each role can be assumed by its service alone, and only within this account', () => {
  const services: Record<string, string> = {
    RotateRole: 'states.amazonaws.com',
    RotateDueRole: 'states.amazonaws.com',
    RotateServersRole: 'states.amazonaws.com',
    DueScheduleRole: 'scheduler.amazonaws.com',
    PromoteRole: 'states.amazonaws.com',
    CheckRole: 'states.amazonaws.com',
    RehearsalScheduleRole: 'scheduler.amazonaws.com',
    SetAdminsRole: 'states.amazonaws.com',
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
