import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { type PolicyOptions, runPolicyCommand } from '../../cli/commands/policy.ts'
import type { Context } from '../../cli/context.ts'
import { Output } from '../../cli/output.ts'
import { deployerParts } from '../../cli/policy/deployer.ts'
import { MAX_MANAGED_POLICY_LENGTH, policyLength, type Statement } from '../../cli/policy/document.ts'
import { personPart } from '../../cli/policy/people.ts'
import { locationIn, type StackLocation } from '../../cli/policy/stackLocation.ts'
import { makeProgram } from '../../cli/program.ts'
import { recordedClients } from '../stack/recordedClients.ts'
import { stackOf } from './account.ts'

const arn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/database-AbCdEf'
const parameterArn = 'arn:aws:ssm:eu-west-1:123456789012:parameter/shop/key'
const ours = 'arn:aws:iam::123456789012:role/apps/shop'
const theirs = 'arn:aws:iam::210987654321:role/shop'
const key = '1234abcd-12ab-34cd-56ef-1234567890ab'
const keyArn = `arn:aws:kms:eu-west-1:123456789012:key/${key}`

/** A secret and a parameter as their stores describe them. */
type There = { secret?: object; parameter?: object }
type Options = Partial<PolicyOptions> & { json?: boolean; stage?: string }

/** Runs the command. @returns what it printed, and the calls that it made */
async function printed(
  id: string | undefined,
  { json = false, stage, ...options }: Options,
  there: There = {},
) {
  const calls = new Set<string>()
  let [stdout, stderr] = ['', '']
  const { name: StackName, outputs } = stackOf('dev')
  const Outputs = Object.entries(outputs).map(([OutputKey, OutputValue]) => ({ OutputKey, OutputValue }))
  const absent = () => {
    throw Object.assign(new Error('none'), { name: 'ResourceNotFoundException' })
  }
  const clients = recordedClients('eu-west-1', calls, {
    DescribeStacks: () => ({ Stacks: [{ StackName, Outputs }] }),
    DescribeSecret: () => (there.secret ? { ARN: arn, Name: 'shop/database', ...there.secret } : absent()),
    DescribeParameters: () => ({
      Parameters: there.parameter ? [{ Name: '/shop/key', ARN: parameterArn, ...there.parameter }] : [],
    }),
    ListTagsForResource: () => ({ TagList: [] }),
  })
  const output = new Output(
    { write: (text: string) => (stdout += text) },
    { write: (text: string) => (stderr += text) },
    {},
  )
  const terminal = { input: process.stdin, questions: new PassThrough() }
  const context: Context = { stage, json, clients, output, terminal }
  const code = await runPolicyCommand(context, id, { format: 'json', ...options })
  return { code, said: JSON.parse(stdout), stderr, calls: [...calls].sort() }
}

const readsSecret = {
  Sid: 'Read',
  Effect: 'Allow',
  Action: ['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue'],
  Resource: [arn],
}
const readsParameter = {
  ...readsSecret,
  Action: ['ssm:GetParameter', 'ssm:GetParameters'],
  Resource: [parameterArn],
}
const ofService = {
  StringEquals: {
    'kms:ViaService': 'secretsmanager.eu-west-1.amazonaws.com',
    'kms:EncryptionContext:SecretARN': arn,
  },
}
const decrypts = {
  Sid: 'Decrypt',
  Effect: 'Allow',
  Action: ['kms:Decrypt'],
  Resource: keyArn,
  Condition: ofService,
}
const version = '2012-10-17'

