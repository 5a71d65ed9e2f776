import { describe, expect, test } from 'vitest'
import { checkParameters, type ParametersByStage } from '../deployParameters.ts'

const key = 'arn:aws:kms:eu-west-1:123456789012:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0'
const secret = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:admin-AbCdEf'
const params: ParametersByStage = {
  default: {
    region: 'us-east-1',
    subnetIds: '',
    securityGroupIds: '',
    kmsKeyArn: '',
    tagSchedules: 'false',
    adminSecretArns: '',
    eventBusName: 'default',
    alarmEmail: '',
    runbookUrl: 'docs/runbook.md',
    logRetentionInDays: 90,
  },
}
const check = (...given: string[]) => checkParameters(params, 'prod', given)

test('the defaults and valid values of all parameters are accepted', () => {
  check()
  check(
    'region=us-gov-west-1',
    'subnetIds=subnet-0123456789abcdef0,subnet-1',
    'securityGroupIds=sg-0123456789abcdef0',
    `kmsKeyArn=${key}`,
    'tagSchedules=true',
    `adminSecretArns=${secret},${secret}`,
    'eventBusName=operations/one',
    'alarmEmail=on-call@example.com',
    'runbookUrl=https://wiki.example/runbook?a=b',
    'logRetentionInDays=365',
  )
})

test.each([
  ['subnetId=subnet-1', 'subnetId: is no parameter; did you mean subnetIds?'],
  ['securitygroupids=sg-1', 'securitygroupids: is no parameter; did you mean securityGroupIds?'],
  ['email=a@example.com', 'email: is no parameter; did you mean alarmEmail?'],
  ['regoin=eu-west-1', 'regoin: is no parameter; did you mean region?'],
])('%s: %s', (given, message) => {
  expect(() => check(given)).toThrow(message)
})

test('a value of the stage in serverless.yml is checked too', () => {
  const typed = { ...params, prod: { alarmMail: 'a@example.com' }, dev: { other: 'x' } }
  expect(() => checkParameters(typed, 'prod')).toThrow('alarmMail: is no parameter; did you mean alarmEmail?')
})

describe('an invalid value is refused with the name of its parameter', () => {
  test.each([
    'region=eu west 1',
    'region=Frankfurt',
    'subnetIds=subnet-1, subnet-2',
    'subnetIds=10.0.0.0/24',
    'securityGroupIds=default',
    'kmsKeyArn=arn:aws:kms:eu-west-1:123456789012:alias/keyturn',
    'kmsKeyArn=0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0',
    'tagSchedules=yes',
    'adminSecretArns=admin',
    `adminSecretArns=${secret} ${secret}`,
    'eventBusName=arn:aws:events:eu-west-1:123456789012:event-bus/operations',
    'alarmEmail=on-call',
    'alarmEmail=a@example.com,b@example.com',
    'runbookUrl=our wiki',
    'logRetentionInDays=100',
  ])('%s', given => {
    const [name, value] = given.split('=')
    expect(() => check(given)).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(`^${name}: should be .+, not "${value?.slice(0, 3)}`),
      }),
    )
  })

  test('subnets without security groups, and the reverse, are refused', () => {
    expect(() => check('subnetIds=subnet-1')).toThrow(/^securityGroupIds: should be set too/)
    expect(() => check('securityGroupIds=sg-1')).toThrow(/^subnetIds: should be set too/)
  })

  test("a stage's own value wins over the default, and the command line's over both", () => {
    const staged = { ...params, prod: { region: 'nowhere' } }
    expect(() => checkParameters(staged, 'prod')).toThrow(/^region: should be/)
    checkParameters(staged, 'prod', ['region=eu-west-1'])
    checkParameters(staged, 'dev')
  })
})
