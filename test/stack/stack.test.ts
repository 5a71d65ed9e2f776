import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { promisify } from 'node:util'
import { SFNClient } from '@aws-sdk/client-sfn'
import { unzipSync } from 'fflate'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import Bundle, { bundleFunction } from '../../bundle.ts'
import { Inventory } from '../../fleet/inventory.ts'
import { lease } from '../../functions/alarm/ledger.ts'
import { startCallEvent } from '../../functions/shared/event.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { LockedOut } from '../../rotation/errors.ts'
import { policyEvent } from '../support/failures.ts'
import { captureOutput } from '../support/observe.ts'
import { deployed, packageStack, type Stack, type Template } from './package.ts'

const run = promisify(execFile)
/** Those that rotate runs. */
const steps = ['createSecret', 'setSecret', 'testSecret', 'finishSecret', 'rollbackSecret', 'retireSecret']
/** Those that rotate-due runs. */
const dueSteps = ['findDue', 'rotateServer']
/** Those that rotate-server runs. */
const serverSteps = ['takeSlot', 'startRotation', 'awaitRotation', 'reportRotations']
const functions = [...steps, ...dueSteps, ...serverSteps, 'rotateSecret', 'raiseAlarm']
const stateMachines = [
  ['rotate', 'RotateStateMachine', steps],
  ['rotate-due', 'RotateDueStateMachine', dueSteps],
  ['rotate-server', 'RotateServersStateMachine', serverSteps],
] as const
/** Those that log in to databases. */
const inVpc = ['setSecret', 'testSecret', 'rollbackSecret', 'retireSecret', 'rotateSecret']

const key = 'arn:aws:kms:eu-west-1:123456789012:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0'
const admins = ['one', 'two'].map(
  name => `arn:aws:secretsmanager:eu-west-1:123456789012:secret:${name}-AbCdEf`,
)
const certificate = rootCertificates[0] ?? ''
/** Every parameter that the defaults leave unset, and some that they do not. */
const parameters = {
  region: 'eu-west-1',
  subnetIds: 'subnet-0123456789abcdef0,subnet-0123456789abcdef1',
  securityGroupIds: 'sg-0123456789abcdef0',
  kmsKeyArn: key,
  adminSecretArns: admins.join(','),
  caFile: 'authorities.pem',
  grace: '7d',
  passwordLength: '40',
  excludeCharacters: '/@"',
  excludeNumbers: 'false',
  excludePunctuation: 'true',
  excludeUppercase: 'false',
  excludeLowercase: 'false',
  requireEachIncludedType: 'true',
  dueSchedule: 'rate(5 minutes)',
  maxConcurrentRotations: '100',
  maxConcurrentRotationsPerHost: '10',
  eventBusName: 'operations',
  alarmEmail: 'on-call@example.com',
  webhookParameter: '/keyturn/webhook',
  runbookUrl: 'https://wiki.example/runbook',
  logRetentionInDays: '30',
}

const bin = await pythonBin()
let plainStack: Stack & AsyncDisposable
let fullStack: Stack & AsyncDisposable
/** As deployed with the defaults, and with every parameter set. */
let plain: Template
let full: Template
let scratch: string

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'keyturn-bundles-'))
  ;[plainStack, fullStack] = await Promise.all([
    packageStack(),
    packageStack(parameters, { 'authorities.pem': certificate }),
  ])
  plain = deployed(plainStack.template)
  full = deployed(fullStack.template)
})

afterAll(async () => {
  await plainStack?.[Symbol.asyncDispose]()
  await fullStack?.[Symbol.asyncDispose]()
  await rm(scratch, { recursive: true, force: true })
})

const logical = (name: string) => name[0]?.toUpperCase() + name.slice(1)
// biome-ignore lint/suspicious/noExplicitAny: a template is JSON, and each test knows what it looks at
const properties = (template: Template, name: string): any => template.Resources[name]?.Properties

describe.each(stateMachines)('state machine %s', (file, name, itsFunctions) => {
  type State = { Resource?: string; TimeoutSeconds?: number; ItemProcessor?: Definition }
  type Definition = { States: Record<string, State> }
  const placeholders = (text: string) => [...text.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name)
  /** Every state, also those inside a Map. */
  const statesIn = ({ States }: Definition): State[] =>
    Object.values(States).flatMap(state => [
      state,
      ...(state.ItemProcessor ? statesIn(state.ItemProcessor) : []),
    ])

  test('is a valid definition once its placeholders are filled', () => {
    const validate = createRequire(import.meta.url)('asl-validator')
    const { DefinitionString, DefinitionSubstitutions } = properties(full, name)
    const definition = DefinitionString.replaceAll(/\$\{(\w+)\}/g, (_: string, name: string) =>
      name.endsWith('FunctionArn')
        ? `arn:aws:lambda:eu-west-1:123456789012:function:${name}`
        : DefinitionSubstitutions[name],
    )
    const result = validate(JSON.parse(definition))
    expect(result.errorsText()).toBe('')
    expect(result.isValid).toBe(true)
  })

  test('every placeholder has a substitution, and the other way round', () => {
    const { DefinitionString, DefinitionSubstitutions } = properties(plain, name)
    expect(new Set(placeholders(DefinitionString))).toEqual(new Set(Object.keys(DefinitionSubstitutions)))
    expect(DefinitionSubstitutions).toEqual({
      PutEventsArn: 'arn:aws:states:::events:putEvents',
      ...(file === 'rotate' && { StartExecutionArn: 'arn:aws:states:::states:startExecution' }),
      EventBusName: 'default',
      ...Object.fromEntries(
        itsFunctions.map(name => [`${logical(name)}FunctionArn`, `${logical(name)}LambdaFunction.Arn`]),
      ),
    })
  })

  test('is the file as it stands, with every null that osls would drop', async () => {
    const path = join(import.meta.dirname, `../../statemachines/${file}.asl.json`)
    expect(properties(plain, name).DefinitionString).toBe(await readFile(path, 'utf8'))
  })

  test('waits longer for a function than the function runs', () => {
    const ran = statesIn(JSON.parse(properties(plain, name).DefinitionString)).flatMap(
      ({ Resource, TimeoutSeconds }) => {
        const [, ran] = /^\$\{(\w+)FunctionArn\}$/.exec(Resource ?? '') ?? []
        if (!ran) return []
        expect(TimeoutSeconds, ran).toBe(properties(plain, `${ran}LambdaFunction`).Timeout + 30)
        return [ran]
      },
    )
    expect(new Set(ran)).toEqual(new Set(itsFunctions.map(logical)))
  })

  test('logs every step, traces, and writes no input or output into its log', () => {
    const logs = name.replace('StateMachine', 'LogGroup')
    expect(properties(plain, name)).toMatchObject({
      StateMachineName: `keyturn-test-${file}`,
      StateMachineType: 'STANDARD',
      RoleArn: `${name.replace('StateMachine', 'Role')}.Arn`,
      TracingConfiguration: { Enabled: true },
      LoggingConfiguration: {
        Level: 'ALL',
        IncludeExecutionData: false,
        Destinations: [{ CloudWatchLogsLogGroup: { LogGroupArn: `${logs}.Arn` } }],
      },
    })
    expect(properties(plain, logs).LogGroupName).toBe(`/aws/vendedlogs/states/keyturn-test-${file}`)
  })
})