describe('for an application', () => {
  test('the policy for a secret has the two calls that read it; stdout has only the policy, stderr how to use it', async () => {
    const { code, said, stderr, calls } = await printed(arn, { role: ours }, { secret: {} })
    expect([code, said]).toEqual([0, { Version: version, Statement: [readsSecret] }])
    expect(stderr).toContain('put-role-policy --role-name shop --policy-name read-shop-database ')
    expect(calls).toEqual(['cloudformation:DescribeStacks', 'secretsmanager:DescribeSecret'])
  })

  test.each([
    ['its id', key, keyArn, {}],
    ['its ARN', keyArn, keyArn, {}],
    ["another account's ARN", keyArn.replace('123456789012', '333333333333'), undefined, {}],
    [
      'an alias',
      'arn:aws:kms:eu-west-1:123456789012:alias/shop',
      'arn:aws:kms:eu-west-1:123456789012:key/*',
      { 'ForAnyValue:StringEquals': { 'kms:ResourceAliases': 'alias/shop' } },
    ],
  ])('a secret whose own key is named by %s', async (_, KmsKeyId, Resource = KmsKeyId, more) => {
    const { said, stderr } = await printed(arn, { role: ours }, { secret: { KmsKeyId } })
    expect(said.Statement).toEqual([
      readsSecret,
      { ...decrypts, Resource, Condition: { ...ofService, ...more } },
    ])
    expect(stderr).toContain('--part key')
  })

  test.each(['alias/aws/secretsmanager', 'arn:aws:kms:eu-west-1:123456789012:alias/aws/secretsmanager'])(
    'the key %s needs no permission',
    async KmsKeyId => {
      const { said } = await printed(arn, { role: ours }, { secret: { KmsKeyId } })
      expect(said.Statement).toEqual([readsSecret])
    },
  )

  test('in China the names of services have another ending', async () => {
    const inChina = arn.replace('arn:aws:', 'arn:aws-cn:').replace('eu-west-1', 'cn-north-1')
    const secret = { ARN: inChina, KmsKeyId: key }
    const { said } = await printed('shop/database', { role: ours.replace('aws', 'aws-cn') }, { secret })
    expect(said.Statement[1]).toMatchObject({
      Resource: `arn:aws-cn:kms:cn-north-1:123456789012:key/${key}`,
      Condition: { StringEquals: { 'kms:ViaService': 'secretsmanager.cn-north-1.amazonaws.com.cn' } },
    })
  })

  test('replicas are mentioned, and with --replicas included, each with its key', async () => {
    const ReplicationStatus = [
      { Region: 'eu-central-1', KmsKeyId: 'mrk-1' },
      { Region: 'us-east-1', KmsKeyId: 'alias/aws/secretsmanager' },
    ]
    const secret = { KmsKeyId: key, ReplicationStatus }
    const without = await printed(arn, { role: ours }, { secret })
    expect(without.said.Statement).toEqual([readsSecret, decrypts])
    expect(without.stderr).toContain('2 replicas that this policy does not cover')
    const { said, stderr } = await printed(arn, { role: ours, replicas: true }, { secret })
    const there = arn.replace('eu-west-1', 'eu-central-1')
    expect(said.Statement).toEqual([
      { ...readsSecret, Resource: [arn, there, arn.replace('eu-west-1', 'us-east-1')] },
      decrypts,
      {
        ...decrypts,
        Sid: 'Decrypt2',
        Resource: 'arn:aws:kms:eu-central-1:123456789012:key/mrk-1',
        Condition: {
          StringEquals: {
            'kms:ViaService': 'secretsmanager.eu-central-1.amazonaws.com',
            'kms:EncryptionContext:SecretARN': there,
          },
        },
      },
    ])
    expect(stderr).not.toContain('does not reach')
  })

  test('a secret that is read as a parameter has Parameter Store’s ARN too', async () => {
    const { said } = await printed(arn, { role: ours, asParameter: true }, { secret: {} })
    const Resource = [
      'arn:aws:ssm:eu-west-1:123456789012:parameter/aws/reference/secretsmanager/shop/database',
    ]
    expect(said.Statement).toEqual([readsSecret, { ...readsParameter, Sid: 'ReadAsParameter', Resource }])
  })

  test.each([
    ['a SecureString of its own key', { Type: 'SecureString', KeyId: key }, true],
    ['a SecureString', { Type: 'SecureString', KeyId: 'alias/aws/ssm' }, false],
    ['a String', { Type: 'String', KeyId: key }, false],
  ])('a parameter: %s', async (_, parameter, keyed) => {
    const { said } = await printed('parameter:/shop/key', { role: ours }, { parameter })
    const Condition = {
      StringEquals: {
        'kms:ViaService': 'ssm.eu-west-1.amazonaws.com',
        'kms:EncryptionContext:PARAMETER_ARN': parameterArn,
      },
    }
    expect(said.Statement).toEqual([readsParameter, ...(keyed ? [{ ...decrypts, Condition }] : [])])
  })
})

