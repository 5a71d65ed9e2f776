import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  PutSecretValueCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
  StopReplicationToReplicaCommand,
  TagResourceCommand,
  UntagResourceCommand,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type SecretsManagerServer, startSecretsManager } from '../../local/aws/secretsManager.ts'
import { scheduleIn } from '../../rotation/promotion/serviceSchedule.ts'
import { tagsIn } from '../../rotation/tags.ts'
import {
  type Account,
  commandEnvironment,
  commandFile,
  functionArn,
  runCommand,
  stackOf,
  startAccount,
} from './account.ts'

const regions = ['us-east-1', 'eu-central-1', 'ap-south-1', 'sa-east-1']
const project = join(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(project, file), 'utf8')
let secretsManager: SecretsManagerServer
let account: Account
let secrets: SecretsManagerClient
beforeAll(async () => {
  secretsManager = await startSecretsManager()
  account = await startAccount({ secretsManager: secretsManager.url })
  account.stacks.push(stackOf('local'))
  const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' }
  secrets = new SecretsManagerClient({ endpoint: secretsManager.url, region: 'eu-west-1', credentials })
})
afterAll(async () => {
  account?.stop()
  await secretsManager?.stop()
})
beforeEach(() => {
  for (const region of regions) secretsManager.setRegionBehaviour(region, {})
})

const keyturn = (...words: string[]) => runCommand(words, commandEnvironment(account.url))
const home = [{ Key: 'keyturn:home', Value: 'eu-west-1' }]
async function secret(Name: string, ...copies: string[]): Promise<string> {
  const command = new CreateSecretCommand({ Name, SecretString: 'Hidden-1', Tags: home })
  const { ARN = '' } = await secrets.send(command)
  const AddReplicaRegions = copies.map(Region => ({ Region }))
  if (copies.length)
    await secrets.send(new ReplicateSecretToRegionsCommand({ SecretId: ARN, AddReplicaRegions }))
  return ARN
}

test('each replica is asked for its version: in sync, behind, missing, or not to be asked', async () => {
  const id = await secret('shop/db', ...regions.slice(0, 2))
  secretsManager.setRegionBehaviour('eu-central-1', { failsBecause: 'key disabled' })
  secretsManager.setRegionBehaviour('ap-south-1', { failsBecause: 'key denied' })
  const AddReplicaRegions = regions.slice(2).map(Region => ({ Region }))
  await secrets.send(new ReplicateSecretToRegionsCommand({ SecretId: id, AddReplicaRegions }))
  secretsManager.setRegionBehaviour('sa-east-1', { endpoint: 'denied' })
  await secrets.send(new PutSecretValueCommand({ SecretId: id, SecretString: 'Hidden-2' }))
  const { code, stdout, stderr } = await keyturn('replicas', 'shop/db')
  expect([code, stderr]).toEqual([5, ''])
  expect(stdout).not.toContain('Hidden')
  expect(stdout).toMatch(/^follows {2}secret:shop\/db in us-east-1\n {2}InSync, not read there yet$/m)
  expect(stdout).toMatch(/^behind {2}secret:shop\/db in eu-central-1\n {2}Failed: .*key/m)
  expect(stdout).toMatch(/^empty {2}secret:shop\/db in ap-south-1\n {2}Failed: /m)
  expect(stdout).toMatch(
    /^unseen {2}secret:shop\/db in sa-east-1\n {2}InSync, .*Secrets Manager refuses DescribeSecret/m,
  )
  const json = JSON.parse((await keyturn('replicas', 'shop/db', '--json')).stdout)
  expect(json.replicas.map(({ state }: { state: string }) => state)).toEqual([
    'follows',
    'behind',
    'empty',
    'unseen',
  ])
})

test('it ends with 0 if all are in sync, and says if there are none', async () => {
  await secret('shop/well', 'us-east-1')
  expect(await keyturn('replicas', 'shop/well')).toMatchObject({ code: 0, stderr: '' })
  await secret('shop/alone')
  expect(await keyturn('replicas', 'shop/alone')).toMatchObject({
    code: 0,
    stdout: 'The secret has no replicas.\n',
  })
})

test('the home of a secret with replicas is shown, and a missing home tag is a finding', async () => {
  const id = await secret('shop/homeless', 'us-east-1')
  const well = await keyturn('replicas', 'shop/homeless')
  expect(well.stdout).toMatch(/^secret:shop\/homeless has its home in eu-west-1$/m)
  await secrets.send(new UntagResourceCommand({ SecretId: id, TagKeys: ['keyturn:home'] }))
  const { code, stdout } = await keyturn('replicas', 'shop/homeless')
  expect(code).toBe(5)
  expect(stdout).toMatch(
    /^follows .*\n {2}InSync.*\nno home {2}secret:shop\/homeless has replicas and no tag keyturn:home=eu-west-1: /,
  )
  const json = JSON.parse((await keyturn('replicas', 'shop/homeless', '--json')).stdout)
  expect(json.replicas).toMatchObject([{ state: 'follows', home: null }])
})

