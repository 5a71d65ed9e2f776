import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type SecretsManagerServer, startSecretsManager } from '../../local/aws/secretsManager.ts'
import { type StepFunctionsServer, startStepFunctions } from '../../local/aws/stepFunctions.ts'
import manifest from '../../package.json' with { type: 'json' }
import { type Account, commandEnvironment, runCommand, stackOf, startAccount } from './account.ts'

let account: Account
let secrets: SecretsManagerServer
let executions: StepFunctionsServer
beforeAll(async () => {
  secrets = await startSecretsManager()
  executions = await startStepFunctions()
  account = await startAccount({ secretsManager: secrets.url, stepFunctions: executions.url })
  const headers = { 'x-amz-target': 'secretsmanager.CreateSecret' }
  for (const Name of ['shop', '/both', 'replica', 'arn:not:one'])
    await fetch(secrets.url, { method: 'POST', headers, body: JSON.stringify({ Name, SecretString: 'x' }) })
  account.parameters.set('/both', {}).set('plain', {})
  account.secrets.set('replica', { PrimaryRegion: 'us-east-1' })
})
afterAll(async () => {
  account?.stop()
  executions?.stop()
  await secrets?.stop()
})
beforeEach(() => {
  account.refuse()
  account.stacks = [stackOf('prod')]
  account.calls.length = 0
})

const keyturn = (words: string[], more: Record<string, string> = {}) =>
  runCommand(words, commandEnvironment(account.url, more))

/** Every command that asks AWS. */
const commands = [
  ['rotate', 'shop'],
  ['rotate', '--all-due'],
  ['status'],
  ['status', 'shop'],
  ['history', 'shop'],
  ['events'],
  ['version'],
  ['promote', '--from', 'us-east-1', '--confirm', 'us-east-1'],
]

/** Expects nothing on stdout, and on stderr what is wrong and what to do. */
async function expectRefused(words: string[], code: number, what: RegExp, more: Record<string, string> = {}) {
  const ran = await keyturn(words, more)
  expect(ran).toMatchObject({ code, stdout: '' })
  const lines = ran.stderr.trimEnd().split('\n')
  expect(lines).toHaveLength(2)
  expect(lines[0]).toMatch(/^keyturn: /)
  expect(lines.join('\n')).toMatch(what)
  expect(account.calls.filter(action => /^(StartExecution|RotateSecret)$/.test(action))).toEqual([])
}

