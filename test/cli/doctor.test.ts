import {
  CloudWatchClient,
  PutMetricAlarmCommand,
  PutMetricDataCommand,
  SetAlarmStateCommand,
} from '@aws-sdk/client-cloudwatch'
import {
  CreateEventBusCommand,
  DescribeRuleCommand,
  DisableRuleCommand,
  EventBridgeClient,
  PutRuleCommand,
} from '@aws-sdk/client-eventbridge'
import {
  CreateEventSourceMappingCommand,
  CreateFunctionCommand,
  LambdaClient,
  type Runtime,
  UpdateEventSourceMappingCommand,
} from '@aws-sdk/client-lambda'
import {
  CreateScheduleCommand,
  GetScheduleCommand,
  SchedulerClient,
  UpdateScheduleCommand,
} from '@aws-sdk/client-scheduler'
import { CreateTopicCommand, SNSClient, SubscribeCommand, UnsubscribeCommand } from '@aws-sdk/client-sns'
import { CreateQueueCommand, DeleteQueueCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import { DeleteParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { arnOf } from '../../local/embedded/stateMachine.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { type Moto, startMoto } from '../support/moto.ts'
import { commandEnvironment, runCommand, stackOf } from './account.ts'
import { type Deployment, startDeployment } from './deployment.ts'

const bin = await pythonBin()
let moto: Moto
let deployment: Deployment
let events: EventBridgeClient
let scheduler: SchedulerClient
let lambda: LambdaClient
let sns: SNSClient
let sqs: SQSClient
let cloudWatch: CloudWatchClient
let ssm: SSMClient

const schedule = {
  Name: 'keyturn-local-due',
  Description: 'Rotates the credentials that are due',
  ScheduleExpression: 'rate(15 minutes)',
  FlexibleTimeWindow: { Mode: 'OFF' },
  Target: {
    Arn: arnOf('states', 'stateMachine:keyturn-local-rotate-due'),
    RoleArn: 'arn:aws:iam::123456789012:role/keyturn-local-schedule',
    Input: '{}',
    RetryPolicy: { MaximumEventAgeInSeconds: 600, MaximumRetryAttempts: 10 },
  },
} as const
const topicArn = arnOf('sns', 'keyturn-local-alarms')
const queueUrls: Record<string, string> = {}
let mapping: string
let subscription: string | undefined

beforeAll(async () => {
  if (!bin) throw new Error('there is no python3, of which moto is made')
  moto = await startMoto(bin)
  deployment = await startDeployment(moto.url)
  const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' }
  const settings = { endpoint: moto.url, region: 'eu-west-1', credentials }
  events = new EventBridgeClient(settings)
  scheduler = new SchedulerClient(settings)
  lambda = new LambdaClient(settings)
  sns = new SNSClient(settings)
  sqs = new SQSClient(settings)
  cloudWatch = new CloudWatchClient(settings)
  ssm = new SSMClient(settings)
  await make()
})
afterAll(async () => {
  await deployment?.stop()
  await moto?.stop()
})

async function make() {
  await role('keyturn-local')
  await events.send(new CreateEventBusCommand({ Name: 'own' }))
  await rule('keyturn-local-LockoutRule', 'own')
  await rule('keyturn-local-PolicyEventRule')
  await scheduler.send(new CreateScheduleCommand(schedule))
  for (const name of ['keyturn-local-critical-alarms', 'keyturn-local-alarm-dead-letters'])
    queueUrls[name] = (await sqs.send(new CreateQueueCommand({ QueueName: name }))).QueueUrl ?? ''
  await sns.send(new CreateTopicCommand({ Name: 'keyturn-local-alarms' }))
  await lambdaFunction('keyturn-local-raiseAlarm', { KEYTURN_WEBHOOK_PARAMETER: '/keyturn/webhook' })
  await lambdaFunction('keyturn-local-setSecret')
  const { UUID = '' } = await lambda.send(
    new CreateEventSourceMappingCommand({
      EventSourceArn: arnOf('sqs', 'keyturn-local-critical-alarms'),
      FunctionName: 'keyturn-local-raiseAlarm',
    }),
  )
  mapping = UUID
  await cloudWatch.send(
    new PutMetricAlarmCommand({
      AlarmName: 'keyturn-local-locked-out',
      AlarmDescription: 'CRITICAL: an application may be locked out. See docs/runbook.md#lockedout',
      ...{ Namespace: 'Keyturn', MetricName: 'LockedOut', Statistic: 'Sum', Period: 60 },
      ...{ EvaluationPeriods: 1, Threshold: 0, ComparisonOperator: 'GreaterThanThreshold' },
    }),
  )
}

/** Makes a role for functions by an HTTP request, as no other test here needs a client of IAM. */
const role = (RoleName: string) =>
  fetch(moto.url, {
    method: 'POST',
    headers: { authorization: 'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261130/us-east-1/iam/aws4_request' },
    body: new URLSearchParams({
      ...{ Action: 'CreateRole', Version: '2010-05-08', RoleName },
      AssumeRolePolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          { Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' },
        ],
      }),
    }),
  })