describe('for a role of another account', () => {
  const secret = { KmsKeyId: key }
  const inPolicy = { Principal: { AWS: theirs }, Resource: '*' }

  test('there are three policies: for the role, the secret and the key', async () => {
    const all = await printed(arn, { role: theirs, json: true }, { secret })
    expect(all.said.policies.map(({ name }: { name: string }) => name)).toEqual(['role', 'resource', 'key'])
    const role = await printed(arn, { role: theirs }, { secret })
    expect(role.said.Statement).toEqual([readsSecret, decrypts])
    expect(role.stderr).toMatch(/--part resource\.\n.*--part key\.\n$/s)
    const { said, stderr } = await printed(arn, { role: theirs, part: 'resource' }, { secret })
    expect(said.Statement).toEqual([{ ...readsSecret, Sid: 'ReadFromAnotherAccount', ...inPolicy }])
    expect(stderr).toContain('replaces an existing one')
    const ofKey = await printed(arn, { role: theirs, part: 'key' }, { secret })
    expect(ofKey.said.Statement).toEqual([{ ...decrypts, ...inPolicy }])
    expect(ofKey.stderr).toContain('would lock everybody else out')
  })

  test('an advanced parameter is shared by RAM, and gets no policy here', async () => {
    const parameter = { Type: 'SecureString', KeyId: key, Tier: 'Advanced' }
    const { said } = await printed('parameter:/shop/key', { role: theirs, json: true }, { parameter })
    expect(said.policies.map(({ name }: { name: string }) => name)).toEqual(['role', 'key'])
    expect(said.policies[0].notes[1]).toContain(`names it by its ARN: ${parameterArn}`)
  })

  test.each<[string, string, Options, There, string]>([
    ["a secret of AWS's key", arn, {}, { secret: {} }, 'encrypted by aws/secretsmanager in eu-west-1'],
    [
      "a replica of AWS's key",
      arn,
      { replicas: true },
      { secret: { ...secret, ReplicationStatus: [{ Region: 'us-east-1' }] } },
      'encrypted by aws/secretsmanager in us-east-1',
    ],
    [
      'a standard parameter',
      'parameter:/shop/key',
      {},
      { parameter: { Type: 'SecureString', KeyId: key, Tier: 'Standard' } },
      'a standard parameter, which no other account can read',
    ],
    [
      "an advanced one of AWS's key",
      'parameter:/shop/key',
      {},
      { parameter: { Type: 'SecureString', KeyId: 'alias/aws/ssm', Tier: 'Advanced' } },
      'encrypted by aws/ssm in eu-west-1',
    ],
    [
      'a secret as a parameter',
      arn,
      { asParameter: true },
      { secret },
      "works only in the secret's own account",
    ],
  ])('%s is refused, as no policy would help', async (_, id, options, there, message) => {
    await expect(printed(id, { role: theirs, ...options }, there)).rejects.toMatchObject({
      code: 2,
      message: expect.stringContaining(message),
      remedy: expect.stringMatching(/.{20}/),
    })
  })
})

describe('as a template of CloudFormation', () => {
  test.each([
    ['role', 'AWS::IAM::RolePolicy', { RoleName: 'shop', PolicyName: 'read-shop-database' }],
    ['resource', 'AWS::SecretsManager::ResourcePolicy', { SecretId: arn, BlockPublicPolicy: true }],
  ] as const)('the part %s is a resource', async (part, Type, Properties) => {
    const options = { role: theirs, part, format: 'cloudformation' } as const
    const { said } = await printed(arn, options, { secret: { KmsKeyId: key } })
    expect(said.Resources).toMatchObject({ Policy: { Type, Properties } })
  })

  test("a key's policy is no resource", async () => {
    const options = { role: theirs, part: 'key', format: 'cloudformation' } as const
    const refused = printed(arn, options, { secret: { KmsKeyId: key } })
    await expect(refused).rejects.toMatchObject({ code: 2 })
  })
})

const deploys = { deployer: true, account: '123456789012', stage: 'prod' } as const

test.each([
  ['arn:aws:iam::123456789012:user/bob', /^That is a user, but the policy is for a role/],
  ['arn:aws:iam::123456789012:root', /^That is a whole account/],
  ['arn:aws:sts::123456789012:assumed-role/shop/i-1', /^That is a session/],
  ['shop', /^It is like arn:/],
])('%s is refused as a role, with what it is', async (role, remedy) => {
  await expect(printed(arn, { role }, { secret: {} })).rejects.toMatchObject({
    remedy: expect.stringMatching(remedy),
  })
})

test('an unknown part is refused with the parts of that policy', async () => {
  const none = { ...deploys, part: 'x' }
  await expect(printed(undefined, none)).rejects.toMatchObject({
    remedy: 'There is: calls, functions, resources.',
  })
  expect(() =>
    makeProgram(() => {})
      .commands.find(command => command.name() === 'policy')
      ?.parseOptions(['--part', 'x']),
  ).not.toThrow()
})