test('a home in another Region is a finding with its remedy', async () => {
  const id = await secret('shop/away', 'us-east-1')
  const Tags = [{ Key: 'keyturn:home', Value: 'us-east-1' }]
  await secrets.send(new TagResourceCommand({ SecretId: id, Tags }))
  const { code, stdout } = await keyturn('replicas', 'shop/away')
  expect(code).toBe(5)
  expect(stdout).toMatch(
    /^not home {2}secret:shop\/away has replicas, and its tag keyturn:home names us-east-1: .*: aws .*--region eu-west-1 --secret-id shop\/away --tags Key=keyturn:home,Value=eu-west-1$/m,
  )
})

test('a Region that was given up is shown with day and reason, and is no finding', async () => {
  const id = await secret('shop/given-up', 'us-east-1')
  const Tags = [{ Key: 'keyturn:given-up:us-east-1', Value: '2026-11-29 the Region is down' }]
  await secrets.send(new TagResourceCommand({ SecretId: id, Tags }))
  secretsManager.setRegionBehaviour('us-east-1', { endpoint: 'closed' })
  const { code, stdout } = await keyturn('replicas', 'shop/given-up')
  expect(code).toBe(0)
  expect(stdout).toMatch(/^unseen .*\n.*, given up 2026-11-29 the Region is down$/m)
})

describe('--give-up of a Region in which the primary lists no replica', () => {
  const given = ['--give-up', 'us-east-1', '--reason', 'promoted by mistake', '--confirm', 'us-east-1']
  const tagsOf = async (SecretId: string) =>
    ((await secrets.send(new DescribeSecretCommand({ SecretId }))).Tags ?? []).map(({ Key }) => Key)
  async function promote(id: string): Promise<void> {
    const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' }
    const there = new SecretsManagerClient({ endpoint: secretsManager.url, region: 'us-east-1', credentials })
    const SecretId = id.replace(':eu-west-1:', ':us-east-1:')
    await there.send(new StopReplicationToReplicaCommand({ SecretId }))
  }

  test('accepts a secret of its own there, or a Region that cannot be asked, and warns that only one may rotate', async () => {
    const id = await secret('give-up/promoted', 'us-east-1')
    await promote(id)
    const { code, stdout, stderr } = await keyturn('replicas', 'give-up/promoted', ...given)
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/only one of the two may rotate: .* name eu-west-1/),
    ])
    expect(stdout).toMatch(/undo that: aws secretsmanager untag-resource .*keyturn:given-up:us-east-1; --add/)
    expect(await tagsOf(id)).toEqual(['keyturn:home', 'keyturn:given-up:us-east-1'])
    const lost = await secret('give-up/lost')
    secretsManager.setRegionBehaviour('us-east-1', { endpoint: 'closed' })
    expect(await keyturn('replicas', 'give-up/lost', ...given)).toMatchObject({ code: 0 })
    expect(await tagsOf(lost)).toContain('keyturn:given-up:us-east-1')
  })

  test('is refused if there is no secret', async () => {
    const id = await secret('give-up/none')
    const { code, stderr } = await keyturn('replicas', 'give-up/none', ...given)
    expect([code, stderr]).toEqual([2, expect.stringContaining('it has no replica in us-east-1')])
    expect(await tagsOf(id)).toEqual(['keyturn:home'])
  })

  test('of many secrets accepts those that exist there', async () => {
    const names = ['listed', 'promoted', 'none']
    const ids = await Promise.all(
      names.map(name => secret(`many/${name}`, ...(name === 'none' ? [] : ['us-east-1']))),
    )
    await promote(ids[1] ?? '')
    expect(await keyturn('replicas', '--prefix', 'many/', ...given)).toMatchObject({ code: 0 })
    const tagged = await Promise.all(ids.map(tagsOf))
    expect(tagged.map(tags => tags.includes('keyturn:given-up:us-east-1'))).toEqual([true, true, false])
  })
})

