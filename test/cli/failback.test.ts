import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  PutSecretValueCommand,
  ReplicateSecretToRegionsCommand,
  RotateSecretCommand,
  SecretsManagerClient,
  StopReplicationToReplicaCommand,
  TagResourceCommand,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type SecretsManagerServer, startSecretsManager } from '../../local/aws/secretsManager.ts'
import { arnOf } from '../../local/embedded/stateMachine.ts'
import { type Account, commandEnvironment, runCommand, stackOf, startAccount } from './account.ts'
import { type PlayedStepFunctions, startPlayedStepFunctions } from './playedStepFunctions.ts'

const [here, back, third] = ['eu-west-1', 'us-east-1', 'ap-south-1']
const oldMachine = arnOf('states', 'stateMachine:keyturn-local-rotate').replace(here, back)
const changes = /^(Put|Update|Tag|Untag|Create|Delete|Stop|Start|Cancel|Rotate|Remove|Replicate)/

let secretsManager: SecretsManagerServer
let states: PlayedStepFunctions
let account: Account
let own: SecretsManagerClient
let old: SecretsManagerClient
beforeAll(async () => {
  ;[secretsManager, states] = await Promise.all([startSecretsManager(), startPlayedStepFunctions()])
  account = await startAccount({ secretsManager: secretsManager.url, stepFunctions: states.url })
  ;[own, old] = [clientIn(here), clientIn(back)]
})
afterAll(async () => {
  account?.stop()
  states?.stop()
  await secretsManager?.stop()
})
beforeEach(() => {
  for (const region of [back, third]) secretsManager.setRegionBehaviour(region, {})
  states.executions.length = 0
  account.refuse()
  account.sent.length = 0
  account.stacks.splice(0, 9, { ...stackOf('local'), region: here })
  account.stacks.push({ ...stackOf('local', { RotateStateMachineArn: oldMachine }), region: back })
})

const clientIn = (region: string) =>
  new SecretsManagerClient({
    endpoint: secretsManager.url,
    region,
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' },
  })
const tag = (client: SecretsManagerClient, SecretId: string, tags: Record<string, string>) =>
  client.send(
    new TagResourceCommand({
      SecretId,
      Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
    }),
  )

let made = 0
type Made = { name: string; arn: string; there: string }
/** Makes a secret as a promotion leaves it here, whose home tag the returned Region has got too. */
async function promoted(): Promise<Made> {
  const name = `shop/db-${made++}`
  const { ARN: there = '' } = await old.send(
    new CreateSecretCommand({ Name: name, SecretString: 'Hidden-1' }),
  )
  const AddReplicaRegions = [{ Region: here }]
  await old.send(new ReplicateSecretToRegionsCommand({ SecretId: there, AddReplicaRegions }))
  const arn = there.replace(back, here)
  await own.send(new StopReplicationToReplicaCommand({ SecretId: arn }))
  const mark = { [`keyturn:given-up:${back}`]: '2026-11-30 promoted in its place' }
  await tag(own, arn, { 'keyturn:home': here, ...mark })
  await tag(old, there, { 'keyturn:home': here })
  return { name, arn, there }
}

const keyturn = (...words: string[]) => runCommand(words, commandEnvironment(account.url))
async function check(...words: string[]) {
  const ran = await keyturn('failback', '--check', '--to', back, ...words)
  expect(account.sent.filter(({ action }) => changes.test(action))).toEqual([])
  expect(`${ran.stdout}${ran.stderr}`).not.toContain('Hidden')
  expect(account.sent.map(({ action }) => action)).not.toContain('GetSecretValue')
  return ran
}
const lines = ({ name }: Made, ...checks: string[]) =>
  `secret:${name}\n${checks.map(each => `  ${each}\n`).join('')}`