describe.each(commands)('%s %s', (...given) => {
  const words = given.filter(word => typeof word === 'string')

  test.each([
    ['AccessDenied', 3, /refuses DescribeStacks: AccessDenied\nAsk for this permission/],
    ['ExpiredToken', 3, /credentials have expired\nLog in again/],
    ['ExpiredTokenException', 3, /credentials have expired\nLog in again/],
    ['InvalidClientTokenId', 3, /does not know these credentials/],
    ['SignatureDoesNotMatch', 3, /does not know these credentials/],
    ['Throttling', 1, /throttled the call.*\nRepeat/],
    ['ServiceUnavailable', 1, /failed on its side.*\nRepeat/],
  ])('says what to do after %s', async (name, code, what) => {
    account.refuse(() => ({ name }))
    await expectRefused(words, code, what)
  })

  test('says what to do if nothing answers at the endpoint', () =>
    expectRefused(words, 1, /CloudFormation does not answer \(ECONNREFUSED\)/, {
      AWS_ENDPOINT_URL: 'http://127.0.0.1:1',
    }))

  test('says what to do if there is no Region, in either environment variable', async () => {
    await expectRefused(words, 2, /no Region\nName it with --region/, { AWS_REGION: '' })
    const ran = await keyturn(['version'], { AWS_REGION: '', AWS_DEFAULT_REGION: 'eu-west-1' })
    expect(ran.code).toBe(0)
  })

  test('says what to do if the Region is not valid', () =>
    expectRefused([...words, '--region', 'nowhere at all'], 2, /the Region is not valid: /))

  test('says what to do if there are no credentials', () =>
    expectRefused(words, 3, /no credentials for AWS\n/, { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' }))

  test('says what to do if the profile does not exist', () =>
    expectRefused(
      [...words, '--profile', 'nobody'],
      3,
      /profile nobody does not exist.*\nSee `aws configure/,
    ))

  test('says what to do if there is no stack', async () => {
    account.stacks = [{ name: 'other', outputs: { Stage: 'prod', Version: '1.0.0' } }]
    await expectRefused(words, 2, /no stack of Keyturn.*\nDeploy one/)
  })

  test('says what to do if there are several stacks, or none of the stage', async () => {
    account.stacks = [stackOf('prod'), stackOf('dev')]
    await expectRefused(words, 2, /several stacks.*\n.*--stage.*: dev, prod\./)
    await expectRefused([...words, '--stage', 'test'], 2, /no stack of the stage test.*\n.*: dev, prod;/)
    await expectRefused(words, 2, /no stack of the stage test/, { KEYTURN_STAGE: 'test' })
  })

  test('says what to do if the stack is of a release without the output Stage', async () => {
    const { outputs } = stackOf('prod')
    const { Stage: _, Version: __, ...old } = outputs
    account.stacks = [{ name: 'keyturn-prod', outputs: old }]
    await expectRefused(words, 2, /older than this command\nDeploy it again.*--stage prod/)
  })
})

test('a profile is used as the AWS CLI uses it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'keyturn-profile-'))
  const file = join(folder, 'config')
  try {
    await writeFile(
      file,
      '[profile ops]\nregion = eu-west-1\naws_access_key_id = AKIDOPS\naws_secret_access_key = secret\n',
    )
    const none = { AWS_REGION: '', AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_CONFIG_FILE: file }
    expect(await keyturn(['version', '--profile', 'ops'], none)).toMatchObject({ code: 0, stderr: '' })
    expect(await keyturn(['version'], { ...none, AWS_PROFILE: 'ops' })).toMatchObject({ code: 0, stderr: '' })
  } finally {
    await rm(folder, { recursive: true })
  }
})

const arn = (service: string, resource: string, place = 'eu-west-1:123456789012') =>
  `arn:aws:${service}:${place}:${resource}`

describe('an id', () => {
  test.each([
    ['nowhere', /no secret or parameter nowhere in the account 123456789012, eu-west-1\n/],
    ['secret:plain', /no secret secret:plain/],
    ['parameter:shop', /no parameter parameter:shop/],
    ['/both', /\/both is a secret and a parameter\nSay which: secret:\/both or parameter:\/both\./],
    ['replica', /is a replica here, and its primary is in us-east-1\n/],
    [arn('secretsmanager', 'secret:shop-abcdef', 'us-east-1:123456789012'), /in the Region us-east-1.*\n/],
    [arn('ssm', 'parameter/plain', 'eu-west-1:210987654321'), /in the account 210987654321.*\n.*--profile/],
    [arn('s3', 'bucket'), /the ARN of neither a secret nor a parameter\n/],
    ['no\u001b[2Jwhere\nelse', /no secret or parameter nowhere else in/],
  ])('%j is refused, and nothing begins', (id, what) => expectRefused(['rotate', id], 2, what))

  test.each([
    ['shop', 'secrets-manager', 'shop'],
    ['secret:/both', 'secrets-manager', '/both'],
    ['parameter:/both', 'parameter-store', '/both'],
    ['plain', 'parameter-store', 'plain'],
    [arn('ssm', 'parameter/plain'), 'parameter-store', 'plain'],
    [arn('ssm', 'parameter/both'), 'parameter-store', '/both'],
    [arn('secretsmanager', 'secret:shop'), 'secrets-manager', 'shop'],
    ['/aws/reference/secretsmanager/shop', 'secrets-manager', 'shop'],
    ['parameter:/aws/reference/secretsmanager/shop', 'secrets-manager', 'shop'],
  ])('%s is found', async (id, store, name) => {
    const { code, stdout } = await keyturn(['rotate', '--no-wait', '--json', id])
    expect(code).toBe(0)
    expect(JSON.parse(stdout).rotations).toMatchObject([{ store, id: name, result: 'started' }])
    expect(
      account.calls.filter(action => action.startsWith('GetSecret') || action.startsWith('GetParam')),
    ).toEqual([])
  })

  test('somebody who may not read one store is told to name the store', async () => {
    account.refuse(action =>
      action === 'DescribeParameters' ? { name: 'AccessDeniedException' } : undefined,
    )
    await expectRefused(
      ['rotate', 'shop'],
      3,
      /Parameter Store refuses DescribeParameters.*\n.*say secret:shop\./,
    )
    account.calls.length = 0
    expect((await keyturn(['rotate', '--no-wait', 'secret:shop'])).code).toBe(0)
  })
})

test('a refused start is reported as no rotation', async () => {
  account.refuse(action => (action === 'StartExecution' ? { name: 'AccessDeniedException' } : undefined))
  const { code, stdout, stderr } = await keyturn(['rotate', 'shop', 'plain', '--json'])
  expect(code).toBe(3)
  expect(stderr).toMatch(
    /^keyturn: shop: not begun: Step Functions refuses StartExecution.*\n.*\nkeyturn: plain: /,
  )
  expect(JSON.parse(stdout).rotations).toMatchObject([{ result: 'not-started' }, { result: 'not-started' }])
})

test('version prints both versions, and whether they are the same', async () => {
  expect(await keyturn(['version'])).toMatchObject({
    code: 0,
    stdout: `command  ${manifest.version}\nstack    ${manifest.version} (keyturn-prod)\n`,
  })
  account.stacks = [stackOf('prod', { Version: '99.0.0' })]
  const { code, stdout } = await keyturn(['version', '--json'])
  expect(code).toBe(5)
  const stack = { name: 'keyturn-prod', stage: 'prod', version: '99.0.0' }
  expect(JSON.parse(stdout)).toEqual({ command: manifest.version, stack, agree: false })
  expect((await keyturn(['version'])).stdout).toMatch(/not the same: install the command of Keyturn 99\.0\.0/)
  account.stacks = [stackOf('prod', { Version: '0.0.1' })]
  expect((await keyturn(['version'])).stdout).toMatch(
    /not the same: deploy the stack again with Keyturn .*, with the same parameters as before: npx serverless deploy/,
  )
})

describe('version, of the stacks in other Regions', () => {
  const peers = { PeerRegions: 'us-east-1,sa-east-1' }
  const settings = (more: object) => ({ Settings: JSON.stringify({ grace: '24h', ...more }) })
  const peer = (region: string, more: Record<string, string> = {}) => ({
    ...stackOf('prod', { ...peers, ...settings({}), ...more }),
    region,
  })

  test('says how another stack differs', async () => {
    account.stacks = [
      peer('eu-west-1', settings({ kept: true })),
      peer('us-east-1', { Version: '0.0.1', ...settings({ grace: '7d', more: '' }) }),
      peer('sa-east-1', settings({ kept: true })),
    ]
    const { code, stdout } = await keyturn(['version'])
    expect(code).toBe(5)
    expect(stdout.split('\n').slice(2)).toEqual([
      'peer     0.0.1 (keyturn-prod in us-east-1)',
      '  its version is not that of the stack: npx serverless deploy --stage prod --param="region=us-east-1", with the same parameters as before.',
      '  differs: grace is 24h here and 7d there',
      '  differs: kept is true here and not known there',
      '  differs: more is not known here and unset there',
      `peer     ${manifest.version} (keyturn-prod in sa-east-1)`,
      '',
    ])
    const told = JSON.parse((await keyturn(['version', '--json'])).stdout)
    expect(told.peers).toMatchObject([
      { region: 'us-east-1', state: 'there', version: '0.0.1', differences: [{ name: 'grace' }, {}, {}] },
      { region: 'sa-east-1', state: 'there', differences: [] },
    ])
  })

  test('a missing stack is a finding, also if another stage exists there', async () => {
    const dev = { ...stackOf('dev'), region: 'us-east-1' }
    account.stacks = [peer('eu-west-1'), dev, peer('sa-east-1')]
    const { code, stdout } = await keyturn(['version'])
    expect(code).toBe(5)
    expect(stdout).toMatch(/^peer {5}us-east-1 has no stack of the stage prod: npx serverless deploy /m)
  })

  test('a Region that cannot be asked is reported, and is no finding', async () => {
    account.stacks = [peer('eu-west-1'), peer('us-east-1'), peer('sa-east-1')]
    account.refuse((_, region) => (region === 'us-east-1' ? { name: 'AccessDenied' } : undefined))
    const { code, stdout } = await keyturn(['version'])
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^peer {5}not known: us-east-1 cannot be asked: CloudFormation refuses DescribeStacks/m,
    )
  })

  test('the settings of a stack without outputs for them are not compared', async () => {
    const { Settings: _, ...outputs } = peer('us-east-1').outputs
    account.stacks = [
      peer('eu-west-1'),
      { name: 'keyturn-prod', region: 'us-east-1', outputs },
      peer('sa-east-1'),
    ]
    expect(await keyturn(['version'])).toMatchObject({ code: 0 })
    account.stacks = [{ ...stackOf('prod', { PeerRegions: '' }), region: 'eu-west-1' }]
    expect((await keyturn(['version'])).stdout).not.toContain('peer')
  })
})