test('a secret of its own is distinguished from a replica, whether promoted or just with that name', async () => {
  const regional = new SecretsManagerClient({
    endpoint: secretsManager.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' },
  })
  secretsManager.setRegionBehaviour('us-east-1', { promotedStaysListed: true })
  const id = await secret('alone/promoted', 'us-east-1')
  await secrets.send(new DescribeSecretCommand({ SecretId: id }))
  const SecretId = id.replace('eu-west-1', 'us-east-1')
  await regional.send(new StopReplicationToReplicaCommand({ SecretId }))
  await regional.send(new CreateSecretCommand({ Name: 'alone/other', SecretString: 'Hidden-3' }))
  await secret('alone/other', 'us-east-1')
  await secret('shop/not-meant', 'us-east-1')
  const { code, stdout } = await keyturn('replicas', '--prefix', 'alone/')
  expect(code).toBe(5)
  expect(stdout.match(/^alone {2}secret:.*$/gm)).toEqual([
    'alone  secret:alone/other in us-east-1',
    'alone  secret:alone/promoted in us-east-1',
  ])
  expect(stdout).not.toContain('shop/')
  expect(stdout).toMatch(
    /Failed: .*, what has this name there is no replica of it: a secret of its own, as after a promotion, or a replica of another$/m,
  )
  expect((await keyturn('replicas', '--tag', 'a=b')).stdout).toBe('There is no such secret.\n')
})

test.each([
  ['--add us-east-1 --remove us-east-1 shop/x', '--add and --remove were given'],
  ['--give-up us-east-1 --repair us-east-1 --reason x shop/x', '--repair and --give-up were given'],
  ['--add us-east-1', '--add was given, and no secret'],
  ['--remove us-east-1 --confirm us-east-1', '--remove was given, and no secret'],
  ['--add us-east-1 --prefix shop shop/x', 'an ID was given, and --tag or --prefix too'],
  ['--tag a=b shop/x', 'an ID was given, and --tag or --prefix too'],
  ['--tag a --add us-east-1', 'It should be KEY=VALUE'],
  ['--key alias/x shop/x', '--key goes with --add alone'],
  ['--repair us-east-1 --key alias/x shop/x', '--key goes with --add alone'],
  ['--remove us-east-1 --reason x shop/x', '--reason goes with --give-up alone'],
  ['--remove us-east-1 --wait 5m shop/x', '--wait goes with --add, --repair alone'],
  ['--confirm us-east-1 shop/x', '--confirm goes with --add, --remove, --repair, --give-up alone'],
  ['--remove us-east-1 --confirm us-east-2 shop/x', '--confirm says us-east-2, and --remove us-east-1'],
  ['--repair us-east-1 --wait 59s shop/x', '--repair waits at least a minute'],
  ['--add us-east-1 --wait soon shop/x', 'It should be a whole number with s or m'],
  ['--add us-east-1 --wait 61m shop/x', 'It should be a whole number with s or m'],
  ['--add Virginia shop/x', 'It should be a Region'],
  ['--give-up us-east-1 shop/x', '--give-up was given without a reason'],
  ['--give-up us-east-1 --reason a;b shop/x', 'a tag cannot hold the character ";" of --reason'],
  [
    `--give-up us-east-1 --reason ${'x'.repeat(246)} shop/x`,
    '--reason has 246 characters, and a tag has room for 245',
  ],
])('%s is refused before anything is asked', async (words, problem) => {
  account.calls.length = 0
  const { code, stdout, stderr } = await keyturn('replicas', ...words.split(' '))
  expect([code, stdout, account.calls]).toEqual([2, '', []])
  expect(stderr).toMatch(/^keyturn: .*\n.+\n$/)
  expect(stderr).toContain(problem)
})

test("--add keeps Secrets Manager's schedule in a tag, in the call that sets the home", async () => {
  const name = 'shop/scheduled'
  const command = new CreateSecretCommand({ Name: name, SecretString: 'Hidden-1' })
  const { ARN: SecretId = '' } = await secrets.send(command)
  const RotationRules = { ScheduleExpression: 'cron(0 8 ? * MON *)', Duration: '3h' }
  const rotated = { RotationEnabled: true, RotationLambdaARN: functionArn, RotationRules }
  const add = async (more: object) => {
    account.secrets.set(name, { ...rotated, ...more })
    account.sent.length = 0
    expect((await keyturn('replicas', name, '--add', 'us-east-1')).code).toBe(0)
    const { Tags } = await secrets.send(new DescribeSecretCommand({ SecretId }))
    const tagged = account.sent.filter(({ action }) => action === 'TagResource')
    return { schedule: scheduleIn(tagsIn(Tags)), calls: tagged.length }
  }
  expect(await add({})).toEqual({ schedule: RotationRules, calls: 1 })
  expect(await add({})).toEqual({ schedule: RotationRules, calls: 0 })
  const changed = { AutomaticallyAfterDays: 10 }
  expect(await add({ RotationRules: changed })).toEqual({ schedule: changed, calls: 1 })
  // The schedule of another function is not kept.
  expect(await add({ RotationLambdaARN: `${functionArn}-2` })).toEqual({ schedule: changed, calls: 0 })
})