test('without an obstacle, there is a line for each check', async () => {
  const one = await promoted()
  const { code, stdout, stderr } = await check(one.name)
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toBe(
    lines(
      one,
      'ok   old secret: it is in us-east-1',
      'ok   fenced: nothing rotates it in us-east-1',
      'ok   replicas: the old secret in us-east-1 has no replicas',
      'ok   in sync: this secret has every version that is current or pending in us-east-1',
    ),
  )
})

describe('fenced', () => {
  test('is false while its tag names another home, Secrets Manager rotates it, or a rotation of it runs', async () => {
    const one = await promoted()
    await tag(old, one.there, { 'keyturn:home': back })
    const RotationLambdaARN = 'arn:aws:lambda:us-east-1:123456789012:function:rotateSecret'
    const rotate = { SecretId: one.there, RotationLambdaARN, RotateImmediately: false }
    await old.send(new RotateSecretCommand(rotate))
    const store = 'secrets-manager'
    const running = [
      states.addRunning(oldMachine, { store, id: one.name }),
      states.addRunning(oldMachine, { store, id: one.there }),
    ]
    states.addRunning(oldMachine, { store, id: 'shop/other' })
    states.addRunning(arnOf('states', 'stateMachine:keyturn-local-rotate'), { store, id: one.name })
    states.addRunning(oldMachine, { store, id: one.name }).status = 'SUCCEEDED'
    const { code, stdout } = await check(one.name)
    expect(code).toBe(5)
    const arns = running.map(({ executionArn }) => executionArn)
    const at = `--region us-east-1 --secret-id ${one.name}`
    expect(stdout).toContain(
      `  no   fenced: its tag keyturn:home names us-east-1; Secrets Manager rotates it there; ${arns.map(arn => `a rotation of it runs there: ${arn}`).join('; ')}\n` +
        `       aws secretsmanager tag-resource ${at} --tags Key=keyturn:home,Value=eu-west-1; aws secretsmanager cancel-rotate-secret ${at}; ${arns.map(arn => `aws stepfunctions stop-execution --region us-east-1 --execution-arn ${arn}`).join('; ')}\n`,
    )
  })

  test('is false if the running executions may not be listed, and needs no list without a stack', async () => {
    const { name } = await promoted()
    account.refuse((action, region) =>
      action === 'ListExecutions' && region === back ? { name: 'AccessDeniedException' } : undefined,
    )
    const unseen = await check(name)
    expect(unseen.code).toBe(5)
    expect(unseen.stdout).toMatch(
      /no {3}fenced: it is not known whether a rotation runs there: Step Functions refuses ListExecutions/,
    )
    account.stacks.pop()
    expect((await check(name)).code).toBe(0)
  })
})

test('the replicas that the old secret lists are named', async () => {
  const { name, there } = await promoted()
  const AddReplicaRegions = [{ Region: third }]
  await old.send(new ReplicateSecretToRegionsCommand({ SecretId: there, AddReplicaRegions }))
  const { code, stdout } = await check(name)
  expect(code).toBe(5)
  expect(stdout).toMatch(
    /no {3}replicas: the old secret still has replicas in ap-south-1\n {7}docs\/disaster-recovery\.md/,
  )
})

test('current and pending versions that only the old secret has are named with their days', async () => {
  const { name, there, arn } = await promoted()
  const put = async (client: SecretsManagerClient, SecretId: string, stage: string) => {
    const VersionStages = [stage]
    const command = new PutSecretValueCommand({ SecretId, SecretString: 'Hidden-2', VersionStages })
    return (await client.send(command)).VersionId
  }
  // Later versions here are no loss, and this Region has those from before the promotion too.
  await put(own, arn, 'AWSCURRENT')
  await put(own, arn, 'AWSCURRENT')
  expect((await check(name)).code).toBe(0)
  const [current, pending] = [await put(old, there, 'AWSCURRENT'), await put(old, there, 'AWSPENDING')]
  const { code, stdout } = await check(name)
  expect(code).toBe(5)
  const today = new Date().toISOString().slice(0, 10)
  expect(stdout).toMatch(
    new RegExp(
      `no   in sync: this secret does not have: .*version ${current}, current there, created ${today}T`,
    ),
  )
  expect(stdout).toMatch(new RegExp(`version ${pending}, pending there, created ${today}T`))
})

