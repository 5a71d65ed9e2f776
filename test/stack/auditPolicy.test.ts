import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { parse } from 'yaml'
import { runCostCommand } from '../../cli/commands/cost.ts'
import { runDoctorCommand } from '../../cli/commands/doctor.ts'
import { runReadersCommand } from '../../cli/commands/readers.ts'
import { makeContext } from '../../cli/context.ts'
import { needsOf, permissionNeeds } from '../../cli/policy/needs.ts'
import { collectFacts } from '../../fleet/audit/collect.ts'
import { RateLimiter } from '../../fleet/audit/rateLimiter.ts'
import { startAuditedAccount } from '../../local/aws/audited.ts'
import { commandEnvironment } from '../cli/account.ts'
import { recordedClients } from './recordedClients.ts'

type Statement = { Sid: string; Effect: string; Action: string | string[]; Resource: string | string[] }

const folder = join(import.meta.dirname, '../../resources')
const REGION = 'eu-west-1'
let properties: { ManagedPolicyName: string; PolicyDocument: { Statement: Statement[] } }
/** The resources of the stack except its functions: the type by the logical id. */
let resources: Map<string, string>
const calls: Record<'audit' | 'readers' | 'cost' | 'doctor', Set<string>> = {
  ...{ audit: new Set(), readers: new Set(), cost: new Set(), doctor: new Set() },
}

beforeAll(async () => {
  // CloudFormation's functions are left as they are written.
  const asText = (tag: string) => ({ tag, resolve: (text: string) => text })
  const text = await readFile(join(folder, 'roles/audit.yml'), 'utf8')
  properties = parse(text, { customTags: [asText('!Sub'), asText('!Ref')] }).Resources.AuditPolicy.Properties
  resources = await resourcesIn(folder)
  await recordAll()
})
afterAll(() => vi.unstubAllEnvs())

async function resourcesIn(folder: string): Promise<Map<string, string>> {
  const names = (await readdir(folder, { recursive: true })).filter(name => name.endsWith('.yml'))
  const texts = await Promise.all(names.map(name => readFile(join(folder, name), 'utf8')))
  const found = texts.flatMap(text => [
    ...text.matchAll(/^ {2}(\w+):\n(?: {4}.*\n)*? {4}Type: (AWS::\S+)$/gm),
  ])
  return new Map(found.map(([, id = '', type = '']) => [id, type]))
}

/** Runs each command once, with an account for which every service is called. */
async function recordAll(): Promise<void> {
  const events = [{ eventName: 'GetSecretValue', eventTime: '2026-11-30T10:00:00Z' }]
  const account = await startAuditedAccount({
    moment: '2026-11-30T12:00:00.000Z',
    regions: {
      [REGION]: {
        secrets: [
          { name: 'a', replicas: [{ region: 'eu-central-1' }], rotation: { everyDays: 30 } },
          { name: 'b', pending: '2026-11-01T00:00:00.000Z', exposedTo: '*' },
        ],
        parameters: [{ name: '/c', tier: 'Advanced', tags: { team: 'shop' } }],
        events,
      },
    },
  })
  const place = await mkdtemp(join(tmpdir(), 'keyturn-'))
  for (const [name, value] of Object.entries(commandEnvironment(account.url))) vi.stubEnv(name, value)
  const as = (command: keyof typeof calls, more: object = {}) => ({
    ...makeContext({}, silent, {}),
    clients: recordedClients(REGION, calls[command], { GetProducts: () => ({}), ...more }),
  })
  const reads = { windowMs: 3_600_000, budgetMs: 60_000 }
  const rateLimiter = new RateLimiter({ factor: 100 })
  const asked = { account: '123456789012', stage: 'dev', region: REGION, reads, rateLimiter }
  const prices = join(place, 'prices.json')
  try {
    await collectFacts(as('audit').clients, asked)
    for (const id of ['secret:a', 'parameter:/c'])
      await runReadersCommand(as('readers'), id, { since: 3600, budget: 60 })
    await runCostCommand(as('cost'), {
      zones: 2,
      throughput: 'standard',
      readsBudget: 60,
      refresh: true,
      prices,
    })
    await runDoctorCommand(as('doctor', deployed()), {})
  } finally {
    await account.stop()
    await rm(place, { recursive: true })
  }
}

const stream = { write: () => true }
const silent = { stdin: process.stdin, stdout: stream, stderr: stream as never }

