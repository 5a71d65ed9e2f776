import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { SFNClient } from '@aws-sdk/client-sfn'
import { describe, expect, test, vi } from 'vitest'
import { Inventory } from '../../fleet/inventory.ts'
import { LEASE_MS } from '../../functions/alarm/ledger.ts'
import { parseStartRotationEvent } from '../../functions/shared/event.ts'
import { pythonBin } from '../../local/stack/python.ts'
import manifest from '../../package.json' with { type: 'json' }
import { LockedOut } from '../../rotation/errors.ts'
import { parameterPolicyEvent } from '../support/alarmEvents.ts'
import { captureOutput } from '../support/observe.ts'
import type { Template } from './package.ts'

import { functions, inVpc, logical, packageBoth, properties, stateMachines, steps } from './stacks.ts'
import { variables } from './variables.ts'

const run = promisify(execFile)
const bin = await pythonBin()
const { plainStack, fullStack, plain, full, scratch } = await packageBoth()

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

  test('has a substitution for every placeholder, and no other', () => {
    const { DefinitionString, DefinitionSubstitutions } = properties(plain, name)
    expect(new Set(placeholders(DefinitionString))).toEqual(new Set(Object.keys(DefinitionSubstitutions)))
    expect(DefinitionSubstitutions).toEqual({
      PutEventsArn: 'arn:aws:states:::events:putEvents',
      ...(file === 'rotate' && { StartExecutionArn: 'arn:aws:states:::states:startExecution' }),
      EventBusName: 'default',
      ...(file === 'rotate' && { StoreWithPeers: 'none' }),
      ...Object.fromEntries(
        itsFunctions.map(name => [`${logical(name)}FunctionArn`, `${logical(name)}LambdaFunction.Arn`]),
      ),
    })
  })

  test('looks at replicas of secrets if the deployment names peer Regions, and else does not', () => {
    const { DefinitionSubstitutions } = properties(full, name)
    expect(DefinitionSubstitutions.StoreWithPeers).toBe(file === 'rotate' ? 'secrets-manager' : undefined)
  })

  test('is the file in statemachines/, with every null, which osls alone would drop', async () => {
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

  test('logs every step and traces it, and writes no input or output into its log', () => {
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

test('every state machine has a time limit but rotate, which waits for its grace time', () => {
  const timeout = (name: string) => JSON.parse(properties(plain, name).DefinitionString).TimeoutSeconds
  expect(timeout('RotateDueStateMachine')).toBe(43_200)
  expect(timeout('RotateServersStateMachine')).toBe(43_200)
  expect(timeout('PromoteStateMachine')).toBe(86_400)
  expect(timeout('CheckStateMachine')).toBe(1800)
  expect(timeout('RotateStateMachine')).toBeUndefined()
})

describe('the template', () => {
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

  test.skipIf(!bin)('of docs/events.md passes cfn-lint too', async () => {
    const page = await readFile(join(import.meta.dirname, '../../docs/events.md'), 'utf8')
    const [, template] = /```yaml\n(.*?)```/s.exec(page) ?? []
    const file = join(scratch, 'events.yml')
    await writeFile(file, template ?? '')
    expect(await lint(file)).toBe('')
  })

  /** Timeouts in seconds of the functions that differ from the others. */
  const timeouts: Record<string, number> = {
    rotateSecret: 900,
    findDue: 300,
    findReplicas: 300,
    checkCredential: 120,
    raiseAlarm: LEASE_MS / 1000,
  }

  test.each(functions)('has %s on Node 24 and arm64, with its own log', name => {
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

  test('has no other functions', () => {
    const names = Object.keys(plain.Resources).filter(
      name => plain.Resources[name]?.Type === 'AWS::Lambda::Function',
    )
    expect(names.sort()).toEqual(functions.map(name => `${logical(name)}LambdaFunction`).sort())
  })

  test('keeps every log as long as the stage says', () => {
    const retention = (template: Template) =>
      Object.keys(template.Resources)
        .filter(name => template.Resources[name]?.Type === 'AWS::Logs::LogGroup')
        .map(name => Number(properties(template, name).RetentionInDays))
    expect(retention(plain)).toEqual(Array(functions.length + stateMachines.length).fill(90))
    expect(retention(full)).toEqual(Array(functions.length + stateMachines.length).fill(30))
  })

  test('has only functions that log in to databases in the VPC, and only if there are subnets', () => {
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

  test('gives each function the variables that its code reads, and no others', () => {
    for (const name of functions)
      expect(properties(full, `${logical(name)}LambdaFunction`).Environment.Variables).toEqual(
        variables[name],
      )
  })

  test('lets Secrets Manager call the rotation function, for secrets of this account alone', () => {
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

  test('has outputs for the stage, its state machines, bus, topic and tables, every step and function to call', () => {
    const values = Object.entries(full.Outputs).map(([name, { Value }]) => [name, Value])
    expect(Object.fromEntries(values)).toEqual({
      ServerlessDeploymentBucketName: 'ServerlessDeploymentBucket',
      RotateStateMachineArn: 'RotateStateMachine',
      RotateDueStateMachineArn: 'RotateDueStateMachine',
      EventBusArn: 'arn:aws:events:eu-west-1:123456789012:event-bus/operations',
      AlarmTopicArn: 'AlarmTopic',
      Stage: 'test',
      Version: manifest.version,
      RotationTableName: 'RotationRecords',
      DueSchedule: 'rate(5 minutes)',
      PromoteStateMachineArn: 'PromoteStateMachine',
      PromotionTableName: 'Promotions',
      CheckStateMachineArn: 'CheckStateMachine',
      SetAdminStateMachineArn: 'SetAdminsStateMachine',
      AuditPolicyArn: 'AuditPolicy',
      PeerRegions: 'eu-central-1,us-east-1',
      Settings: expect.any(String),
      SwitchRegionFunctionArn: 'SwitchRegionLambdaFunction.Arn',
      ...Object.fromEntries(
        [...steps, 'rotateSecret'].map(name => [
          `${logical(name)}FunctionArn`,
          `${logical(name)}LambdaFunction.Arn`,
        ]),
      ),
    })
  })
})

describe('rules and the schedule', () => {
  const alarmRules = {
    CriticalAlarms: ['LockoutRule', 'RotationStoppedRule', 'LockedOutAlarmRule'],
    OtherAlarms: ['RotationFailedRule', 'ManagedRotationFailedRule', 'ExecutionFailedRule', 'AlarmStateRule'],
  }
  const recordRules = ['RotationAnnouncedRule', 'RotationEndedRule']
  const rules = [...Object.values(alarmRules).flat(), 'PolicyEventRule', ...recordRules]

  const named = (type: string) =>
    Object.keys(full.Resources).filter(name => full.Resources[name]?.Type === type)

  test('no other rules and schedules exist, and only those for Keyturn’s events are on its own bus', () => {
    expect(named('AWS::Events::Rule').sort()).toEqual(rules.toSorted())
    expect(named('AWS::Scheduler::Schedule')).toEqual(['DueSchedule', 'RehearsalSchedule'])
    const ofKeyturn = rules.filter(name => properties(full, name).EventPattern.source.includes('keyturn'))
    expect(ofKeyturn.sort()).toEqual(['LockoutRule', 'RotationAnnouncedRule', 'RotationFailedRule'])
    for (const name of rules)
      expect(properties(full, name).EventBusName).toBe(ofKeyturn.includes(name) ? 'operations' : undefined)
  })

  test('the schedule starts a run, and a start that fails goes to the dead letters', () => {
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
        // A failed start is not retried for long, as the next run begins soon.
        RetryPolicy: { MaximumEventAgeInSeconds: 600, MaximumRetryAttempts: 10 },
      },
    })
    expect(properties(plain, 'DueSchedule').ScheduleExpression).toBe('rate(15 minutes)')
  })

  const retries = { MaximumEventAgeInSeconds: 3600, MaximumRetryAttempts: 185 }
  /** @returns the rules that may send to a queue */
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
    'the queue %s gets the events of its rules, and no others',
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

  test('an event that a rule cannot deliver, or that was tried ten times, goes to the dead letters', () => {
    expect(senders('AlarmDeadLetters')).toEqual(arnsOf(Object.values(alarmRules).flat()))
    for (const queue of Object.keys(alarmRules))
      expect(properties(full, queue).RedrivePolicy).toEqual({
        deadLetterTargetArn: 'AlarmDeadLetters.Arn',
        maxReceiveCount: 10,
      })
  })

  const mappingsOf = (functionName: string) =>
    named('AWS::Lambda::EventSourceMapping')
      .map(name => properties(full, name))
      .filter(({ FunctionName }) => FunctionName === functionName)

  test('raiseAlarm reads both queues in batches, two at a time, and gives back what it could not send', () => {
    const common = {
      FunctionName: 'RaiseAlarmLambdaFunction',
      BatchSize: 100,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      ScalingConfig: { MaximumConcurrency: 2 },
    }
    expect(mappingsOf('RaiseAlarmLambdaFunction')).toEqual([
      { ...common, EventSourceArn: 'CriticalAlarms.Arn', MaximumBatchingWindowInSeconds: 2 },
      { ...common, EventSourceArn: 'OtherAlarms.Arn', MaximumBatchingWindowInSeconds: 5 },
    ])
    const timeout = properties(full, 'RaiseAlarmLambdaFunction').Timeout
    for (const queue of Object.keys(alarmRules)) {
      // A batch is delivered again after the lease of an invocation that died has ended.
      expect(properties(full, queue).VisibilityTimeout).toBeGreaterThan(timeout)
      expect(properties(full, queue).VisibilityTimeout).toBeGreaterThan(LEASE_MS / 1000)
      // All tries end before the queue drops a message.
      expect(properties(full, queue).MessageRetentionPeriod).toBeGreaterThan(10 * 70)
    }
    const permissions = named('AWS::Lambda::Permission').map(name => properties(full, name).FunctionName)
    expect(permissions).not.toContain('RaiseAlarmLambdaFunction')
  })

  test('recordRotation reads its queue in batches, two at a time, and gives back what it could not write', () => {
    expect(senders('RotationEvents')).toEqual(arnsOf(recordRules))
    expect(senders('RecordDeadLetters')).toEqual(arnsOf(recordRules))
    for (const rule of recordRules)
      expect(properties(full, rule).Targets).toEqual([
        {
          Id: 'rotationEvents',
          Arn: 'RotationEvents.Arn',
          DeadLetterConfig: { Arn: 'RecordDeadLetters.Arn' },
          RetryPolicy: { MaximumEventAgeInSeconds: 86400, MaximumRetryAttempts: 185 },
        },
      ])
    expect(mappingsOf('RecordRotationLambdaFunction')).toEqual([
      {
        FunctionName: 'RecordRotationLambdaFunction',
        EventSourceArn: 'RotationEvents.Arn',
        BatchSize: 10,
        FunctionResponseTypes: ['ReportBatchItemFailures'],
        ScalingConfig: { MaximumConcurrency: 2 },
      },
    ])
    const { VisibilityTimeout, RedrivePolicy } = properties(full, 'RotationEvents')
    expect(VisibilityTimeout).toBeGreaterThan(properties(full, 'RecordRotationLambdaFunction').Timeout)
    expect(RedrivePolicy).toEqual({ deadLetterTargetArn: 'RecordDeadLetters.Arn', maxReceiveCount: 10 })
    const permissions = named('AWS::Lambda::Permission').map(name => properties(full, name).FunctionName)
    expect(permissions).not.toContain('RecordRotationLambdaFunction')
  })

  test('startRotation may be called by its rule alone, and a call that fails goes to the dead letters', () => {
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

  test('an error of startRotation is tried again, and then goes to the same dead letters', () => {
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
    const alarms = {
      AlarmDeadLetters: 'DeadLettersAlarm',
      StartDeadLetters: 'StartDeadLettersAlarm',
      RecordDeadLetters: 'RecordDeadLettersAlarm',
    }
    expect(named('AWS::SQS::Queue').sort()).toEqual(
      [...Object.keys(alarms), ...Object.keys(alarmRules), 'RotationEvents'].sort(),
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

  test('startRotation can parse what its rule makes of a policy’s event', () => {
    const [{ InputTransformer }] = properties(full, 'PolicyEventRule').Targets
    const { InputPathsMap, InputTemplate } = InputTransformer
    const at = (path: string) =>
      // biome-ignore lint/suspicious/noExplicitAny: an event is JSON
      path.split('.').reduce((value: any, key) => (key === '$' ? value : value[key]), parameterPolicyEvent)
    const used = new Set<string>()
    const input = InputTemplate.replaceAll(/<([^>]+)>/g, (_: string, name: string) => {
      used.add(name)
      return at(InputPathsMap[name])
    })
    expect(parseStartRotationEvent(JSON.parse(input))).toEqual({
      store: 'parameter-store',
      id: 'foo',
      token: parameterPolicyEvent.id,
      at: new Date(parameterPolicyEvent.time),
    })
    expect(used).toEqual(new Set(Object.keys(InputPathsMap)))
  })
})

describe('alarms', () => {
  test('the topic is encrypted, and CloudWatch of this account may use the key', () => {
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

  test('a mail is sent only if the deployment has an address', () => {
    expect(properties(full, 'AlarmSubscription').Endpoint).toBe('on-call@example.com')
    expect(fullStack.template.Resources.AlarmSubscription).toHaveProperty('Condition', 'AlarmEmail')
    expect(full.Conditions.AlarmEmail).toBe(true)
    expect(plain.Conditions.AlarmEmail).toBe(false)
  })

  const alarms = () =>
    Object.keys(full.Resources).filter(name => full.Resources[name]?.Type === 'AWS::CloudWatch::Alarm')

  test('a lockout raises an alarm within a minute, and a schedule that stands still after some hours', () => {
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
    // raiseAlarm names late credentials; this alarm only shows them.
    expect(late).not.toHaveProperty('AlarmActions')
    expect(late).toMatchObject({
      Threshold: 0,
      ComparisonOperator: 'GreaterThanThreshold',
      AlarmDescription: expect.stringContaining('https://wiki.example/runbook#late-credentials'),
      Statistic: 'Maximum',
      Period: 3600,
      EvaluationPeriods: 2,
      // A new alarm is in INSUFFICIENT_DATA already, so its action runs when data end, and not before there are any.
      TreatMissingData: 'missing',
      InsufficientDataActions: ['AlarmTopic'],
    })
    expect(alarms()).toHaveLength(5)
  })

  /** A metric with all its dimensions, without which a graph shows nothing. Only those of this stack's service. */
  const metric = (name: string, dimensions: string[], service: string) =>
    `${name} by ${dimensions.sort().join(', ')} of ${service}`

  /** The metrics that the functions write, over all cases. */
  async function writtenMetrics(): Promise<Set<string>> {
    for (const [name, value] of Object.entries({
      AWS_REGION: 'eu-west-1',
      POWERTOOLS_SERVICE_NAME: 'keyturn-test',
      ...properties(full, 'FindDueLambdaFunction').Environment.Variables,
    }))
      vi.stubEnv(name, `${value}`)
    vi.doMock('../../rotation/steps.ts', () => ({ finishSecret: async () => {} }))
    vi.doMock('../../rotation/rollback.ts', () => ({
      rollback: async () => ({ outcome: 'restored' }),
      rollbackAbandoned: async () => {
        throw new LockedOut('shop on db.example.com')
      },
    }))
    vi.spyOn(Inventory.prototype, 'listScheduled').mockResolvedValue([])
    vi.spyOn(Inventory.prototype, 'listAtHome').mockResolvedValue([])
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

  test('alarms and dashboard ask for the metrics that the functions write', async () => {
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
    const { DashboardName, DashboardBody } = properties(full, 'Dashboard')
    // A dashboard's name is unique in an account, over all Regions.
    expect(DashboardName).toBe('keyturn-test-eu-west-1')
    const { widgets } = JSON.parse(DashboardBody)
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
    // A person waits for these two and sees how they end, so they have no alarm.
    expect(widgets[2].properties.metrics.slice(1)).toEqual(
      stateMachines
        .filter(([file]) => !['check', 'set-admin'].includes(file))
        .flatMap(([, name]) =>
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
