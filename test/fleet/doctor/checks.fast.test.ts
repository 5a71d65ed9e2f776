import { CloudWatchClient, type MetricAlarm } from '@aws-sdk/client-cloudwatch'
import type { FunctionConfiguration } from '@aws-sdk/client-lambda'
import { LambdaClient } from '@aws-sdk/client-lambda'
import { DescribeParametersCommand, SSMClient } from '@aws-sdk/client-ssm'
import { expect, test } from 'vitest'
import { type Check, runCheck } from '../../../fleet/doctor/check.ts'
import { checkFunction, lookAtErrors } from '../../../fleet/doctor/functions.ts'
import { checkAlarm, checkTopic, lookAtWebhook } from '../../../fleet/doctor/notifications.ts'

const place = { region: 'eu-west-1', stage: 'prod', moment: '2026-11-30T06:00:00.000Z', outputs: {} }
const told = ({ state, says }: Check) => [state, says]

test.each<[FunctionConfiguration, string, string]>([
  [{ Runtime: 'nodejs24.x', State: 'Active', LastUpdateStatus: 'Successful' }, 'ok', ''],
  [{ Runtime: 'nodejs24.x', State: 'Failed', StateReason: 'no subnet' }, 'failed', 'cannot run: no subnet'],
  [
    { State: 'Active', LastUpdateStatus: 'Failed', LastUpdateStatusReason: 'no key' },
    'failed',
    'was not updated: no key',
  ],
  [
    { Runtime: 'nodejs18.x', State: 'Active' },
    'failed',
    'is on nodejs18.x, which AWS deprecated on 2025-09-01',
  ],
  [
    { Runtime: 'nodejs24.x', State: 'Inactive' },
    'warning',
    'was idle for weeks: its next call fails, and the one after that goes well',
  ],
])('a function that is %j', (found, ...check) => {
  expect(told(checkFunction('setSecret', found, place))).toEqual(check)
})

test('a function without metrics in CloudWatch is unknown', async () => {
  const cloudWatch = new CloudWatchClient({})
  cloudWatch.send = (async () => ({
    MetricDataResults: [
      { Id: 'f0', StatusCode: 'Complete', Values: [] },
      { Id: 'f1', StatusCode: 'InternalError' },
    ],
  })) as never
  const checks = await lookAtErrors(cloudWatch, ['createSecret', 'setSecret', 'testSecret'], place)
  expect(checks.map(({ state }) => state)).toEqual(['ok', 'unread', 'unread'])
})

test.each([
  [1, 0, 'ok', ''],
  [2, 1, 'warning', '1 subscriber has not confirmed yet'],
  [0, 2, 'failed', 'tells nobody: 2 subscribers have not confirmed yet'],
  [0, 0, 'failed', 'has no subscriber: it tells nobody'],
])('a topic with %i subscribers, and %i that wait', (confirmed, pending, ...check) => {
  const topic = 'arn:aws:sns:eu-west-1:123456789012:alarms'
  expect(told(checkTopic('alarms', { confirmed, pending }, topic, place))).toEqual(check)
})

const StateUpdatedTimestamp = new Date('2026-11-30T05:00:00Z')
test.each<[MetricAlarm | undefined, string, string]>([
  [{ StateValue: 'OK', ActionsEnabled: true, StateUpdatedTimestamp }, 'ok', ''],
  [{ StateValue: 'OK', ActionsEnabled: false }, 'failed', 'is switched off: it tells nobody'],
  [{ StateValue: 'ALARM', StateUpdatedTimestamp }, 'failed', 'is in alarm since 2026-11-30 05:00 UTC'],
  [
    { StateValue: 'INSUFFICIENT_DATA', StateUpdatedTimestamp },
    'warning',
    'has had no data since 2026-11-30 05:00 UTC, as in the first hours of a stack',
  ],
  [undefined, 'failed', 'is not there'],
])('an alarm that is %j', (alarm, ...check) => {
  expect(told(checkAlarm('late', alarm, place))).toEqual(check)
})

test('the description of an alarm without data is shown only if it is about missing data', () => {
  const remedyOf = (AlarmDescription: string) =>
    checkAlarm('late', { StateValue: 'INSUFFICIENT_DATA', AlarmDescription }, place).remedy
  expect(remedyOf('INSUFFICIENT_DATA: nobody has looked')).toBe('INSUFFICIENT_DATA: nobody has looked')
  expect(remedyOf('CRITICAL: somebody may be locked out')).toBe('Look again in some minutes.')
})

/** Runs the check of the webhook, with this environment of the function and this parameter. */
async function webhook(environment: FunctionConfiguration['Environment'], Type?: string): Promise<Check[]> {
  const lambda = new LambdaClient({ region: 'eu-west-1' })
  lambda.send = (async () => ({ Environment: environment })) as never
  const ssm = new SSMClient({ region: 'eu-west-1' })
  ssm.send = (async (command: unknown) => {
    expect(command).toBeInstanceOf(DescribeParametersCommand)
    return { Parameters: Type ? [{ Type }] : [] }
  }) as never
  return lookAtWebhook({ lambda, ssm }, 'raiseAlarm', place)
}

test('the parameter of the webhook is one that is encrypted; without one there is nothing to look at', async () => {
  const named = { Variables: { KEYTURN_WEBHOOK_PARAMETER: '/webhook' } }
  const of = async (...asked: Parameters<typeof webhook>) => (await webhook(...asked)).map(told)
  expect(await of({ Variables: { KEYTURN_WEBHOOK_PARAMETER: '' } })).toEqual([])
  expect(await of(named, 'SecureString')).toEqual([['ok', '']])
  expect(await of(named, 'String')).toEqual([
    ['failed', 'is a String: whoever lists parameters can read its URL'],
  ])
  expect(await of(named)).toEqual([['failed', 'is not there: no alarm gets to the webhook']])
  const refused = { Error: { ErrorCode: 'AccessDeniedException', Message: 'not the key' } }
  expect(await of(refused)).toEqual([['unread', 'could not be read: AccessDeniedException: not the key']])
})

const failing = (name: string, more: object = {}) =>
  runCheck('rule', 'late', place, () => Promise.reject(Object.assign(new Error('no'), { name, ...more })))

test('an error of AWS is reported, and any other error is thrown', async () => {
  const $fault = 'client'
  expect((await failing('ResourceNotFoundException', { $fault })).map(told)).toEqual([
    ['failed', 'is not there'],
  ])
  expect((await failing('AccessDeniedException', { $fault })).map(told)).toEqual([
    ['unread', 'could not be read: AccessDeniedException: no'],
  ])
  expect((await failing('TimeoutError')).map(told)).toEqual([
    ['unread', 'could not be read: TimeoutError: no'],
  ])
  await expect(failing('TypeError')).rejects.toThrow('no')
})