const rule = (Name: string, EventBusName?: string) =>
  events.send(new PutRuleCommand({ Name, EventBusName, EventPattern: '{"source":["keyturn"]}' }))

const lambdaFunction = (FunctionName: string, Variables = {}, runtime: Runtime = 'nodejs24.x') =>
  lambda.send(
    new CreateFunctionCommand({
      FunctionName,
      Runtime: runtime,
      Handler: 'index.handler',
      Role: 'arn:aws:iam::123456789012:role/keyturn-local',
      Code: { ZipFile: Buffer.from('UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==', 'base64') },
      Environment: { Variables },
    }),
  )

/** The URL of a queue on this server, so that its calls can be refused too. */
const asSeen = (name: string) => (queueUrls[name] ?? '').replace(moto.url, deployment.url)

/** Sets up a deployment without a fault. */
beforeEach(async () => {
  deployment.refuse()
  deployment.calls.length = 0
  deployment.stacks = [
    stackOf('local', { AlarmTopicArn: topicArn, EventBusArn: arnOf('events', 'event-bus/own') }),
  ]
  deployment.resources = [
    ['SetSecretRole', 'AWS::IAM::Role', 'keyturn-local-setSecret'],
    ['LockoutRule', 'AWS::Events::Rule', 'own|keyturn-local-LockoutRule'],
    ['PolicyEventRule', 'AWS::Events::Rule', 'keyturn-local-PolicyEventRule'],
    ['DueSchedule', 'AWS::Scheduler::Schedule', schedule.Name],
    ['TellCritical', 'AWS::Lambda::EventSourceMapping', mapping],
    ['RaiseAlarmLambdaFunction', 'AWS::Lambda::Function', 'keyturn-local-raiseAlarm'],
    ['SetSecretLambdaFunction', 'AWS::Lambda::Function', 'keyturn-local-setSecret'],
    ['CriticalAlarms', 'AWS::SQS::Queue', asSeen('keyturn-local-critical-alarms')],
    ['AlarmDeadLetters', 'AWS::SQS::Queue', asSeen('keyturn-local-alarm-dead-letters')],
    ['AlarmTopic', 'AWS::SNS::Topic', topicArn],
    ['LockedOutAlarm', 'AWS::CloudWatch::Alarm', 'keyturn-local-locked-out'],
  ]
  await rule('keyturn-local-LockoutRule', 'own')
  await rule('keyturn-local-PolicyEventRule')
  await scheduler.send(new UpdateScheduleCommand({ ...schedule, State: 'ENABLED' }))
  for (const [QueueName, QueueUrl] of Object.entries(queueUrls)) {
    await sqs.send(new DeleteQueueCommand({ QueueUrl }))
    await sqs.send(new CreateQueueCommand({ QueueName }))
  }
  await lambda.send(new UpdateEventSourceMappingCommand({ UUID: mapping, Enabled: true }))
  await ssm.send(
    new PutParameterCommand({
      ...{ Name: '/keyturn/webhook', Type: 'SecureString', Value: 'Hidden-1', Overwrite: true },
    }),
  )
  await alarmIs('OK')
  const subscribe = { TopicArn: topicArn, Protocol: 'sms', Endpoint: '+4912345' }
  subscription = (await sns.send(new SubscribeCommand(subscribe))).SubscriptionArn
})

const alarmIs = (StateValue: 'OK' | 'ALARM') =>
  cloudWatch.send(
    new SetAlarmStateCommand({ AlarmName: 'keyturn-local-locked-out', StateValue, StateReason: 'a test' }),
  )
const keyturn = (...words: string[]) => runCommand(words, commandEnvironment(deployment.url))
const changes = /^(Put|Update|Enable|Disable|Delete|Create|Set|Send|Purge|Receive|Subscribe|POST|PUT|DELETE)/