test('a run that hangs ends some time, as no other rotates on its server while it goes on; a rotation waits for its grace time', () => {
  const timeout = (name: string) => JSON.parse(properties(plain, name).DefinitionString).TimeoutSeconds
  expect(timeout('RotateDueStateMachine')).toBe(43_200)
  expect(timeout('RotateServersStateMachine')).toBe(43_200)
  expect(timeout('RotateStateMachine')).toBeUndefined()
})

describe('template', () => {
  async function lint(file: string): Promise<string> {
    const options = ['--non-zero-exit-code', 'informational', '--', file]
    const { stdout, stderr } = await run(join(bin ?? '', 'cfn-lint'), options).catch(error => error)
    return stdout + stderr
  }

  test.skipIf(!bin)('passes cfn-lint with the defaults', async () => {
    expect(await lint(plainStack.templateFile)).toBe('')
  })

  test.skipIf(!bin)('passes cfn-lint with every parameter set, with fewer exceptions', async () => {
    const { Metadata, ...rest } = fullStack.template
    const config = { ignore_checks: ['W3005', 'W8003'] }
    expect(Metadata['cfn-lint'].config.ignore_checks).toEqual(expect.arrayContaining(config.ignore_checks))
    for (const resource of Object.values(rest.Resources)) expect(resource).not.toHaveProperty('Metadata')
    const file = join(scratch, 'template.json')
    await writeFile(file, JSON.stringify({ ...rest, Metadata: { 'cfn-lint': { config } } }))
    expect(await lint(file)).toBe('')
  })

  test.skipIf(!bin)('so does the one in docs/events.md', async () => {
    const page = await readFile(join(import.meta.dirname, '../../docs/events.md'), 'utf8')
    const [, template] = /```yaml\n(.*?)```/s.exec(page) ?? []
    const file = join(scratch, 'events.yml')
    await writeFile(file, template ?? '')
    expect(await lint(file)).toBe('')
  })

  /** Seconds, of those that need more or less than the others. */
  const timeouts: Record<string, number> = { rotateSecret: 900, findDue: 300, raiseAlarm: lease / 1000 }

  test.each(functions)('%s runs on Node 24 on arm64, with a log of its own', name => {
    expect(properties(plain, `${logical(name)}LambdaFunction`)).toMatchObject({
      FunctionName: `keyturn-test-${name}`,
      Handler: 'index.handler',
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      Timeout: timeouts[name] ?? 60,
      MemorySize: 512,
      TracingConfig: { Mode: 'Active' },
      Role: `${logical(name)}Role.Arn`,
    })
    expect(properties(plain, `${logical(name)}LogGroup`).LogGroupName).toBe(
      `/aws/lambda/keyturn-test-${name}`,
    )
  })

  test('there are no other functions', () => {
    const names = Object.keys(plain.Resources).filter(
      name => plain.Resources[name]?.Type === 'AWS::Lambda::Function',
    )
    expect(names.sort()).toEqual(functions.map(name => `${logical(name)}LambdaFunction`).sort())
  })

  test('every log is kept as long as the stage says', () => {
    const retention = (template: Template) =>
      Object.keys(template.Resources)
        .filter(name => template.Resources[name]?.Type === 'AWS::Logs::LogGroup')
        .map(name => Number(properties(template, name).RetentionInDays))
    expect(retention(plain)).toEqual(Array(functions.length + stateMachines.length).fill(90))
    expect(retention(full)).toEqual(Array(functions.length + stateMachines.length).fill(30))
  })

  test('only functions that log in to databases are in the VPC, and only if there are subnets', () => {
    for (const name of functions) {
      expect(properties(plain, `${logical(name)}LambdaFunction`)).not.toHaveProperty('VpcConfig')
      expect(properties(full, `${logical(name)}LambdaFunction`).VpcConfig).toEqual(
        inVpc.includes(name)
          ? {
              SubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
              SecurityGroupIds: ['sg-0123456789abcdef0'],
            }
          : undefined,
      )
    }
  })

  test('each function has the variables that its code uses, and no others', () => {
    const executions = 'arn:aws:states:eu-west-1:123456789012:execution:keyturn-test-rotate'
    const common = { POWERTOOLS_SERVICE_NAME: 'keyturn-test' }
    const database = { ...common, KEYTURN_CA_FILE: 'authorities.pem' }
    const create = {
      KEYTURN_EXECUTIONS: executions,
      KEYTURN_GRACE: '7d',
      PASSWORD_LENGTH: '40',
      EXCLUDE_CHARACTERS: '/@"',
      EXCLUDE_NUMBERS: 'false',
      EXCLUDE_PUNCTUATION: 'true',
      EXCLUDE_UPPERCASE: 'false',
      EXCLUDE_LOWERCASE: 'false',
      REQUIRE_EACH_INCLUDED_TYPE: 'true',
    }
    const expected: Record<string, object> = {
      createSecret: { ...common, ...create },
      setSecret: { ...database, KEYTURN_EXECUTIONS: executions },
      testSecret: { ...database, KEYTURN_TEST_QUERY_MAY_WRITE: 'false' },
      finishSecret: common,
      rollbackSecret: { ...database, KEYTURN_EXECUTIONS: executions, KEYTURN_GRACE: '7d' },
      retireSecret: database,
      rotateSecret: { ...database, ...create, KEYTURN_TEST_QUERY_MAY_WRITE: 'false' },
      findDue: {
        ...common,
        KEYTURN_RUNS: 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-test-rotate-due',
        KEYTURN_ROTATION_FUNCTION: 'RotateSecretLambdaFunction.Arn',
        KEYTURN_MAX_ROTATIONS: '100',
        KEYTURN_MAX_ROTATIONS_PER_HOST: '10',
        KEYTURN_DUE_SCHEDULE: 'rate(5 minutes)',
      },
      rotateServer: { ...common, KEYTURN_EXECUTIONS: executions },
      takeSlot: { ...common, KEYTURN_EXECUTIONS: executions },
      startRotation: { ...common, KEYTURN_EXECUTIONS: executions, KEYTURN_ALARM_TABLE: 'AlarmLedger' },
      awaitRotation: { ...common, KEYTURN_EXECUTIONS: executions },
      reportRotations: common,
      raiseAlarm: {
        ...common,
        KEYTURN_ALARM_TOPIC: 'AlarmTopic',
        KEYTURN_ALARM_TABLE: 'AlarmLedger',
        KEYTURN_EXECUTIONS: executions,
        KEYTURN_RUNBOOK: 'https://wiki.example/runbook',
        KEYTURN_WEBHOOK_PARAMETER: '/keyturn/webhook',
      },
    }
    for (const name of functions)
      expect(properties(full, `${logical(name)}LambdaFunction`).Environment.Variables).toEqual(expected[name])
  })

  test('Secrets Manager may call its rotation function, for secrets of this account only', () => {
    const permissions = Object.values(full.Resources).filter(
      ({ Type, Properties }) =>
        Type === 'AWS::Lambda::Permission' && Properties.FunctionName === 'RotateSecretLambdaFunction.Arn',
    )
    expect(permissions.map(({ Properties }) => Properties)).toEqual([
      {
        FunctionName: 'RotateSecretLambdaFunction.Arn',
        Action: 'lambda:InvokeFunction',
        Principal: 'secretsmanager.amazonaws.com',
        SourceAccount: '123456789012',
      },
    ])
  })

  test('the outputs name the state machines, the bus, the topic, every step and the rotation function', () => {
    const values = Object.entries(full.Outputs).map(([name, { Value }]) => [name, Value])
    expect(Object.fromEntries(values)).toEqual({
      ServerlessDeploymentBucketName: 'ServerlessDeploymentBucket',
      RotateStateMachineArn: 'RotateStateMachine',
      RotateDueStateMachineArn: 'RotateDueStateMachine',
      EventBusArn: 'arn:aws:events:eu-west-1:123456789012:event-bus/operations',
      AlarmTopicArn: 'AlarmTopic',
      ...Object.fromEntries(
        [...steps, 'rotateSecret'].map(name => [
          `${logical(name)}FunctionArn`,
          `${logical(name)}LambdaFunction.Arn`,
        ]),
      ),
    })
  })
})

