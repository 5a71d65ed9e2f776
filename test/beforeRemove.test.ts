import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { SFNClient } from '@aws-sdk/client-sfn'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { nextSteps } from '../afterDeploy.ts'
import BeforeRemove, { findStackUse, reasonsAgainstRemoval } from '../beforeRemove.ts'

const outputs = {
  RotateSecretFunctionArn: 'arn:aws:lambda:eu-west-1:1:function:keyturn-prod-rotateSecret',
  RotateStateMachineArn: 'arn:aws:states:eu-west-1:1:stateMachine:keyturn-prod-rotate',
}
const executionArn = 'arn:aws:states:eu-west-1:1:execution:keyturn-prod-rotate:one'
const ours = { RotationEnabled: true, RotationLambdaARN: outputs.RotateSecretFunctionArn }

/** The answers of the lists: each secret is a page of its own. */
let pages: object[][]
let executions: object[]
/** The answer of DescribeStacks: its status and XML. */
let described: [number, string]
const asked: string[] = []
let server: Server
let config: {
  endpoint: string
  region: string
  credentials: { accessKeyId: string; secretAccessKey: string }
}

beforeAll(async () => {
  server = createServer(async (incoming, outgoing) => {
    const action = `${incoming.headers['x-amz-target'] ?? 'DescribeStacks'}`.split('.').at(-1) ?? ''
    asked.push(action)
    const { NextToken = '0' } = JSON.parse(
      action === 'ListSecrets' ? Buffer.concat(await incoming.toArray()).toString() : '{}',
    )
    const next = Number(NextToken) + 1
    const more = pages.length > next ? { NextToken: `${next}` } : {}
    if (action === 'ListSecrets')
      outgoing.end(JSON.stringify({ SecretList: pages[Number(NextToken)], ...more }))
    else if (action === 'ListExecutions') outgoing.end(JSON.stringify({ executions }))
    else outgoing.writeHead(described[0], { 'content-type': 'text/xml' }).end(described[1])
  }).listen(0, '127.0.0.1')
  await new Promise(listening => server.once('listening', listening))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  config = { endpoint, region: 'eu-west-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' } }
})
afterAll(() => server.close())

const look = () => findStackUse(outputs, new SecretsManagerClient(config), new SFNClient(config))

test('only credentials that the stack itself rotates block its removal, on whichever page they are', async () => {
  pages = [
    [
      { Name: 'one', ...ours },
      { Name: 'managed', RotationEnabled: true },
    ],
    [
      { Name: 'cancelled', ...ours, RotationEnabled: false },
      { Name: 'of another', ...ours, RotationLambdaARN: 'another' },
    ],
    [{ Name: 'two', ...ours }],
  ]
  executions = [{ executionArn }]
  const found = await look()
  expect(found).toEqual({ secrets: ['one', 'two'], executions: [executionArn], hasMoreSecrets: false })
  expect(reasonsAgainstRemoval(found, 'eu-west-1')).toEqual([
    "Secret one has this stack's rotation function: aws secretsmanager cancel-rotate-secret --region eu-west-1 --secret-id one",
    "Secret two has this stack's rotation function: aws secretsmanager cancel-rotate-secret --region eu-west-1 --secret-id two",
    expect.stringContaining(`describe-execution --region eu-west-1 --execution-arn ${executionArn}`),
  ])
})

test('at most 100 pages are read, and the plugin says so', async () => {
  pages = Array.from({ length: 101 }, () => [])
  executions = []
  asked.length = 0
  const found = await look()
  expect(asked).toHaveLength(100)
  expect(reasonsAgainstRemoval(found, 'eu-west-1')).toEqual([
    'There are more secrets than the 10000 that were looked at.',
  ])
})

/** Runs the plugin for `serverless remove` with these parameters. @returns what it printed */
async function remove(...param: string[]): Promise<string[]> {
  const printed: string[] = []
  const osls = {
    processedInput: { commands: ['remove'], options: { param } },
    getProvider: () => ({
      naming: { getStackName: () => 'keyturn-prod' },
      getRegion: () => 'eu-west-1',
      getStage: () => 'prod',
      getAwsSdkV3Config: async () => config,
    }),
  }
  const plugin = new BeforeRemove(osls, {}, { writeText: lines => printed.push(...lines) })
  await plugin.hooks['before:remove:remove']()
  return printed
}

const stack = (members: string): [number, string] => [
  200,
  `<DescribeStacksResponse><DescribeStacksResult><Stacks><member>${members}</member></Stacks></DescribeStacksResult></DescribeStacksResponse>`,
]
const asXml = Object.entries(outputs).map(
  ([key, value]) => `<member><OutputKey>${key}</OutputKey><OutputValue>${value}</OutputValue></member>`,
)
const refusal = (code: string, message: string): [number, string] => [
  400,
  `<ErrorResponse><Error><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`,
]

test('a stack that is in use is removed only if an option says so', async () => {
  described = stack(`<Outputs>${asXml.join('')}</Outputs>`)
  pages = [[{ Name: 'one', ...ours }]]
  executions = []
  await expect(remove()).rejects.toMatchObject({
    decoratedMessage: expect.stringMatching(
      /^Secret one .+\nNothing was removed.+ npx serverless remove --stage prod --param="region=eu-west-1" --param="removeAnyway=true"$/,
    ),
  })
  expect(await remove('removeAnyway=true')).toEqual([
    expect.stringMatching(/^Secret one /),
    expect.stringMatching(/^With the stack go the logs/),
  ])
  pages = [[]]
  expect(await remove()).toEqual([expect.stringMatching(/^With the stack go the logs/)])
})

test('a stack that does not exist is left to osls, and one that may not be described is not removed', async () => {
  pages = [[{ Name: 'managed', RotationEnabled: true }]]
  described = refusal('ValidationError', 'Stack with id keyturn-prod does not exist')
  expect(await remove()).toHaveLength(1)
  described = stack('<Outputs/>')
  expect(await remove()).toHaveLength(1)
  described = refusal('AccessDenied', 'User: someone is not authorized')
  await expect(remove()).rejects.toThrow(
    'Whether the stack is in use could not be found out: User: someone is not authorized',
  )
})

test('a deployment ends with the outputs in order, without those of osls, and with the next commands', () => {
  const lines = nextSteps(
    { ...outputs, ServerlessDeploymentBucketName: 'b', AlarmTopicArn: 't', Stage: 'prod' },
    'eu-west-1',
  )
  expect(lines.slice(1, 5)).toEqual([
    'Outputs:',
    '  AlarmTopicArn: t',
    `  RotateSecretFunctionArn: ${outputs.RotateSecretFunctionArn}`,
    `  RotateStateMachineArn: ${outputs.RotateStateMachineArn}`,
  ])
  expect(lines.at(-1)).toBe('  npx keyturn rotate secret:<name> --region eu-west-1 --stage prod')
})