test('a deployment without a fault has a line for each kind of check', async () => {
  expect(await keyturn('doctor')).toEqual({
    code: 0,
    stderr: '',
    stdout: `ok        1 stack: of the same version as this command
ok        2 rules: enabled
ok        1 schedule: enabled
ok        2 functions: able to run, on a runtime that AWS supports
ok        2 functions: without an error in the last 24 hours
ok        1 reader of a queue: enabled
ok        2 queues: empty
ok        1 topic: with a subscriber
ok        1 webhook: there
ok        1 alarm: quiet
`,
  })
  expect(deployment.calls.filter(({ action }) => changes.test(action))).toEqual([])
})

/** Breaks everything that can be broken. */
async function breakAll() {
  await events.send(new DisableRuleCommand({ Name: 'keyturn-local-LockoutRule', EventBusName: 'own' }))
  await events.send(new DisableRuleCommand({ Name: 'keyturn-local-PolicyEventRule' }))
  await scheduler.send(new UpdateScheduleCommand({ ...schedule, State: 'DISABLED' }))
  await lambda.send(new UpdateEventSourceMappingCommand({ UUID: mapping, Enabled: false }))
  for (const QueueUrl of Object.values(queueUrls))
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'Hidden-1' }))
  await sns.send(new UnsubscribeCommand({ SubscriptionArn: subscription }))
  await ssm.send(new DeleteParameterCommand({ Name: '/keyturn/webhook' }))
  await alarmIs('ALARM')
}

test('each fault is named with its remedy, and no message and no value is read', async () => {
  await breakAll()
  const { code, stdout, stderr } = await keyturn('doctor')
  expect(code).toBe(5)
  const lines = stdout.replaceAll(/since \S+ \S+ UTC/g, 'since …').split('\n')
  const dead = asSeen('keyturn-local-alarm-dead-letters')
  expect(lines).toEqual([
    'ok        1 stack: of the same version as this command',
    'failed    rule keyturn-local-LockoutRule is disabled',
    '          aws events enable-rule --name keyturn-local-LockoutRule --event-bus-name own --region eu-west-1',
    'failed    rule keyturn-local-PolicyEventRule is disabled',
    '          aws events enable-rule --name keyturn-local-PolicyEventRule --region eu-west-1',
    'failed    schedule keyturn-local-due is disabled',
    '          keyturn doctor --fix --stage local --region eu-west-1',
    'ok        2 functions: able to run, on a runtime that AWS supports',
    'ok        2 functions: without an error in the last 24 hours',
    'failed    reader of a queue keyturn-local-critical-alarms to keyturn-local-raiseAlarm is Disabled: what comes to the queue stays there',
    `          aws lambda update-event-source-mapping --uuid ${mapping} --enabled --region eu-west-1`,
    'warning   queue keyturn-local-critical-alarms has 1 message that nobody has read yet',
    expect.stringMatching(/^ {10}Look again in a minute; .*aws sqs receive-message/),
    'failed    queue keyturn-local-alarm-dead-letters has 1 message: what it was about did not happen, or was not told',
    expect.stringContaining(`aws sqs receive-message --queue-url ${dead} --max-number-of-messages 10`),
    'failed    topic keyturn-local-alarms has no subscriber: it tells nobody',
    expect.stringMatching(/^ {10}aws sns subscribe --topic-arn arn:aws:sns:eu-west-1:/),
    'failed    webhook /keyturn/webhook is not there: no alarm gets to the webhook',
    expect.stringMatching(/^ {10}aws ssm put-parameter --type SecureString --name \/keyturn\/webhook /),
    'failed    alarm keyturn-local-locked-out is in alarm since …',
    '          CRITICAL: an application may be locked out. See docs/runbook.md#lockedout',
    '',
  ])
  expect(stderr).toMatch(
    /^keyturn doctor --fix --stage local enables the rules and schedules that are disabled/,
  )
  expect(deployment.calls.filter(({ action }) => changes.test(action))).toEqual([])
  expect(stdout).not.toContain('Hidden-1')
})

test('--fix enables the rules and the schedule, and changes nothing else', async () => {
  await breakAll()
  const { code, stdout, stderr } = await keyturn('doctor', '--fix')
  expect(code).toBe(5)
  expect(stdout).toMatch(/^ok {8}2 rules: enabled\nok {8}1 schedule: enabled$/m)
  expect(stdout).toMatch(/^failed {4}reader of a queue /m)
  expect(stderr).toBe(
    'Enabled: rule keyturn-local-LockoutRule\nEnabled: rule keyturn-local-PolicyEventRule\nEnabled: schedule keyturn-local-due\n',
  )
  const changed = deployment.calls.filter(({ action }) => changes.test(action)).map(({ action }) => action)
  expect(changed).toEqual(['EnableRule', 'EnableRule', 'PUT /schedules/keyturn-local-due'])
  const state = await events.send(
    new DescribeRuleCommand({ Name: 'keyturn-local-LockoutRule', EventBusName: 'own' }),
  )
  expect(state.State).toBe('ENABLED')
  const found = await scheduler.send(new GetScheduleCommand({ Name: schedule.Name }))
  expect(found).toMatchObject({ ...schedule, State: 'ENABLED' })
})