describe('roles', () => {
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
  ]

  const actions = (template: Template, role: string) =>
    Object.fromEntries(statements(template, role).map(({ Sid, Action }) => [Sid, list(Action)]))

  test.each(roleNames)('%s has exactly these actions', role => {
    expect(statements(full, role)).toHaveLength(Object.keys(table[role] ?? {}).length)
    expect(actions(full, role)).toEqual(table[role])
  })

  test.each(roleNames)('%s has no statement for a parameter that is not set', role => {
    const rest = Object.entries(table[role] ?? {}).filter(([sid]) => !optional.includes(sid))
    expect(actions(plain, role)).toEqual(Object.fromEntries(rest))
  })

  test('there are no other roles and policies', () => {
    const found = Object.keys(full.Resources).filter(name =>
      full.Resources[name]?.Type.startsWith('AWS::IAM::'),
    )
    expect(found.sort()).toEqual(roleNames.toSorted())
    for (const role of roleNames) expect(properties(full, role)).not.toHaveProperty('ManagedPolicyArns')
  })

  test('no action is a pattern, and only what knows no resources is for all of them', () => {
    for (const { Sid, Action, Resource } of every()) {
      for (const action of list(Action)) expect(action).toMatch(/^[a-z0-9]+:[A-Za-z]+$/)
      const forAll = ['Traces', 'LogDelivery', 'NetworkInterfaces', 'NotByOwnCode', 'Lists']
      expect(list(Resource).includes('*')).toBe(forAll.includes(Sid))
    }
  })

  const taggedManaged = { StringEquals: { 'aws:ResourceTag/keyturn:managed': 'true' } }

  test('secrets: those that this stack rotates or that are tagged, and admins to be read only', () => {
    const here = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:*'
    const current = { 'ForAnyValue:StringEquals': { 'secretsmanager:VersionStage': 'AWSCURRENT' } }
    const limits: Record<string, Pick<Statement, 'Resource' | 'Condition'>> = {
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
    }
    const found = every().filter(({ Action }) =>
      list(Action).some(name => name.startsWith('secretsmanager:')),
    )
    expect(found.length).toBeGreaterThan(0)
    for (const { Sid, Effect, Action, ...limit } of found) {
      expect(Effect).toBe('Allow')
      expect(limit).toEqual(limits[Sid])
      if (Sid.includes('Admin')) expect(Action).toBe('secretsmanager:GetSecretValue')
    }
  })

  test('databases: what RDS tells of those of this account and Region, and a change of those that are tagged', () => {
    const found = every().filter(({ Action }) => list(Action).some(name => name.startsWith('rds:')))
    expect(found.length).toBeGreaterThan(0)
    const here = 'arn:aws:rds:eu-west-1:123456789012'
    for (const { Sid, Resource, Condition } of found) {
      expect(['Databases', 'MasterPasswords']).toContain(Sid)
      expect(Condition).toEqual(Sid === 'MasterPasswords' ? taggedManaged : undefined)
      expect(Resource).toEqual([`${here}:cluster:*`, `${here}:db:*`])
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
    }
    // rotateSecret reads connections alone.
    expect(found).toHaveLength(2 * steps.length + 7)
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
    expect(found).toHaveLength(15)
    for (const { Sid, Resource, Condition } of found) {
      expect(Resource).toBe(key)
      expect(Condition).toEqual(limits[Sid])
    }
    expect(plainStack.template.Conditions).toHaveProperty('CustomerKey')
  })

  test("an alarm: this stack's topic, table, queues and executions, and the webhook's parameter with its key", () => {
    const own = Object.fromEntries(
      statements(full, 'RaiseAlarmRole').map(({ Sid, Resource, Condition }) => [
        Sid,
        { Resource, Condition },
      ]),
    )
    const parameter = 'arn:aws:ssm:eu-west-1:123456789012:parameter/keyturn/webhook'
    const { RotateByHost } = JSON.parse(properties(full, 'RotateDueStateMachine').DefinitionString).States
    const histories = ['rotate', 'rotate-due', `rotate-due/${RotateByHost.Label}`, 'rotate-server'].map(
      name => `arn:aws:states:eu-west-1:123456789012:execution:keyturn-test-${name}:*`,
    )
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
      Steps: steps.map(name => `${logical(name)}LambdaFunction.Arn`),
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
})

describe('rules and the schedule', () => {
  const alarmRules = {
    CriticalAlarms: ['LockoutRule', 'RotationStoppedRule', 'LockedOutAlarmRule'],
    OtherAlarms: ['RotationFailedRule', 'ManagedRotationFailedRule', 'ExecutionFailedRule', 'AlarmStateRule'],
  }
  const rules = [...Object.values(alarmRules).flat(), 'PolicyEventRule']

  const named = (type: string) =>
    Object.keys(full.Resources).filter(name => full.Resources[name]?.Type === type)

  test("there are no other rules and schedules; only those for Keyturn's own events are on a bus of their own", () => {
    expect(named('AWS::Events::Rule').sort()).toEqual(rules.toSorted())
    expect(named('AWS::Scheduler::Schedule')).toEqual(['DueSchedule'])
    const ofKeyturn = rules.filter(name => properties(full, name).EventPattern.source.includes('keyturn'))
    expect(ofKeyturn.sort()).toEqual(['LockoutRule', 'RotationFailedRule'])
    for (const name of rules)
      expect(properties(full, name).EventBusName).toBe(ofKeyturn.includes(name) ? 'operations' : undefined)
  })

  test('the schedule starts a run, and what fails on the way goes to the dead letters', () => {
    expect(properties(full, 'DueSchedule')).toEqual({
      Name: 'keyturn-test-due',
      Description: expect.any(String),
      ScheduleExpression: 'rate(5 minutes)',
      FlexibleTimeWindow: { Mode: 'OFF' },
      Target: {
        Arn: 'RotateDueStateMachine',
        RoleArn: 'DueScheduleRole.Arn',
        Input: '{}',
        DeadLetterConfig: { Arn: 'StartDeadLetters.Arn' },
        // The next run begins soon.
        RetryPolicy: { MaximumEventAgeInSeconds: 600, MaximumRetryAttempts: 10 },
      },
    })
    expect(properties(plain, 'DueSchedule').ScheduleExpression).toBe('rate(15 minutes)')
  })

  const retries = { MaximumEventAgeInSeconds: 3600, MaximumRetryAttempts: 185 }
  /** Who may send to a queue. */
  const senders = (queue: string) => {
    const [statement, ...others] = properties(full, `${queue}Policy`).PolicyDocument.Statement
    expect(others).toEqual([])
    expect(statement).toMatchObject({
      Effect: 'Allow',
      Principal: { Service: 'events.amazonaws.com' },
      Action: 'sqs:SendMessage',
      Resource: `${queue}.Arn`,
    })
    return [statement.Condition.ArnEquals['aws:SourceArn']].flat().sort()
  }
  const arnsOf = (names: string[]) => names.map(name => `${name}.Arn`).sort()

  test.each(Object.entries(alarmRules))(
    '%s gets the events of its rules, and of nobody else',
    (queue, its) => {
      for (const rule of its)
        expect(properties(full, rule).Targets).toEqual([
          {
            Id: queue[0]?.toLowerCase() + queue.slice(1),
            Arn: `${queue}.Arn`,
            DeadLetterConfig: { Arn: 'AlarmDeadLetters.Arn' },
            RetryPolicy: retries,
          },
        ])
      expect(senders(queue)).toEqual(arnsOf(its))
    },
  )

  test('what the rules could not hand over goes to the dead letters, and so does what was tried ten times', () => {
    expect(senders('AlarmDeadLetters')).toEqual(arnsOf(Object.values(alarmRules).flat()))
    for (const queue of Object.keys(alarmRules))
      expect(properties(full, queue).RedrivePolicy).toEqual({
        deadLetterTargetArn: 'AlarmDeadLetters.Arn',
        maxReceiveCount: 10,
      })
  })

  test('raiseAlarm reads both queues in batches, two of each at a time, and gives back what it could not tell', () => {
    const mappings = named('AWS::Lambda::EventSourceMapping').map(name => properties(full, name))
    const common = {
      FunctionName: 'RaiseAlarmLambdaFunction',
      BatchSize: 100,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      ScalingConfig: { MaximumConcurrency: 2 },
    }
    expect(mappings).toEqual([
      { ...common, EventSourceArn: 'CriticalAlarms.Arn', MaximumBatchingWindowInSeconds: 2 },
      { ...common, EventSourceArn: 'OtherAlarms.Arn', MaximumBatchingWindowInSeconds: 5 },
    ])
    const timeout = properties(full, 'RaiseAlarmLambdaFunction').Timeout
    for (const queue of Object.keys(alarmRules)) {
      // It comes again when the lease of who died over it is over.
      expect(properties(full, queue).VisibilityTimeout).toBeGreaterThan(timeout)
      expect(properties(full, queue).VisibilityTimeout).toBeGreaterThan(lease / 1000)
      // All tries are over before it is forgotten.
      expect(properties(full, queue).MessageRetentionPeriod).toBeGreaterThan(10 * 70)
    }
    const permissions = named('AWS::Lambda::Permission').map(name => properties(full, name).FunctionName)
    expect(permissions).not.toContain('RaiseAlarmLambdaFunction')
  })

  test('startRotation may be called by its rule only, and what fails on the way goes to the dead letters', () => {
    const [{ InputTransformer, ...target }, ...others] = properties(full, 'PolicyEventRule').Targets
    expect(others).toEqual([])
    expect(InputTransformer).toBeDefined()
    expect(target).toEqual({
      Id: 'startRotation',
      Arn: 'StartRotationLambdaFunction.Arn',
      DeadLetterConfig: { Arn: 'StartDeadLetters.Arn' },
      RetryPolicy: retries,
    })
    const permissions = named('AWS::Lambda::Permission')
      .map(permission => properties(full, permission))
      .filter(({ FunctionName }) => FunctionName === 'StartRotationLambdaFunction')
    expect(permissions).toEqual([
      {
        FunctionName: 'StartRotationLambdaFunction',
        Action: 'lambda:InvokeFunction',
        Principal: 'events.amazonaws.com',
        SourceArn: 'PolicyEventRule.Arn',
      },
    ])
    expect(senders('StartDeadLetters')).toEqual(['PolicyEventRule.Arn'])
  })

  test('what startRotation throws then is tried again, then goes to the same dead letters', () => {
    expect(properties(full, 'StartRotationRetries')).toEqual({
      FunctionName: 'StartRotationLambdaFunction',
      Qualifier: '$LATEST',
      MaximumEventAgeInSeconds: 3600,
      MaximumRetryAttempts: 2,
      DestinationConfig: { OnFailure: { Destination: 'StartDeadLetters.Arn' } },
    })
    expect(named('AWS::Lambda::EventInvokeConfig')).toHaveLength(1)
  })

  test('an alarm watches every queue of dead letters', () => {
    const alarms = { AlarmDeadLetters: 'DeadLettersAlarm', StartDeadLetters: 'StartDeadLettersAlarm' }
    expect(named('AWS::SQS::Queue').sort()).toEqual(
      [...Object.keys(alarms), ...Object.keys(alarmRules)].sort(),
    )
    for (const queue of named('AWS::SQS::Queue'))
      expect(properties(full, queue).SqsManagedSseEnabled).toBe(true)
    for (const [queue, alarm] of Object.entries(alarms)) {
      expect(properties(full, alarm)).toMatchObject({
        Namespace: 'AWS/SQS',
        MetricName: 'ApproximateNumberOfMessagesVisible',
        Dimensions: [{ Name: 'QueueName', Value: `${queue}.QueueName` }],
        Statistic: 'Maximum',
        Period: 60,
        EvaluationPeriods: 1,
        Threshold: 0,
        ComparisonOperator: 'GreaterThanThreshold',
        TreatMissingData: 'notBreaching',
        AlarmActions: ['AlarmTopic'],
      })
    }
  })

  test("of a policy's event startRotation gets what it asks for", () => {
    const [{ InputTransformer }] = properties(full, 'PolicyEventRule').Targets
    const { InputPathsMap, InputTemplate } = InputTransformer
    const at = (path: string) =>
      // biome-ignore lint/suspicious/noExplicitAny: an event is JSON
      path.split('.').reduce((value: any, key) => (key === '$' ? value : value[key]), policyEvent)
    const used = new Set<string>()
    const input = InputTemplate.replaceAll(/<([^>]+)>/g, (_: string, name: string) => {
      used.add(name)
      return at(InputPathsMap[name])
    })
    expect(startCallEvent(JSON.parse(input))).toEqual({
      store: 'parameter-store',
      id: 'foo',
      token: policyEvent.id,
      at: new Date(policyEvent.time),
    })
    expect(used).toEqual(new Set(Object.keys(InputPathsMap)))
  })
})

describe('alarms', () => {
  test('the topic is encrypted; CloudWatch of this account may use the key', () => {
    expect(properties(full, 'AlarmTopic').KmsMasterKeyId).toBe('AlarmKey.Arn')
    const { KeyPolicy, EnableKeyRotation } = properties(full, 'AlarmKey')
    expect(EnableKeyRotation).toBe(true)
    expect(KeyPolicy.Statement).toMatchObject([
      { Principal: { AWS: 'arn:aws:iam::123456789012:root' } },
      {
        Principal: { Service: 'cloudwatch.amazonaws.com' },
        Action: ['kms:Decrypt', 'kms:GenerateDataKey*'],
        Condition: { StringEquals: { 'aws:SourceAccount': '123456789012' } },
      },
    ])
  })

  test('a mail only if there is an address', () => {
    expect(properties(full, 'AlarmSubscription').Endpoint).toBe('on-call@example.com')
    expect(fullStack.template.Resources.AlarmSubscription).toHaveProperty('Condition', 'AlarmEmail')
    expect(full.Conditions.AlarmEmail).toBe(true)
    expect(plain.Conditions.AlarmEmail).toBe(false)
  })

  const alarms = () =>
    Object.keys(full.Resources).filter(name => full.Resources[name]?.Type === 'AWS::CloudWatch::Alarm')

  test('a lockout is told within a minute; and that nobody looks, after some hours', () => {
    const told = { Threshold: 0, ComparisonOperator: 'GreaterThanThreshold', AlarmActions: ['AlarmTopic'] }
    expect(properties(full, 'LockedOutAlarm')).toMatchObject({
      ...told,
      AlarmDescription: expect.stringContaining('https://wiki.example/runbook#lockedout'),
      Statistic: 'Sum',
      Period: 60,
      EvaluationPeriods: 1,
      TreatMissingData: 'notBreaching',
    })
    const late = properties(full, 'LateAlarm')
    // What is late is told by name; this alarm only shows it.
    expect(late).not.toHaveProperty('AlarmActions')
    expect(late).toMatchObject({
      Threshold: 0,
      ComparisonOperator: 'GreaterThanThreshold',
      AlarmDescription: expect.stringContaining('https://wiki.example/runbook#late-credentials'),
      Statistic: 'Maximum',
      Period: 3600,
      EvaluationPeriods: 2,
      // As a new alarm is: so it goes off when data end, and not when there are none yet.
      TreatMissingData: 'missing',
      InsufficientDataActions: ['AlarmTopic'],
    })
    expect(alarms()).toHaveLength(4)
  })

  /** A metric by its name, and all its dimensions: a graph of fewer shows nothing. Only of this stack's service. */
  const metric = (name: string, dimensions: string[], service: string) =>
    `${name} by ${dimensions.sort().join(', ')} of ${service}`

  /** The metrics that the functions write, over all that can happen to them. */
  async function writtenMetrics(): Promise<Set<string>> {
    for (const [name, value] of Object.entries({
      AWS_REGION: 'eu-west-1',
      POWERTOOLS_SERVICE_NAME: 'keyturn-test',
      ...properties(full, 'FindDueLambdaFunction').Environment.Variables,
    }))
      vi.stubEnv(name, `${value}`)
    vi.doMock('../../rotation/steps.ts', () => ({ finish: async () => {} }))
    vi.doMock('../../rotation/rollback.ts', () => ({
      rollback: async () => ({ outcome: 'restored' }),
      rollbackAbandoned: async () => {
        throw new LockedOut('shop on db.example.com')
      },
    }))
    vi.spyOn(Inventory.prototype, 'scheduled').mockResolvedValue([])
    vi.spyOn(SFNClient.prototype, 'send').mockImplementation(async () => ({ executions: [] }))
    const output = captureOutput()
    try {
      const execution = randomUUID()
      const start = { store: 'secrets-manager', id: 'shop/database' }
      const users = { strategy: 'single-user', user: 'shop', nextUser: 'shop' }
      const rotation = {
        ...start,
        ...users,
        engine: 'postgres',
        host: 'db.example.com',
        replaces: randomUUID(),
      }
      const call = async (name: string, event: object) => {
        const { handler } = await import(`../../functions/${name}.ts`)
        await handler(event, { functionName: name }).catch((error: Error) => {
          if (error.name !== 'LockedOut') throw error
        })
      }
      await call('finishSecret', { execution, rotation, started: '2026-11-21T10:00:00.000Z' })
      await call('rollbackSecret', { execution, rotation })
      await call('rollbackSecret', { execution, rotation: start, abandoned: true })
      await call('findDue', { run: execution })
    } finally {
      vi.restoreAllMocks()
      vi.doUnmock('../../rotation/steps.ts')
      vi.doUnmock('../../rotation/rollback.ts')
      vi.unstubAllEnvs()
    }
    const lines = output.join('').split('\n')
    const metrics = lines.filter(line => line.includes('"CloudWatchMetrics"')).map(line => JSON.parse(line))
    return new Set(
      metrics.map(({ _aws, service }) => {
        const [{ Namespace, Metrics, Dimensions }] = _aws.CloudWatchMetrics
        expect(Namespace).toBe('Keyturn')
        return metric(Metrics[0].Name, Dimensions[0], service)
      }),
    )
  }

  test('alarms and dashboard ask for the metrics as they are written', async () => {
    type Shown = [string | { expression: string }, name?: string, dimension?: string, service?: string]
    const { widgets } = JSON.parse(properties(full, 'Dashboard').DashboardBody)
    const graphs: Shown[] = widgets.flatMap(
      ({ properties }: { properties: { metrics?: Shown[] } }) => properties.metrics ?? [],
    )
    const shown = graphs.flatMap(([first, name = '', dimension = '', service = '']) => {
      if (first === 'Keyturn') return metric(name, [dimension], service)
      const expression = typeof first === 'string' ? '' : first.expression
      const search = /\{Keyturn,([\w,]+)\} MetricName="(\w+)" service="([^"]+)"/.exec(expression)
      if (!search) return []
      const [, dimensions = '', searched = '', of = ''] = search
      return metric(searched, dimensions.split(','), of)
    })
    const watched = alarms()
      .map(name => properties(full, name))
      .filter(({ Namespace }) => Namespace === 'Keyturn')
      .map(({ MetricName, Dimensions: [{ Name, Value }, ...others] }) => {
        expect(others).toEqual([])
        return metric(MetricName, [Name], Value)
      })
    const written = await writtenMetrics()
    expect(written.size).toBe(5)
    expect(new Set(shown)).toEqual(written)
    expect(watched).toHaveLength(2)
    expect([...written]).toEqual(expect.arrayContaining(watched))
  })

  test('the dashboard is JSON, and shows this stack', () => {
    const { widgets } = JSON.parse(properties(full, 'Dashboard').DashboardBody)
    expect(widgets.map((widget: { properties: { title: string } }) => widget.properties.title)).toEqual([
      'Rotated, by engine and strategy',
      'Rolled back, by outcome',
      'Lockouts and failed executions',
      'Duration of each step',
      'Duration of rotations, by engine and strategy',
      'Late credentials',
      'Alarms',
    ])
    for (const { type, properties } of widgets)
      if (type === 'metric') expect(properties.region).toBe('eu-west-1')
    expect(widgets[2].properties.metrics.slice(1)).toEqual(
      stateMachines.flatMap(([, name]) =>
        ['ExecutionsFailed', 'ExecutionsAborted', 'ExecutionsTimedOut'].map(metric => [
          'AWS/States',
          metric,
          'StateMachineArn',
          name,
        ]),
      ),
    )
    const arns = alarms().map(name => `${name}.Arn`)
    expect(widgets.at(-1).properties.alarms.sort()).toEqual(arns.sort())
  })
})