test.each<[string, string | undefined, Options, string]>([
  ['nothing', undefined, {}, 'it takes an ID'],
  ['an ID without a role', arn, {}, '--role is missing'],
  [
    'a role without an ID',
    undefined,
    { role: ours },
    'the ID of the credential that the role is to read is missing',
  ],
  ['an ID and a person', arn, { operator: true }, '--operator takes no ID'],
  ['a role and a person', undefined, { auditor: true, role: ours }, '--auditor takes no --role'],
  ['two persons', undefined, { operator: true, auditor: true }, '--operator and --auditor are two'],
  ['an account for an application', arn, { role: ours, account: '123456789012' }, '--account is'],
  ['an account for an operator', undefined, { operator: true, account: '123456789012' }, '--account is'],
  ['an account that is none', undefined, { deployer: true, account: '1' }, '--account is'],
  ['an account without a stage', undefined, { deployer: true, account: '123456789012' }, 'the --stage'],
  ['replicas for a person', undefined, { auditor: true, replicas: true }, 'about one credential'],
  ['a user', arn, { role: 'arn:aws:iam::123456789012:user/bob' }, 'is not the ARN of a role'],
  ['a session', arn, { role: 'arn:aws:sts::123456789012:assumed-role/shop/i-1' }, 'is not the ARN of a role'],
  ['every role', arn, { role: 'arn:aws:iam::123456789012:role/*' }, 'is not the ARN of a role'],
  ['a part of another policy', arn, { role: ours, part: 'resource' }, 'no part resource'],
  ['several policies in one file', undefined, deploys, 'there are 3 policies'],
  ['a parameter as a parameter', 'parameter:/shop/key', { role: ours, asParameter: true }, 'already'],
])('%s is wrong use', async (_, id, options, message) => {
  const there = id === arn ? { secret: {} } : { parameter: { Type: 'SecureString' } }
  await expect(printed(id, options, there)).rejects.toMatchObject({
    code: 2,
    message: expect.stringContaining(message),
    remedy: expect.stringMatching(/.{10}/),
  })
})

const stage = 'twenty-letters-at-mo'
const ground: StackLocation = {
  ...locationIn('ap-southeast-1', '123456789012'),
  stack: `keyturn-${stage}`,
  namePrefix: `keyturn-${stage}`,
}
const of = (who: 'operator' | 'auditor' | 'caretaker') => personPart(who, ground).document.Statement
const deploying = deployerParts(ground)
const all = { operator: of('operator'), auditor: of('auditor') }
const caretaker = of('caretaker')
const resourcesOf = ({ Resource }: Statement) => [Resource].flat()
/** Each action with the resources that it is allowed for. */
const pairs = (found: Statement[]) =>
  new Set(
    found.flatMap(each => each.Action.flatMap(action => resourcesOf(each).map(on => `${action} ${on}`))),
  )