test('what AWS refuses to enable stays a finding, with the refusal', async () => {
  await events.send(new DisableRuleCommand({ Name: 'keyturn-local-PolicyEventRule' }))
  await scheduler.send(new UpdateScheduleCommand({ ...schedule, State: 'DISABLED' }))
  deployment.refuse(({ action }) =>
    action === 'EnableRule' ? { name: 'AccessDeniedException', message: 'not you' } : undefined,
  )
  const { code, stdout, stderr } = await keyturn('doctor', '--fix')
  expect(code).toBe(5)
  expect(stderr).toMatch(
    /^Not enabled: rule keyturn-local-PolicyEventRule: EventBridge refuses EnableRule: not you\nEnabled: schedule/,
  )
  expect(stdout).toMatch(/^failed {4}rule keyturn-local-PolicyEventRule is disabled$/m)
  expect(stdout).toMatch(/^ok {8}1 schedule: enabled$/m)
})

test('what could not be read is a finding, and the rest is reported', async () => {
  const refused = ['sqs', 'monitoring', 'lambda']
  deployment.refuse(({ service }) =>
    refused.includes(service) ? { name: 'AccessDeniedException', message: 'not you' } : undefined,
  )
  const { code, stdout } = await keyturn('doctor')
  expect(code).toBe(5)
  const unread = stdout.match(/^not read .*$/gm) ?? []
  expect(unread).toHaveLength(8)
  expect(unread).toContain(
    'not read  queue keyturn-local-alarm-dead-letters could not be read: AccessDeniedException: not you',
  )
  expect(stdout).toMatch(/^ok {8}2 rules: enabled$/m)
})

test('the remedy for what no longer exists is to deploy again', async () => {
  deployment.resources.push(
    ['RotationEndedRule', 'AWS::Events::Rule', 'keyturn-local-RotationEndedRule'],
    ['RehearsalSchedule', 'AWS::Scheduler::Schedule', 'keyturn-local-rehearsal'],
    ['OtherAlarms', 'AWS::SQS::Queue', `${deployment.url}/123456789012/keyturn-local-other-alarms`],
    ['LateAlarm', 'AWS::CloudWatch::Alarm', 'keyturn-local-late'],
  )
  const { code, stdout } = await keyturn('doctor')
  expect(code).toBe(5)
  const gone = stdout.match(
    /^failed.* is not there\n {10}Deploy again, .*: npx serverless deploy --stage local$/gm,
  )
  expect(gone?.map(line => line.split(' ').filter(Boolean)[2])).toEqual([
    'keyturn-local-RotationEndedRule',
    'keyturn-local-rehearsal',
    'keyturn-local-other-alarms',
    'keyturn-local-late',
  ])
})

test('an old runtime, a function that failed and another version are reported, also as JSON', async () => {
  await lambdaFunction('keyturn-local-old', {}, 'nodejs20.x')
  deployment.resources.push(['OldLambdaFunction', 'AWS::Lambda::Function', 'keyturn-local-old'])
  await cloudWatch.send(
    new PutMetricDataCommand({
      Namespace: 'AWS/Lambda',
      MetricData: [
        {
          ...{ MetricName: 'Errors', Value: 3, Timestamp: new Date(Date.now() - 7_200_000) },
          Dimensions: [{ Name: 'FunctionName', Value: 'keyturn-local-old' }],
        },
      ],
    }),
  )
  deployment.stacks = [stackOf('local', { AlarmTopicArn: topicArn, Version: '0.0.1' })]
  const { code, stdout } = await keyturn('doctor', '--json')
  const { stage, checks } = JSON.parse(stdout)
  expect([code, stage]).toEqual([5, 'local'])
  const bad = checks.filter(({ state }: { state: string }) => state !== 'ok')
  expect(bad.map(({ kind, state, says }: Record<string, string>) => [kind, state, says])).toEqual([
    ['version', 'warning', expect.stringMatching(/^has version 0\.0\.1, and this command has /)],
    ['function', 'failed', 'is on nodejs20.x, which AWS deprecated on 2026-04-30'],
    [
      'errors',
      'warning',
      expect.stringMatching(/^failed 3 times in the last 24 hours, last in the hour from /),
    ],
  ])
})
