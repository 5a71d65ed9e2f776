import { DescribeStacksCommand, ListStackResourcesCommand } from '@aws-sdk/client-cloudformation'
import { ListSubscriptionsByTopicCommand } from '@aws-sdk/client-sns'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Clients } from '../../../cli/clients.ts'
import { HOME_REGION, PEER_REGION } from '../../../local/aws/audited/fleet.ts'
import { type AuditedAccount, startAuditedAccount } from '../../../local/aws/audited.ts'
import { pythonBin } from '../../../local/stack/python.ts'
import { awsEnvironment, fewCredentials } from '../../support/audit/gatherFacts.ts'
import { ServiceModel } from '../../support/serviceModel.ts'

type Body = Record<string, unknown>
type Answer = { model: string; action: string; request: object; status: number; body: Body }

const bin = await pythonBin()
const topic = `arn:aws:sns:${HOME_REGION}:123456789012:keyturn-dev-alarms`
const theirs = `arn:aws:lambda:${HOME_REGION}:123456789012:function:theirs`
const analyzer = `arn:aws:access-analyzer:${HOME_REGION}:123456789012:analyzer/account`

let account: AuditedAccount
beforeAll(async () => {
  account = await startAuditedAccount(fewCredentials)
})
afterAll(() => account?.stop())

/** Makes a call without the SDK, which would drop unknown members. `path` is for services without targets. */
async function call(
  [model, scope]: readonly [model: string, scope: string],
  action: string,
  request: object,
  path?: [method: string, path: string],
): Promise<Answer> {
  const headers = {
    authorization: `AWS4-HMAC-SHA256 Credential=local/20261130/${HOME_REGION}/${scope}/aws4_request`,
    ...(path ? { 'content-type': 'application/json' } : { 'x-amz-target': `Any.${action}` }),
  }
  const [method, where] = path ?? ['POST', '/']
  const body = method === 'GET' ? null : JSON.stringify(request)
  const answer = await fetch(`${account.url}${where}`, { method, headers, body })
  const found = (await answer.json()) as Body
  const name = answer.headers.get('x-amzn-errortype')
  return {
    ...{ model, action, request, status: answer.status },
    body: answer.ok ? found : { ...found, __type: name },
  }
}

const secrets = ['secretsmanager', 'secretsmanager'] as const
const parameters = ['ssm', 'ssm'] as const
const tagging = ['resourcegroupstaggingapi', 'tagging'] as const
const trail = ['cloudtrail', 'cloudtrail'] as const
const table = ['dynamodb', 'dynamodb'] as const
const lambda = ['lambda', 'lambda'] as const
const access = ['accessanalyzer', 'access-analyzer'] as const

async function answers(): Promise<Answer[]> {
  const LookupAttributes = [{ AttributeKey: 'EventName', AttributeValue: 'GetSecretValue' }]
  const names = { ExpressionAttributeNames: { '#a': 'began' }, ProjectionExpression: '#a, outcome' }
  const config = (arn: string): [string, string] => [
    ...(['GET', `/2015-03-31/functions/${encodeURIComponent(arn)}/configuration`] as const),
  ]
  return Promise.all([
    call(secrets, 'ListSecrets', { MaxResults: 2 }),
    call(secrets, 'ListSecrets', { NextToken: 'bogus', MaxResults: 100 }),
    call(secrets, 'DescribeSecret', { SecretId: 'far' }),
    call(secrets, 'DescribeSecret', { SecretId: 'none' }),
    call(secrets, 'GetResourcePolicy', { SecretId: 'far' }),
    call(secrets, 'ListSecretVersionIds', { SecretId: 'stuck' }),
    call(parameters, 'DescribeParameters', { MaxResults: 50 }),
    call(parameters, 'DescribeParameters', { NextToken: btoa('50') }),
    call(parameters, 'GetResourcePolicies', { ResourceArn: account.arnOf(HOME_REGION, '/tagged') }),
    call(parameters, 'GetResourcePolicies', { ResourceArn: 'arn:aws:ssm:::parameter/none' }),
    call(tagging, 'GetResources', { ResourceTypeFilters: ['ssm:parameter'], ResourcesPerPage: 100 }),
    call(trail, 'LookupEvents', { LookupAttributes, StartTime: 1_700_000_000, MaxResults: 50 }),
    call(table, 'Scan', { TableName: 'keyturn-dev-rotations', ...names, Limit: 1 }),
    call(table, 'Scan', { TableName: 'other' }),
    call(lambda, 'GetFunctionConfiguration', { FunctionName: theirs }, config(theirs)),
    call(lambda, 'GetFunctionConfiguration', { FunctionName: 'none' }, config('none')),
    call(access, 'ListAnalyzers', {}, ['GET', '/analyzer']),
    call(access, 'ListFindings', { analyzerArn: analyzer }, ['POST', '/finding']),
    call(access, 'ListFindings', { analyzerArn: `${analyzer}-other` }, ['POST', '/finding']),
  ])
}

