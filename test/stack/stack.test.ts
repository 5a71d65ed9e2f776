import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { promisify } from 'node:util'
import { unzipSync } from 'fflate'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import Bundle, { bundleFunction } from '../../bundle.ts'
import { lease } from '../../functions/alarm/ledger.ts'
import { pythonBin } from '../../local/python.ts'
import { abandoned, announced, lockedOut, managed, statusChange } from '../failures.ts'
import { deployed, packageStack, type Stack, type Template } from './package.ts'

const run = promisify(execFile)
/** Those that the state machine runs. */
const steps = ['createSecret', 'setSecret', 'testSecret', 'finishSecret', 'rollbackSecret', 'retireSecret']
const functions = [...steps, 'rotateSecret', 'raiseAlarm']
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

describe('state machine', () => {
  const placeholders = (text: string) => [...text.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name)

  test('is a valid definition once its placeholders are filled', () => {
    const validate = createRequire(import.meta.url)('asl-validator')
    const { DefinitionString, DefinitionSubstitutions } = properties(full, 'RotateStateMachine')
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
    const { DefinitionString, DefinitionSubstitutions } = properties(plain, 'RotateStateMachine')
    expect(new Set(placeholders(DefinitionString))).toEqual(new Set(Object.keys(DefinitionSubstitutions)))
    expect(DefinitionSubstitutions).toEqual({
      Partition: 'aws',
      EventBusName: 'default',
      ...Object.fromEntries(
        steps.map(name => [`${logical(name)}FunctionArn`, `${logical(name)}LambdaFunction.Arn`]),
      ),
    })
  })

  test('is the file as it stands, with every null that osls would drop', async () => {
    const file = await readFile(join(import.meta.dirname, '../../statemachines/rotate.asl.json'), 'utf8')
    expect(properties(plain, 'RotateStateMachine').DefinitionString).toBe(file)
  })

  test('waits longer for a function than the function runs', () => {
    const { States } = JSON.parse(properties(plain, 'RotateStateMachine').DefinitionString)
    const tasks = Object.values<Record<string, unknown>>(States).filter(({ Resource }) =>
      String(Resource).endsWith('FunctionArn}'),
    )
    expect(tasks.length).toBeGreaterThanOrEqual(steps.length)
    for (const task of tasks) expect(task.TimeoutSeconds).toBe(90)
  })

  test('logs every step, traces, and writes no input or output into its log', () => {
    expect(properties(plain, 'RotateStateMachine')).toMatchObject({
      StateMachineName: 'keyturn-test-rotate',
      StateMachineType: 'STANDARD',
      TracingConfiguration: { Enabled: true },
      LoggingConfiguration: {
        Level: 'ALL',
        IncludeExecutionData: false,
        Destinations: [{ CloudWatchLogsLogGroup: { LogGroupArn: 'RotateLogGroup.Arn' } }],
      },
    })
    expect(properties(plain, 'RotateLogGroup').LogGroupName).toBe(
      '/aws/vendedlogs/states/keyturn-test-rotate',
    )
  })
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
    const { Metadata, Resources, ...rest } = structuredClone(fullStack.template)
    const { RotateStateMachine: machine, ...others } = Resources
    if (!machine) throw new Error('there is no state machine')
    delete machine.Metadata
    const definition = String(machine.Properties.DefinitionString)
    machine.Properties.DefinitionString = definition.replaceAll('${Partition}', 'aws')
    const config = { ignore_checks: ['W3005', 'W8003'] }
    expect(Metadata['cfn-lint'].config.ignore_checks).toEqual(expect.arrayContaining(config.ignore_checks))
    const file = join(scratch, 'template.json')
    const template = {
      ...rest,
      Metadata: { 'cfn-lint': { config } },
      Resources: { ...others, RotateStateMachine: machine },
    }
    await writeFile(file, JSON.stringify(template))
    expect(await lint(file)).toBe('')
  })

  test.skipIf(!bin)('so does the one in docs/events.md', async () => {
    const page = await readFile(join(import.meta.dirname, '../../docs/events.md'), 'utf8')
    const [, template] = /```yaml\n(.*?)```/s.exec(page) ?? []
    const file = join(scratch, 'events.yml')
    await writeFile(file, template ?? '')
    expect(await lint(file)).toBe('')
  })

  test.each(functions)('%s runs on Node 24 on arm64, with a log of its own', name => {
    expect(properties(plain, `${logical(name)}LambdaFunction`)).toMatchObject({
      FunctionName: `keyturn-test-${name}`,
      Handler: 'index.handler',
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      Timeout: name === 'rotateSecret' ? 900 : steps.includes(name) ? 60 : lease / 1000,
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
    expect(retention(plain)).toEqual(Array(functions.length + 1).fill(90))
    expect(retention(full)).toEqual(Array(functions.length + 1).fill(30))
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
      setSecret: database,
      testSecret: database,
      finishSecret: common,
      rollbackSecret: { ...database, KEYTURN_EXECUTIONS: executions, KEYTURN_GRACE: '7d' },
      retireSecret: database,
      rotateSecret: { ...database, ...create },
      raiseAlarm: {
        ...common,
        KEYTURN_ALARM_TOPIC: 'AlarmTopic',
        KEYTURN_ALARM_TABLE: 'AlarmLedger',
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

  test('the outputs name the state machine, the bus, the topic, every step and the rotation function', () => {
    const values = Object.entries(full.Outputs).map(([name, { Value }]) => [name, Value])
    expect(Object.fromEntries(values)).toEqual({
      ServerlessDeploymentBucketName: 'ServerlessDeploymentBucket',
      RotateStateMachineArn: 'RotateStateMachine',
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
  const roleNames = [...functions.map(name => `${logical(name)}Role`), 'RotateRole']

  function statements(template: Template, role: string): Statement[] {
    const policies = properties(template, role).Policies
    return policies.flatMap(
      (policy: { PolicyDocument: { Statement: Statement[] } }) => policy.PolicyDocument.Statement,
    )
  }
  const every = () => roleNames.flatMap(role => statements(full, role))

  const read = ['secretsmanager:GetSecretValue']
  const keyturnSecrets = (actions: string[]) => ({ RotatedByThisStack: actions, TaggedManaged: actions })
  const adminSecrets = { TaggedAdmin: read, ListedAdmins: read }
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
      PendingParameters: ['ssm:DeleteParameters', 'ssm:GetParameter', 'ssm:PutParameter'],
      CustomerKeyForParameters: writeKey,
      OtherRotations: ['states:DescribeExecution'],
      ...everyFunction,
    },
    SetSecretRole: {
      ...keyturnSecrets(['secretsmanager:GetSecretValue']),
      ...adminSecrets,
      ManagedParameters: readParameter,
      PendingParameters: readPending,
      ...readKey,
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
      ManagedParameters: describeParameter,
      PendingParameters: ['ssm:DeleteParameters', 'ssm:GetParameter', 'ssm:GetParametersByPath'],
      ...readKey,
      OtherRotations: ['states:DescribeExecution'],
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
      Executions: ['states:DescribeExecution', 'states:GetExecutionHistory'],
      StartRotation: ['states:StartExecution'],
      ...everyFunction,
      ...vpc,
    },
    RaiseAlarmRole: {
      Topic: ['sns:Publish'],
      TopicKey: ['kms:Decrypt', 'kms:GenerateDataKey'],
      Ledger: ['dynamodb:PutItem', 'dynamodb:UpdateItem'],
      DeadLetters: ['sqs:SendMessage'],
      Webhook: ['ssm:GetParameter'],
      WebhookCustomerKey: ['kms:Decrypt'],
      ...everyFunction,
    },
    RotateRole: {
      Steps: ['lambda:InvokeFunction'],
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
    },
  }
  const optional = [
    'ListedAdmins',
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
      const forAll = ['Traces', 'LogDelivery', 'NetworkInterfaces', 'NotByOwnCode']
      expect(list(Resource).includes('*')).toBe(forAll.includes(Sid))
    }
  })

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
      TaggedManaged: {
        Resource: here,
        Condition: { StringEquals: { 'aws:ResourceTag/keyturn:managed': 'true' } },
      },
      TaggedAdmin: {
        Resource: here,
        Condition: { StringEquals: { 'aws:ResourceTag/keyturn:admin': 'true' }, ...current },
      },
      ListedAdmins: { Resource: admins, Condition: current },
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

  test('parameters: those that are tagged, and what is pending beside them', () => {
    const found = every().filter(
      ({ Sid, Action }) => Sid !== 'Webhook' && list(Action).some(name => name.startsWith('ssm:')),
    )
    expect(found).toHaveLength(2 * steps.length)
    for (const { Sid, Effect, Resource, Condition } of found) {
      const managed = Sid === 'ManagedParameters'
      expect(Effect).toBe('Allow')
      expect(Resource).toBe(
        `arn:aws:ssm:eu-west-1:123456789012:parameter/${managed ? '' : 'keyturn/pending/'}*`,
      )
      expect(Condition).toEqual(
        managed ? { StringEquals: { 'aws:ResourceTag/keyturn:managed': 'true' } } : undefined,
      )
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
    expect(found).toHaveLength(12)
    for (const { Sid, Resource, Condition } of found) {
      expect(Resource).toBe(key)
      expect(Condition).toEqual(limits[Sid])
    }
    expect(plainStack.template.Conditions).toHaveProperty('CustomerKey')
  })

  test("an alarm: this stack's topic, table and queue, and the webhook's parameter with its key", () => {
    const own = Object.fromEntries(
      statements(full, 'RaiseAlarmRole').map(({ Sid, Resource, Condition }) => [
        Sid,
        { Resource, Condition },
      ]),
    )
    const parameter = 'arn:aws:ssm:eu-west-1:123456789012:parameter/keyturn/webhook'
    expect(own).toMatchObject({
      Topic: { Resource: 'AlarmTopic' },
      TopicKey: {
        Resource: 'AlarmKey.Arn',
        Condition: { StringEquals: { 'kms:ViaService': 'sns.eu-west-1.amazonaws.com' } },
      },
      Ledger: { Resource: 'AlarmLedger.Arn' },
      DeadLetters: { Resource: 'AlarmDeadLetters.Arn' },
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

  test('each function writes to its own log only, and knows executions of this state machine only', () => {
    for (const name of functions) {
      const own = statements(full, `${logical(name)}Role`)
      expect(own.find(({ Sid }) => Sid === 'OwnLogs')?.Resource).toBe(`${logical(name)}LogGroup.Arn`)
      const states = own.filter(({ Action }) => list(Action).some(action => action.startsWith('states:')))
      for (const { Sid, Resource } of states)
        expect(Resource).toBe(
          Sid === 'StartRotation'
            ? 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-test-rotate'
            : 'arn:aws:states:eu-west-1:123456789012:execution:keyturn-test-rotate:*',
        )
    }
  })

  test('the state machine invokes these functions and tells this bus, and nothing else', () => {
    const own = statements(full, 'RotateRole')
    expect(own.find(({ Sid }) => Sid === 'Steps')?.Resource).toEqual(
      steps.map(name => `${logical(name)}LambdaFunction.Arn`),
    )
    expect(own.find(({ Sid }) => Sid === 'Announcements')?.Resource).toBe(
      'arn:aws:events:eu-west-1:123456789012:event-bus/operations',
    )
  })

  test('each role is for its service only', () => {
    for (const role of roleNames) {
      const [statement, ...more] = properties(full, role).AssumeRolePolicyDocument.Statement
      expect(more).toEqual([])
      expect(statement).toMatchObject({ Effect: 'Allow', Action: 'sts:AssumeRole' })
      expect(statement.Principal).toEqual({
        Service: role === 'RotateRole' ? 'states.amazonaws.com' : 'lambda.amazonaws.com',
      })
    }
  })
})

describe('alarms', () => {
  type Pattern = { [name: string]: Pattern | unknown[] }
  /** As EventBridge matches the simple patterns that there are here: a list is what a value may be. */
  const matches = (pattern: Pattern, event: Record<string, unknown>): boolean =>
    Object.entries(pattern).every(([name, wanted]) =>
      Array.isArray(wanted)
        ? wanted.includes(event[name])
        : matches(wanted, (event[name] ?? {}) as Record<string, unknown>),
    )
  const rules = ['RotationFailedRule', 'ManagedRotationFailedRule', 'ExecutionFailedRule']
  const stateMachineArn = 'RotateStateMachine'
  const change = (status: string) => {
    const event = statusChange(status)
    return { ...event, detail: { ...event.detail, stateMachineArn } }
  }
  const started = { ...managed, detail: { ...managed.detail, eventName: 'RotationStarted' } }

  test.each([
    ['a rotation that failed', announced, 'RotationFailedRule'],
    ['a lockout', lockedOut, 'RotationFailedRule'],
    ['a rotation that went well', { ...announced, 'detail-type': 'Credential Rotated' }, undefined],
    ["another application's event", { ...announced, source: 'app' }, undefined],
    ['Secrets Manager: failed', managed, 'ManagedRotationFailedRule'],
    ['Secrets Manager: abandoned, in the other shape', abandoned, 'ManagedRotationFailedRule'],
    ['Secrets Manager: started', started, undefined],
    ['an execution that failed', change('FAILED'), 'ExecutionFailedRule'],
    ['an execution that timed out', change('TIMED_OUT'), 'ExecutionFailedRule'],
    ['an execution that was stopped', change('ABORTED'), 'ExecutionFailedRule'],
    ['an execution that runs', change('RUNNING'), undefined],
    ['an execution that went well', change('SUCCEEDED'), undefined],
    ["another state machine's", statusChange('FAILED'), undefined],
  ])('%s matches at most one rule, the right one', (_, event, rule) => {
    const found = rules.filter(name => matches(properties(full, name).EventPattern, event))
    expect(found).toEqual(rule ? [rule] : [])
  })

  test('there are no other rules; only the first is on a bus of its own', () => {
    const found = Object.keys(full.Resources).filter(
      name => full.Resources[name]?.Type === 'AWS::Events::Rule',
    )
    expect(found.sort()).toEqual(rules.toSorted())
    expect(rules.map(name => properties(full, name).EventBusName)).toEqual([
      'operations',
      undefined,
      undefined,
    ])
  })

  test('every rule may call the function, and what fails on the way goes to the dead letters', () => {
    for (const name of rules) {
      expect(properties(full, name).Targets).toEqual([
        {
          Id: 'raiseAlarm',
          Arn: 'RaiseAlarmLambdaFunction.Arn',
          DeadLetterConfig: { Arn: 'AlarmDeadLetters.Arn' },
          RetryPolicy: { MaximumEventAgeInSeconds: 3600, MaximumRetryAttempts: 185 },
        },
      ])
      expect(properties(full, name.replace(/Rule$/, 'Permission'))).toEqual({
        FunctionName: 'RaiseAlarmLambdaFunction',
        Action: 'lambda:InvokeFunction',
        Principal: 'events.amazonaws.com',
        SourceArn: `${name}.Arn`,
      })
    }
    const [statement] = properties(full, 'AlarmDeadLettersPolicy').PolicyDocument.Statement
    expect(statement).toMatchObject({
      Principal: { Service: 'events.amazonaws.com' },
      Action: 'sqs:SendMessage',
      Condition: { ArnEquals: { 'aws:SourceArn': rules.map(name => `${name}.Arn`) } },
    })
  })

  test('what the function throws is tried again, then goes to the dead letters', () => {
    expect(properties(full, 'RaiseAlarmRetries')).toMatchObject({
      MaximumRetryAttempts: 2,
      DestinationConfig: { OnFailure: { Destination: 'AlarmDeadLetters.Arn' } },
    })
  })

  test('topic and queue are encrypted; CloudWatch of this account may use the key', () => {
    expect(properties(full, 'AlarmTopic').KmsMasterKeyId).toBe('AlarmKey.Arn')
    expect(properties(full, 'AlarmDeadLetters').SqsManagedSseEnabled).toBe(true)
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

  test('the alarms tell the topic, and ask for the metric as it is written', async () => {
    const { Namespace, MetricName, Dimensions, AlarmActions } = properties(full, 'LockedOutAlarm')
    expect(AlarmActions).toEqual(['AlarmTopic'])
    expect(properties(full, 'DeadLettersAlarm')).toMatchObject({
      AlarmActions: ['AlarmTopic'],
      MetricName: 'ApproximateNumberOfMessagesVisible',
      Dimensions: [{ Name: 'QueueName', Value: 'AlarmDeadLetters.QueueName' }],
    })
    const script = `(await import('./functions/handler.ts')).count('LockedOut', { store: 'secrets-manager' })`
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: join(import.meta.dirname, '../..'),
      env: { POWERTOOLS_SERVICE_NAME: 'keyturn-test', AWS_REGION: 'eu-west-1' },
    })
    const metric = JSON.parse(stdout)
    const [written] = metric._aws.CloudWatchMetrics
    expect(written).toMatchObject({ Namespace, Metrics: [{ Name: MetricName }] })
    expect(Dimensions).toEqual(
      written.Dimensions[0].map((name: string) => ({ Name: name, Value: metric[name] })),
    )
  })

  test('the dashboard is JSON, and shows this stack', () => {
    const { widgets } = JSON.parse(properties(full, 'Dashboard').DashboardBody)
    expect(widgets.map((widget: { properties: { title: string } }) => widget.properties.title)).toEqual([
      'Rotated, by engine and strategy',
      'Rolled back, by outcome',
      'Lockouts and failed executions',
      'Duration of each step',
      'Duration of executions, grace time included',
      'Alarms',
    ])
    for (const { type, properties } of widgets)
      if (type === 'metric') expect(properties.region).toBe('eu-west-1')
  })
})

describe('packages', () => {
  async function unpack(stack: Stack, name: string): Promise<Record<string, Uint8Array>> {
    return unzipSync(await stack.zip(name))
  }

  test.each(functions)('%s is small and holds its bundle only', async name => {
    const zip = await plainStack.zip(name)
    expect(zip.length).toBeLessThan(600_000)
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

  test.each(steps)('%s loads under Node 24, with every chunk, and refuses a bad event', async name => {
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
      expect.stringMatching(`^${name}: ${name === 'rotateSecret' ? 'Step' : 'execution'}: `),
    ])
  })

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
  ])('no package is made with %o', async (environment, problem) => {
    await writeFile(join(scratch, 'key.pem'), '-----BEGIN PRIVATE KEY-----')
    const functions = { finishSecret: { environment } }
    const plugin = new Bundle({ serviceDir: scratch, service: { functions } })
    await expect(plugin.hooks['before:package:createDeploymentArtifacts']()).rejects.toThrow(problem)
    expect(functions.finishSecret).not.toHaveProperty('package')
  })

  test("a database's driver and the clients for Step Functions and Parameter Store are loaded only when used", async () => {
    for (const name of steps) {
      const { outputs } = await bundleFunction(name, join(scratch, 'bundle'))
      const files = new Map(Object.entries(outputs).map(([path, output]) => [path.split('/').pop(), output]))
      const atStart = new Set<string | undefined>(['index.mjs'])
      for (const file of atStart)
        for (const { kind, path, external } of files.get(file)?.imports ?? [])
          if (kind === 'import-statement' && !external) atStart.add(path.split('/').pop())
      const sources = (names: Iterable<string | undefined>) =>
        [...names].flatMap(file => Object.keys(files.get(file)?.inputs ?? {})).join('\n')
      for (const driver of ['pg/', '@aws-sdk/client-sfn/', '@aws-sdk/client-ssm/'].map(
        name => `node_modules/${name}`,
      )) {
        expect(sources(atStart)).not.toContain(driver)
        expect(sources(files.keys())).toContain(driver)
      }
    }
  })
})