describe('the old secret', () => {
  test('that no longer exists is no obstacle', async () => {
    const { name, there } = await promoted()
    await old.send(new DeleteSecretCommand({ SecretId: there, ForceDeleteWithoutRecovery: true }))
    const { code, stdout } = await check(name)
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /ok {3}old secret: there is none in us-east-1, so nothing is in the way\n {7}keyturn replicas/,
    )
    await old.send(new CreateSecretCommand({ Name: name, SecretString: 'Hidden-3' }))
    const other = await check(name)
    expect(other.code).toBe(5)
    expect(other.stdout).toMatch(/no {3}old secret: a different secret has this name in us-east-1: arn:/)
  })

  test('that is marked for deletion is an obstacle, and one that is a replica already is none', async () => {
    const [deleted, follows] = [await promoted(), await promoted()]
    await old.send(new DeleteSecretCommand({ SecretId: deleted.there }))
    expect((await check(deleted.name)).stdout).toMatch(
      /no {3}old secret: it is marked for deletion in us-east-1/,
    )
    await old.send(new DeleteSecretCommand({ SecretId: follows.there, ForceDeleteWithoutRecovery: true }))
    const AddReplicaRegions = [{ Region: back }]
    await own.send(new ReplicateSecretToRegionsCommand({ SecretId: follows.arn, AddReplicaRegions }))
    await own.send(new DescribeSecretCommand({ SecretId: follows.arn }))
    const { code, stdout } = await check(follows.name)
    expect([code, stdout]).toEqual([
      0,
      lines(follows, 'ok   old secret: in us-east-1 it is a replica of this secret already'),
    ])
  })

  test('in a Region that does not answer is reported as unknown', async () => {
    const { name } = await promoted()
    secretsManager.setRegionBehaviour(back, { endpoint: 'denied' })
    const { code, stdout } = await check(name)
    expect(code).toBe(5)
    expect(stdout).toMatch(
      /no {3}old secret: us-east-1 cannot be asked: Secrets Manager refuses DescribeSecret/,
    )
  })
})

test('without IDs it checks all promoted secrets and nothing else, also with --json', async () => {
  const one = await promoted()
  const plain = await own.send(new CreateSecretCommand({ Name: 'shop/home', SecretString: 'Hidden-1' }))
  await tag(own, plain.ARN ?? '', { 'keyturn:home': here })
  const { stdout } = await check('--json')
  const { to, secrets } = JSON.parse(stdout)
  expect(to).toBe(back)
  const names = secrets.map(({ secret }: { secret: string }) => secret)
  expect(names).toContain(one.name)
  expect(names).not.toContain('shop/home')
  expect(secrets.at(-1).checks[0]).toEqual({
    check: 'old secret',
    ok: expect.any(Boolean),
    says: expect.any(String),
  })
  const refused = await check('shop/home')
  expect(refused).toMatchObject({ code: 2, stdout: '' })
  expect(refused.stderr).toMatch(
    /^keyturn: shop\/home was not promoted here in the place of one in us-east-1\n/,
  )
  expect(await keyturn('failback', '--check', '--to', third)).toMatchObject({
    code: 0,
    stdout: 'No secret here was promoted in the place of one in ap-south-1.\n',
  })
})

test.each([
  [
    [],
    /no command overwrites the secret of the Region that is back.*\ndocs\/disaster-recovery\.md describes the failback/,
  ],
  [['--to', back], /no command overwrites/],
  [['--check'], /--check needs a Region\n/],
  [['--check', '--to', here], /--to names eu-west-1, where the stack keyturn-local is\n/],
  [['--check', '--to', 'nowhere'], /It should be a Region/],
])('%j is refused', async (words, problem) => {
  const { code, stdout, stderr } = await keyturn('failback', ...words)
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(problem)
})