/** The answers of the services for a stack with all resources of the template, and a webhook. */
const deployed = () => ({
  ListStackResources: () => ({
    StackResourceSummaries: [
      ...[...resources].map(([LogicalResourceId, ResourceType]) => ({
        ...{ LogicalResourceId, ResourceType, PhysicalResourceId: `arn:${LogicalResourceId}` },
      })),
      {
        LogicalResourceId: 'RaiseAlarmLambdaFunction',
        ResourceType: 'AWS::Lambda::Function',
        PhysicalResourceId: 'raiseAlarm',
      },
    ],
  }),
  GetFunctionConfiguration: () => ({
    Runtime: 'nodejs24.x',
    Environment: { Variables: { KEYTURN_WEBHOOK_PARAMETER: '/keyturn/webhook' } },
  }),
  ListSubscriptionsByTopic: () => ({ Subscriptions: [] }),
  ...Object.fromEntries(
    [
      ...['DescribeAlarms', 'DescribeRule', 'GetMetricData', 'GetSchedule'],
      ...['GetEventSourceMapping', 'GetQueueAttributes'],
    ].map(action => [action, () => ({})]),
  ),
})

const list = <T>(value: T | T[]) => [value].flat() as T[]
const statements = () => properties.PolicyDocument.Statement
const allowed = () => statements().flatMap(({ Action }) => Action)

test('the policy allows the calls of an audit and of the commands about it, and nothing else', () => {
  const called = new Set(Object.values(calls).flatMap(each => [...each]))
  expect(allowed().toSorted()).toEqual([...called].sort())
})

test('docs/cli.md lists the calls of each of these commands, and a policy for auditors allows them', () => {
  const everybody = /^(every command|the id of)/
  for (const [command, called] of Object.entries(calls)) {
    const its = permissionNeeds.filter(
      ({ purpose: what }) => everybody.test(what) || what.includes(`\`${command}`),
    )
    expect(its.flatMap(({ actions }) => actions)).toEqual(expect.arrayContaining([...called]))
  }
  const auditors = needsOf('auditor').flatMap(({ actions }) => actions)
  expect(auditors).toEqual(expect.arrayContaining(allowed()))
})

test('in this test, each command has made the calls that no other makes', () => {
  expect([...calls.readers]).toEqual(
    expect.arrayContaining(['cloudtrail:LookupEvents', 'ssm:ListTagsForResource']),
  )
  expect([...calls.cost]).toContain('pricing:GetProducts')
  expect([...calls.audit]).toEqual(expect.arrayContaining(['access-analyzer:ListFindings', 'dynamodb:Scan']))
  expect([...calls.doctor].sort()).toEqual([
    'cloudformation:DescribeStacks',
    'cloudformation:ListStackResources',
    'cloudwatch:DescribeAlarms',
    'cloudwatch:GetMetricData',
    'events:DescribeRule',
    'lambda:GetEventSourceMapping',
    'lambda:GetFunctionConfiguration',
    'scheduler:GetSchedule',
    'sns:ListSubscriptionsByTopic',
    'sqs:GetQueueAttributes',
    'ssm:DescribeParameters',
  ])
})

test('the policy names each reader of a queue or a stream of the stack', () => {
  const named = statements().find(({ Sid }) => Sid === 'QueueReaders')?.Resource ?? []
  const readers = [...resources].flatMap(([id, type]) => (/EventSourceMapping$/.test(type) ? [id] : []))
  expect(
    list(named)
      .map(arn => /event-source-mapping:\$\{(\w+)\}$/.exec(arn)?.[1])
      .sort(),
  ).toEqual(readers.sort())
})

test('the policy allows no read of a value, no decryption and no change', () => {
  for (const action of allowed()) {
    expect(action).toMatch(/^[a-z-]+:(List|Describe|Lookup|Get|Scan)[A-Za-z]*$/)
    expect(action).not.toMatch(/Value|^ssm:GetParam|^kms:|History|Receive|Invoke|:GetItem/)
  }
  for (const { Effect } of statements()) expect(Effect).toBe('Allow')
})

test('the policy is attached to nobody, and has another name in each Region', () => {
  expect(Object.keys(properties).sort()).toEqual(['Description', 'ManagedPolicyName', 'PolicyDocument'])
  expect(properties.ManagedPolicyName).toContain('${AWS::Region}')
})

test('only actions without resources are allowed on everything; all others are limited to this account', () => {
  for (const { Sid, Resource } of statements())
    for (const resource of list(Resource)) {
      if (Sid === 'Lists') expect(resource).toBe('*')
      else
        expect(resource).toMatch(
          /^arn:\$\{AWS::Partition\}:[a-z-]+:(\*|\$\{AWS::Region\}):\$\{AWS::AccountId\}:./,
        )
    }
})