describe('packages', () => {
  async function unpack(stack: Stack, name: string): Promise<Record<string, Uint8Array>> {
    return unzipSync(await stack.zip(name))
  }

  test.each(functions)('%s is small and holds its bundle only', async name => {
    const zip = await plainStack.zip(name)
    expect(zip.length).toBeLessThan(3_000_000)
    const names = Object.keys(unzipSync(zip))
    expect(names).toContain('index.mjs')
    expect(names.filter(file => !/^[\w-]+\.mjs$/.test(file))).toEqual([])
  })

  test('equal code makes an equal package, so that nothing is deployed anew', async () => {
    expect(await fullStack.zip('createSecret')).toEqual(await plainStack.zip('createSecret'))
  })

  test('the CA file is in the packages of those that log in to databases', async () => {
    for (const name of functions) {
      const file = (await unpack(fullStack, name))['authorities.pem']
      expect(file && Buffer.from(file).toString()).toBe(inVpc.includes(name) ? certificate : undefined)
    }
  })

  /** What is missed first in an event that is none. */
  const missed: Record<string, string> = {
    ...Object.fromEntries(steps.map(name => [name, 'execution'])),
    findDue: 'run',
    startRotation: 'store',
    rotateServer: 'run',
    takeSlot: 'execution',
    awaitRotation: 'store',
    reportRotations: 'host',
    rotateSecret: 'Step',
  }

  test.each(Object.entries(missed))(
    '%s loads under Node 24, with every chunk, and refuses a bad event',
    async (name, field) => {
      const folder = join(scratch, name)
      for (const [path, data] of Object.entries(await unpack(fullStack, name))) {
        await mkdir(dirname(join(folder, path)), { recursive: true })
        await writeFile(join(folder, path), data)
      }
      const chunks = (await readdir(folder)).filter(file => file.endsWith('.mjs'))
      const script = `
      const { handler } = await import('./index.mjs')
      const error = await handler({ execution: 7 }, { functionName: 'test' }).catch(error => error)
      for (const chunk of ${JSON.stringify(chunks)}) await import('./' + chunk)
      console.log(JSON.stringify([error.name, error.message]))`
      const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], {
        cwd: folder,
        env: { AWS_REGION: 'eu-west-1', ...environment(name) },
      })
      // Log lines may stand before it.
      expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toEqual([
        'InvalidInput',
        expect.stringMatching(`^${name}: ${field}: `),
      ])
    },
  )

  function environment(name: string): Record<string, string> {
    return properties(full, `${logical(name)}LambdaFunction`).Environment.Variables
  }

  test('raiseAlarm loads under Node 24, with every chunk; the client for SSM only for a webhook', async () => {
    const folder = join(scratch, 'raiseAlarm')
    await mkdir(folder)
    const files = Object.entries(await unpack(plainStack, 'raiseAlarm'))
    for (const [path, data] of files) await writeFile(join(folder, path), data)
    const script = files.map(([path]) => `await import('./${path}');`).join('\n')
    await run(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: folder,
      env: { AWS_REGION: 'eu-west-1', ...environment('raiseAlarm') },
    })
    const holders = files.filter(([, data]) => Buffer.from(data).includes('AmazonSSM')).map(([path]) => path)
    expect(holders).toHaveLength(1)
    expect(holders).not.toContain('index.mjs')
  })

  test.each([
    [{ KEYTURN_GRACE: 'soon' }, 'grace: should be'],
    [{ PASSWORD_LENGTH: '8' }, 'the password settings leave 50 bits'],
    [{ KEYTURN_CA_FILE: '../elsewhere.pem' }, "in the project's folder"],
    [{ KEYTURN_CA_FILE: 'key.pem' }, 'should hold certificates'],
    [{ KEYTURN_CA_FILE: 'absent.pem' }, 'absent.pem'],
    [{ KEYTURN_WEBHOOK_PARAMETER: 'webhook' }, 'webhookParameter: should begin with /'],
    [{ KEYTURN_MAX_ROTATIONS: '0' }, 'maxConcurrentRotations: should be'],
    [{ KEYTURN_MAX_ROTATIONS: 'many' }, 'maxConcurrentRotations: should be'],
    [{ KEYTURN_MAX_ROTATIONS: '40', KEYTURN_MAX_ROTATIONS_PER_HOST: '1.5' }, 'PerHost: should be'],
    [{ KEYTURN_MAX_ROTATIONS: '40', KEYTURN_MAX_ROTATIONS_PER_HOST: '41' }, 'PerHost: should be'],
  ])('no package is made with %o', async (environment, problem) => {
    await writeFile(join(scratch, 'key.pem'), '-----BEGIN PRIVATE KEY-----')
    const functions = { finishSecret: { environment } }
    const plugin = new Bundle({ serviceDir: scratch, service: { functions } })
    await expect(plugin.hooks['before:package:createDeploymentArtifacts']()).rejects.toThrow(problem)
    expect(functions.finishSecret).not.toHaveProperty('package')
  })

  test.each([
    'rate(61 minutes)',
    'rate(2 hours)',
    'rate(1 day)',
    'rate(0 minutes)',
    'cron(0 * * *)',
    'cron(0/15 8-18 ? * MON-FRI *)',
    '15 minutes',
  ])('no package is made with dueSchedule %s', async ScheduleExpression => {
    const resources = { Resources: { DueSchedule: { Properties: { ScheduleExpression } } } }
    const plugin = new Bundle({ serviceDir: scratch, service: { functions: {}, resources } })
    await expect(plugin.hooks['before:package:createDeploymentArtifacts']()).rejects.toThrow(
      /^dueSchedule: should be /,
    )
  })

  test.each(['rate(1 minute)', 'rate(60 minutes)', 'rate(1 hour)'])(
    'one is made with %s',
    async ScheduleExpression => {
      const resources = { Resources: { DueSchedule: { Properties: { ScheduleExpression } } } }
      const plugin = new Bundle({ serviceDir: scratch, service: { functions: {}, resources } })
      await plugin.hooks['before:package:createDeploymentArtifacts']()
    },
  )

  test.each([
    { dueSchedule: 'rate(2 hours)' },
    { maxConcurrentRotations: '0' },
    { maxConcurrentRotationsPerHost: '41' },
  ])('serverless names the parameter in %o', async parameter => {
    await expect(packageStack(parameter)).rejects.toHaveProperty(
      'stdout',
      expect.stringMatching(`: ${Object.keys(parameter)}: should be `),
    )
  })

  /** The drivers and AWS's clients that a function loads when it starts, and those that it loads when it uses them. */
  async function packagesOf(name: string): Promise<{ atStart: Set<string>; later: Set<string> }> {
    const { outputs } = await bundleFunction(name, join(scratch, 'bundle'))
    const files = new Map(Object.entries(outputs).map(([path, output]) => [path.split('/').pop(), output]))
    const first = new Set<string | undefined>(['index.mjs'])
    for (const file of first)
      for (const { kind, path, external } of files.get(file)?.imports ?? [])
        if (kind === 'import-statement' && !external) first.add(path.split('/').pop())
    const packages = (names: Iterable<string | undefined>) => {
      const sources = [...names].flatMap(file => Object.keys(files.get(file)?.inputs ?? {})).join('\n')
      const found = sources.matchAll(
        /node_modules\/(pg|mysql2|mongodb|@redis\/client|@aws-sdk\/client-[\w-]+)\//g,
      )
      return new Set([...found].map(([, name = '']) => name.replace('@aws-sdk/client-', '')))
    }
    const atStart = packages(first)
    return { atStart, later: packages(files.keys()).difference(atStart) }
  }

  test.each([
    // A rotation that goes well needs no Step Functions, and only one of the two stores.
    ...[...steps, 'rotateSecret'].map(
      name =>
        [
          name,
          ['secrets-manager'],
          ['@redis/client', 'mongodb', 'mysql2', 'pg', 'rds', 'sfn', 'ssm'],
        ] as const,
    ),
    ['findDue', ['resource-groups-tagging-api', 'secrets-manager', 'sfn', 'ssm'], []],
    // Only Parameter Store's own events make it look at a parameter.
    ['startRotation', [], ['dynamodb', 'sfn', 'ssm']],
    ['rotateServer', ['sfn'], []],
    ['takeSlot', ['sfn'], []],
    ['awaitRotation', [], ['sfn']],
    ['reportRotations', [], []],
    // It looks at executions, and posts to a webhook, only when there is something to tell.
    ['raiseAlarm', ['dynamodb', 'sns'], ['sfn', 'ssm']],
  ] as const)('%s loads %j at start, and %j only when used', async (name, first, more) => {
    const { atStart, later } = await packagesOf(name)
    expect([...atStart].sort()).toEqual(first)
    expect([...later].sort()).toEqual(more)
  })
})