describe('for people', () => {
  test.each(Object.entries(all))(
    '%s: the policy lets nobody read or write a value, or grant rights',
    (_, found) => {
      for (const action of found.flatMap(({ Action }) => Action)) {
        expect(action).not.toMatch(/Value|^ssm:GetParam|^(kms|iam|sts):|[*]/)
        expect(action).not.toMatch(
          /:(Add|Attach|Cancel|Create|Delete|Enable|Label|Put|Receive|Redrive|Remove|Replicate|Send|Stop|Tag|Untag|Update)/,
        )
      }
    },
  )

  test('an auditor starts nothing', () => {
    for (const action of all.auditor.flatMap(({ Action }) => Action))
      expect(action).toMatch(/^[a-z-]+:(List|Describe|Lookup|Get|Scan|Query)[A-Za-z]*$/)
  })

  test('an operator has all that an auditor has, and starts rotations, runs and checks', () => {
    const [operator, auditor] = [pairs(all.operator), pairs(all.auditor)]
    expect([...auditor].filter(pair => !operator.has(pair))).toEqual([])
    const states = 'arn:aws:states:ap-southeast-1:123456789012'
    const machine = `states:StartExecution ${states}:stateMachine:keyturn-${stage}`
    const ofLambda = `arn:aws:lambda:ap-southeast-1:123456789012:function:keyturn-${stage}-rotateSecret`
    const executions = `${states}:execution:keyturn-${stage}`
    expect([...operator].filter(pair => !auditor.has(pair)).sort()).toEqual(
      [
        ...['rotate', 'rotate-due', 'check'].map(name => `${machine}-${name}`),
        `states:DescribeExecution ${executions}-check:*`,
        `lambda:InvokeFunction ${ofLambda}`,
        'secretsmanager:RotateSecret arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:*',
      ].sort(),
    )
  })

  test('RotateSecret changes neither what rotates a secret nor when', () => {
    const [statement] = all.operator.filter(({ Action }) => Action.includes('secretsmanager:RotateSecret'))
    const own = `arn:aws:lambda:ap-southeast-1:123456789012:function:keyturn-${stage}-rotateSecret`
    expect(statement?.Action).toEqual(['secretsmanager:RotateSecret'])
    expect(statement?.Condition).toEqual({
      StringEquals: { 'secretsmanager:resource/AllowRotationLambdaArn': own },
      StringEqualsIfExists: { 'secretsmanager:RotationLambdaARN': own },
      BoolIfExists: { 'secretsmanager:ModifyRotationRules': 'false' },
    })
  })

  test('a caretaker has all that an operator has, tags, turns rotation on and off, and repairs replicas', () => {
    const [theirs, operators] = [pairs(caretaker), pairs(all.operator)]
    expect([...operators].filter(pair => !theirs.has(pair))).toEqual([])
    const actions = [...theirs].filter(pair => !operators.has(pair)).map(pair => pair.split(' ')[0])
    expect([...new Set(actions)].sort()).toEqual([
      ...['events:EnableRule', 'iam:PassRole', 'scheduler:UpdateSchedule'],
      ...['secretsmanager:CancelRotateSecret', 'secretsmanager:TagResource', 'secretsmanager:UntagResource'],
      ...['ssm:AddTagsToResource', 'ssm:RemoveTagsFromResource'],
      ...['states:DescribeExecution', 'states:StartExecution'],
    ])
    expect([...theirs].filter(pair => /Value|:Put|promote/.test(pair))).toEqual([])
    for (const { Action, Condition } of caretaker)
      if (Action.some(action => /:(Untag|Tag|AddTags|RemoveTags)/.test(action)))
        expect(Condition).toEqual({ 'ForAllValues:StringLike': { 'aws:TagKeys': 'keyturn*' } })
  })

  test('the policy of a caretaker comes with what that person can decide', async () => {
    const { stderr } = await printed(undefined, { caretaker: true })
    expect(stderr).toMatch(/^With it a person decides which credentials Keyturn may use/)
    expect((await printed(undefined, { operator: true })).stderr).not.toContain('decides')
  })

  test('both are made from the stack, without other calls', async () => {
    const { said, stderr, calls } = await printed(undefined, { operator: true })
    expect(said.Statement.map(({ Sid }: Statement) => Sid)).toEqual(all.operator.map(({ Sid }) => Sid))
    expect(JSON.stringify(said)).toContain(
      'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-dev-rotate"',
    )
    expect(stderr).toMatch(/It has \d{4} characters as IAM counts/)
    expect(calls).toEqual(['cloudformation:DescribeStacks'])
  })

  test('somebody who deploys gets three policies, without a call if no stack exists', async () => {
    const asked = { deployer: true, account: '123456789012', stage: 'prod', json: true } as const
    const { said, calls } = await printed(undefined, asked)
    expect(said.policies.map(({ name }: { name: string }) => name)).toEqual([
      'calls',
      'functions',
      'resources',
    ])
    expect(JSON.stringify(said)).toContain('arn:aws:lambda:eu-west-1:123456789012:function:keyturn-prod-*')
    expect(calls).toEqual([])
  })

  test('what CloudFormation does for somebody who deploys is allowed only by CloudFormation', () => {
    for (const { name, document } of deploying)
      for (const { Condition } of document.Statement)
        expect(Condition).toEqual(
          name === 'calls'
            ? undefined
            : { 'ForAnyValue:StringEquals': { 'aws:CalledVia': 'cloudformation.amazonaws.com' } },
        )
  })
})

test('each fits into a managed policy, and its statements have names of their own', () => {
  const documents = [
    ...deploying,
    ...(['auditor', 'operator', 'caretaker'] as const).map(who => personPart(who, ground)),
  ]
  for (const { document } of documents) {
    expect(policyLength(document)).toBeLessThanOrEqual(MAX_MANAGED_POLICY_LENGTH)
    const names = document.Statement.map(({ Sid }) => Sid)
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(name).toMatch(/^[A-Za-z0-9]+$/)
  }
})