test('Ctrl-C ends the wait, and the replication goes on', async () => {
  await secret('shop/slow')
  secretsManager.setRegionBehaviour('us-east-1', { inProgressMs: 1e9 })
  const words = ['replicas', 'shop/slow', '--add', 'us-east-1']
  const { code, stderr } = await runCommand(words, commandEnvironment(account.url), (child, printed) => {
    child.stdout.on('data', () => {
      if (printed().includes('InProgress in us-east-1')) child.kill('SIGINT')
    })
  })
  expect(code).toBe(4)
  expect(stderr).toMatch(
    /^keyturn: shop\/slow: InProgress in us-east-1; stopped waiting, and the replication goes on\nkeyturn /,
  )
})

test('Ctrl-C during many changes begins no further one', async () => {
  for (let n = 0; n < 12; n++) await secret(`stopped/${n}`)
  secretsManager.setRegionBehaviour('us-east-1', { inProgressMs: 1e9 })
  account.sent.length = 0
  const begun = () => account.sent.filter(({ action }) => action === 'ReplicateSecretToRegions').length
  const words = ['replicas', '--prefix', 'stopped/', '--add', 'us-east-1', '--confirm', 'us-east-1']
  const { code, stderr } = await runCommand(words, commandEnvironment(account.url), child => {
    const look = setInterval(() => {
      if (begun() < 10) return
      clearInterval(look)
      child.kill('SIGINT')
    }, 50)
  })
  expect([code, begun()]).toEqual([4, 10])
  expect(stderr.match(/; stopped waiting, and the replication goes on/g)).toHaveLength(10)
  expect(stderr.match(/: not begun, as it was stopped before: nothing was changed/g)).toHaveLength(2)
})

test('without a terminal there is no question', async () => {
  const id = await secret('shop/quiet', 'us-east-1')
  expect(await keyturn('replicas', 'shop/quiet', '--remove', 'us-east-1')).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(
      /no terminal to ask on.*\nTo confirm it without a question: --confirm us-east-1\.\n$/,
    ),
  })
  const { ReplicationStatus } = await secrets.send(new DescribeSecretCommand({ SecretId: id }))
  expect(ReplicationStatus).toHaveLength(1)
})

describe('on a terminal', () => {
  /** Runs the command on a terminal of its own, and presses these keys at its question. */
  const onTerminal = (keys: string, ...words: string[]) => {
    const spawn = 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))'
    const command = ['python3', '-c', spawn, process.execPath, commandFile]
    let asked = false
    return runCommand(
      words,
      commandEnvironment(account.url, { TERM: 'dumb' }),
      (child, printed) => {
        child.stdout.on('data', () => {
          if (asked || !/to go on: |\(yes\/no\) /.test(printed())) return
          asked = true
          child.stdin.write(keys)
        })
      },
      command,
    )
  }

  test.each([
    ['yes\r', 0],
    ['no\r', 2],
    // Ctrl-C, and the end of the input.
    ['\u0003', 2],
    ['\u0004', 2],
  ])('%j ends with %d', async (keys, expected) => {
    const name = `terminal/${expected}-${keys.charCodeAt(0)}`
    const id = await secret(name, 'us-east-1')
    const { code, stdout } = await onTerminal(keys, 'replicas', name, '--remove', 'us-east-1')
    expect(code).toBe(expected)
    if (expected) expect(stdout).toContain('not confirmed: nothing was')
    const { ReplicationStatus = [] } = await secrets.send(new DescribeSecretCommand({ SecretId: id }))
    expect(ReplicationStatus).toHaveLength(expected ? 1 : 0)
  })
})

test('no call of Keyturn overwrites a secret that blocks a replica', () => {
  const files = globSync(
    ['cli', 'fleet', 'functions', 'rotation'].map(room => `${room}/**/*.ts`),
    { cwd: project },
  )
  expect(files).toContain('cli/replicas/calls.ts')
  const sending = files.filter(file => /ReplicateSecretToRegionsCommand/.test(read(file)))
  expect(sending).toEqual(['cli/replicas/calls.ts'])
  expect(files.filter(file => read(file).includes('ForceOverwriteReplicaSecret'))).toEqual([])
})

test('a parameter is refused', async () => {
  account.parameters.set('/shop/parameter', {})
  expect(await keyturn('replicas', 'parameter:/shop/parameter')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      /^keyturn: parameter:\/shop\/parameter is a parameter, which has no replicas\n/,
    ),
  })
})