test.skipIf(!bin)('answers and requests match AWS’s models of the services', async () => {
  const found = await answers()
  const names = [...new Set(found.map(({ model }) => model))]
  const models = new Map<string, ServiceModel>()
  for (const name of names) models.set(name, await ServiceModel.load(bin ?? '', name))
  for (const { model, action, request, status, body } of found) {
    expect(models.get(model)?.problemsInRequest(action, request), action).toEqual([])
    expect(models.get(model)?.problemsInAnswer(action, status, body), action).toEqual([])
  }
  expect(found.filter(({ status }) => status === 200)).toHaveLength(13)
})

describe('of the services that answer in XML', () => {
  beforeAll(() => {
    for (const [name, value] of Object.entries(awsEnvironment(account))) vi.stubEnv(name, value)
  })

  test('the SDK reads the stack, its roles, and who subscribed', async () => {
    const clients = new Clients({ region: HOME_REGION })
    const cloudFormation = await clients.cloudFormation()
    const { Stacks = [] } = await cloudFormation.send(new DescribeStacksCommand({}))
    expect(Stacks).toMatchObject([{ StackName: 'keyturn-dev', StackStatus: 'UPDATE_COMPLETE' }])
    expect(Stacks[0]?.Outputs).toContainEqual({ OutputKey: 'PeerRegions', OutputValue: PEER_REGION })
    const resources = new ListStackResourcesCommand({ StackName: 'keyturn-dev' })
    const { StackResourceSummaries = [] } = await cloudFormation.send(resources)
    expect(StackResourceSummaries[0]).toMatchObject({ ResourceType: 'AWS::IAM::Role' })
    const subscriptions = new ListSubscriptionsByTopicCommand({ TopicArn: topic })
    expect((await (await clients.sns()).send(subscriptions)).Subscriptions).toMatchObject([
      { TopicArn: topic, Protocol: 'email' },
    ])
  })

  test('the SDK reads a refusal', async () => {
    account.refuse(({ action }) =>
      action === 'DescribeStacks' ? { name: 'AccessDenied', status: 403 } : undefined,
    )
    const sent = (await new Clients({ region: HOME_REGION }).cloudFormation()).send(
      new DescribeStacksCommand({}),
    )
    await expect(sent).rejects.toMatchObject({ name: 'AccessDenied' })
    account.refuse()
  })
})

describe('with throttle', () => {
  test('a service refuses what is above its limit, and takes it a second later', async () => {
    const throttled = await startAuditedAccount(fewCredentials, { throttle: 1 })
    const ask = async () => {
      const headers = {
        authorization: `AWS4-HMAC-SHA256 Credential=local/20261130/${HOME_REGION}/cloudtrail/aws4_request`,
        'x-amz-target': 'Any.LookupEvents',
      }
      const LookupAttributes = [{ AttributeKey: 'EventName', AttributeValue: 'GetParameter' }]
      const answer = await fetch(throttled.url, {
        method: 'POST',
        headers,
        body: JSON.stringify({ LookupAttributes }),
      })
      return answer.status
    }
    expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 400])
    expect(throttled.calls.at(-1)?.error).toBe('ThrottlingException')
    await vi.waitFor(async () => expect(await ask()).toBe(200), { timeout: 3000, interval: 200 })
    await throttled.stop()
  })
})
