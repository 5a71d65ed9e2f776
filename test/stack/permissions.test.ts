import { randomUUID } from 'node:crypto'
import dns from 'node:dns'
import {
  CloudFormationClient,
  CreateStackCommand,
  waitUntilStackCreateComplete,
} from '@aws-sdk/client-cloudformation'
import {
  CreateDBClusterCommand,
  CreateDBInstanceCommand,
  DescribeDBClustersCommand,
} from '@aws-sdk/client-rds'
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'
import { SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn'
import { LabelParameterVersionCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { StateName } from '../../fleet/states.ts'
import type { RunPlan } from '../../functions/findDue.ts'
import type { Admin } from '../../local/client/users.ts'
import {
  type Embedded,
  type FunctionName,
  functionOfState,
  functionsOfRotate,
  loadHandler,
  startEmbedded,
} from '../../local/embedded/embedded.ts'
import { runStatements } from '../../local/servers/postgresDatabase.ts'
import { startMiniStack } from '../../local/stack/ministack.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { Mysql } from '../../rotation/engines/mysql/mysql.ts'
import { Conflict } from '../../rotation/errors.ts'
import { startMoto } from '../support/moto.ts'
import { cluster, instance, type RdsServer, startRds } from '../support/rds.ts'
import { allowedActions, recordCalls, type Statement } from './calls.ts'
import { packageStack, type Template } from './package.ts'

/** Every call that each function made, as an IAM action, over all cases. */
let made: Record<string, Set<string>> = {}
/** The recorded calls, with " of pending" for those about pending values in Parameter Store. */
const recordedCalls: string[] = []
let embedded: Embedded
let admin: Admin
let rds: RdsServer | undefined
/** With the defaults of all parameters. */
let template: Template

beforeAll(async () => {
  await using stack = await packageStack()
  template = stack.template
  embedded = await startEmbedded()
  admin = await embedded.users.makeAdmin('master')
})
afterAll(async () => {
  await embedded.stop()
})

type State = Record<string, unknown> & { token: string }

/** Runs the function of a state. It may throw, as errors are among the cases. */
async function call(state: StateName<'rotate'>, token: string, rotation: object, more = {}): Promise<State> {
  const result = await recorded(functionOfState(state), () =>
    embedded.tasks[state]?.({ execution: token, rotation, ...more }),
  )
  return (result as State | undefined) ?? { ...rotation, token }
}

/** Has a credential checked. */
const look = (target: object) =>
  recorded('checkCredential', async () => (await loadHandler('checkCredential'))(target))

/** Records the calls of a function. */
async function recorded(name: string, run: () => unknown): Promise<unknown> {
  const { secretsManager, stepFunctions } = embedded
  secretsManager.calls.length = 0
  stepFunctions.calls.length = 0
  if (rds) rds.calls.length = 0
  recordedCalls.length = 0
  try {
    return await run()
  } catch {
    return undefined
  } finally {
    made[name] ??= new Set()
    for (const { action, secret } of secretsManager.calls)
      made[name].add(`secretsmanager:${action}${secret?.includes('rds!') ? ' of a master' : ''}`)
    for (const { action } of stepFunctions.calls) made[name].add(`states:${action}`)
    for (const action of rds?.calls ?? []) made[name].add(`rds:${action}`)
    for (const call of recordedCalls) made[name].add(call)
  }
}

/**
 * Two rotations of a user that sets its own second password, in MySQL: the first is rolled back, and what it set stands in
 * the way of the other, first while its own rotation runs. It stands in for a server that lets in all of its passwords.
 */
async function meetAnother(start: { store: string; id: string }): Promise<void> {
  const [left, token] = [randomUUID(), randomUUID()]
  const login = vi.spyOn(Mysql.prototype, 'login').mockImplementation(
    async () =>
      ({
        dualPassword: {
          add: () => Promise.reject(new Conflict('another is the first')),
          keepOnly: async () => {},
        },
        [Symbol.asyncDispose]: async () => {},
      }) as never,
  )
  await call('CreateSecret', left, start)
  await call('RollbackAbandoned', randomUUID(), start, { abandoned: true })
  const rotation = await call('CreateSecret', token, start)
  embedded.stepFunctions.foreignRunning.add(left)
  await call('SetSecret', token, rotation)
  embedded.stepFunctions.foreignRunning.delete(left)
  await call('SetSecret', token, rotation)
  expect(login.mock.calls.length).toBeGreaterThan(2)
  login.mockRestore()
}

const allowed = (name: string, of: (statement: Statement) => boolean) => allowedActions(template, name, of)

test('secrets: each role allows exactly the calls that its function makes, also after errors', async () => {
  made = {}
  const id = await embedded.users.enrol('shop', { admin, tags: { 'keyturn:grace': '1s' } })
  const start = { store: 'secrets-manager', id }
  const begin = async () => {
    const token = randomUUID()
    return [token, await call('CreateSecret', token, start)] as const
  }

  // A successful rotation with each step twice, as a retry finds its work done.
  const [token, rotation] = await begin()
  const states = [
    'CreateSecret',
    'SetSecret',
    'TestSecret',
    'FinishSecret',
    'AwaitReplicas',
    'RetireSecret',
  ] as const
  for (const state of states)
    for (const _ of [1, 2]) await call(state, token, state === 'CreateSecret' ? start : rotation)
  // Rolled back after the database changed, and begun again with the same token.
  const [failed, state] = await begin()
  await call('SetSecret', failed, state)
  await call('RollbackSecret', failed, state)
  await call('CreateSecret', failed, start)
  // A rotation that died, found by the next one.
  await begin()
  // Now that execution runs.
  embedded.stepFunctions.foreignRunning.add(failed)
  await call('CreateSecret', randomUUID(), start)
  await look(start)
  await call('RollbackAbandoned', randomUUID(), start, { abandoned: true })
  embedded.stepFunctions.foreignRunning.delete(failed)
  await look(start)
  await call('RollbackAbandoned', randomUUID(), start, { abandoned: true })
  // A single user whose stored values are all refused, so that the rollback tries every version.
  const other = await embedded.users.enrol('other')
  const lost = randomUUID()
  const facts = await call('CreateSecret', lost, { ...start, id: other })
  await call('SetSecret', lost, facts)
  const [wrong, value] = [randomUUID(), { SecretId: other, VersionStages: ['AWSPENDING'] }]
  await embedded.secrets.send(
    new PutSecretValueCommand({
      ...value,
      ClientRequestToken: wrong,
      SecretString: '{"not":"a credential"}',
    }),
  )
  await call('RollbackSecret', lost, facts)
  const dual = {
    Name: 'dual',
    SecretString: ofMysql,
    Tags: [{ Key: 'keyturn:strategy', Value: 'dual-password' }],
  }
  await embedded.secrets.send(new CreateSecretCommand(dual))
  await meetAnother({ store: 'secrets-manager', id: 'dual' })

  // Secrets Manager's own schedule. The execution only waits, so that all calls are rotateSecret's: it fails once, so
  // that the value is there when the next attempt begins.
  const rotateSecret = await loadHandler('rotateSecret')
  for (const state of functionsOfRotate.keys())
    embedded.stepFunctions.tasks[state] = () => {
      throw new Error('not now')
    }
  const scheduled = await embedded.users.enrol('scheduled')
  const service = (Step: string, ClientRequestToken: string) =>
    recorded('rotateSecret', () =>
      rotateSecret({ Step, SecretId: scheduled, ClientRequestToken, RotationToken: 'proof' }),
    )
  await service('testSecret', embedded.secretsManager.stagePending(scheduled))
  const due = embedded.secretsManager.stagePending(scheduled)
  await service('createSecret', due)
  // A rollback leaves it like this: the value is kept, but no longer pending.
  await embedded.secrets.send(
    new UpdateSecretVersionStageCommand({
      SecretId: scheduled,
      VersionStage: 'AWSPENDING',
      RemoveFromVersionId: due,
    }),
  )
  await service('createSecret', due)

  for (const [name, actions] of Object.entries(made))
    expect([...actions].sort(), name).toEqual(
      allowed(name, ({ Sid }) => !/Parameters$|^ManagedMasters$|^Databases$|^MasterPasswords$/.test(Sid)),
    )
  expect(Object.keys(made).length).toBe(new Set(functionsOfRotate.values()).size + 2)
})

/** @returns the value of a MySQL user on any server */
const ofMysql = '{"engine":"mysql","host":"db","username":"dual","password":"first"}'

const bin = await pythonBin()

test.skipIf(!bin)(
  'parameters: each role allows exactly these calls, on the parameter and its pending values',
  async () => {
    made = {}
    const moto = await startMoto(bin ?? '')
    const recorder = await recordCalls(moto.url, recordedCalls)
    // Read when a function first makes the client. With one try, so that a fault is not retried.
    Object.assign(process.env, { AWS_ENDPOINT_URL_SSM: recorder.url, AWS_MAX_ATTEMPTS: '1' })
    const ssm = new SSMClient({ endpoint: moto.url })

    /** Makes a parameter with the value of a secret. */
    async function enrol(user: string, tags: Record<string, string> = {}): Promise<string> {
      const secret = await embedded.users.enrol(user, { admin, tags })
      const { SecretString } = await embedded.secrets.send(new GetSecretValueCommand({ SecretId: secret }))
      const Tags = Object.entries({ 'keyturn:managed': 'true', ...tags }).map(([Key, Value]) => ({
        Key,
        Value,
      }))
      const Name = `/demo/${user}`
      await ssm.send(new PutParameterCommand({ Name, Value: SecretString, Type: 'SecureString', Tags }))
      return Name
    }
    const begin = async (id: string) => {
      const token = randomUUID()
      return [token, await call('CreateSecret', token, { store: 'parameter-store', id })] as const
    }
    const start = (id: string) => ({ store: 'parameter-store', id })

    try {
      const id = await enrol('basket', { 'keyturn:grace': '1s' })
      const [token, rotation] = await begin(id)
      for (const state of [
        'CreateSecret',
        'SetSecret',
        'TestSecret',
        'FinishSecret',
        'RetireSecret',
      ] as const)
        for (const _ of [1, 2]) await call(state, token, state === 'CreateSecret' ? start(id) : rotation)
      expect(recordedCalls.length).toBeGreaterThan(0)
      // Rolled back after the database changed, and begun again with the same token.
      const [failed, facts] = await begin(id)
      await call('SetSecret', failed, facts)
      await call('RollbackSecret', failed, facts)
      await call('CreateSecret', failed, start(id))
      await look(start(id))
      // A rotation that died, found by the next one.
      await call('RollbackAbandoned', randomUUID(), start(id), { abandoned: true })
      // A promotion that dies before it has cleaned up, which the next rotation then does.
      const [dead, state] = await begin(id)
      await call('SetSecret', dead, state)
      recorder.fail('DeleteParameters')
      await call('FinishSecret', dead, state)
      await begin(id)
      // Another parameter has an old version with a label of ours, beyond those that are kept, and is new to Keyturn.
      const old = await enrol('old')
      await ssm.send(new LabelParameterVersionCommand({ Name: old, Labels: ['previous'] }))
      const value = await embedded.secrets.send(new GetSecretValueCommand({ SecretId: 'demo/old' }))
      for (let n = 0; n < 51; n++)
        await ssm.send(
          new PutParameterCommand({
            Name: old,
            Value: value.SecretString,
            Type: 'SecureString',
            Overwrite: true,
          }),
        )
      const [last, found] = await begin(old)
      for (const state of ['SetSecret', 'TestSecret', 'FinishSecret', 'RetireSecret'] as const)
        await call(state, last, found)
      const Tags = [
        { Key: 'keyturn:managed', Value: 'true' },
        { Key: 'keyturn:strategy', Value: 'dual-password' },
      ]
      await ssm.send(
        new PutParameterCommand({ Name: '/demo/dual', Value: ofMysql, Type: 'SecureString', Tags }),
      )
      await meetAnother(start('/demo/dual'))
      // A secret with only a password, whose connection is a parameter.
      const SecretString = 'the password'
      await embedded.secrets.send(
        new CreateSecretCommand({
          ...{ Name: 'demo/alone', SecretString },
          Tags: [{ Key: 'keyturn:connection', Value: id }],
        }),
      )
      const rotateSecret = await loadHandler('rotateSecret')
      const SecretId = 'demo/alone'
      const ClientRequestToken = embedded.secretsManager.stagePending(SecretId)
      await recorded('rotateSecret', () => rotateSecret({ Step: 'testSecret', SecretId, ClientRequestToken }))

      const calls = (name: string, pending: boolean) =>
        [...(made[name] ?? [])]
          .filter(call => call.startsWith('ssm:') && call.endsWith(' of pending') === pending)
          .map(call => call.replace(' of pending', ''))
          .sort()
      for (const name of new Set([...functionsOfRotate.values(), 'rotateSecret', 'checkCredential'])) {
        const of = (wanted: string) => allowed(name, ({ Sid }) => Sid === wanted)
        expect(calls(name, false), name).toEqual(of('ManagedParameters'))
        expect(calls(name, true), name).toEqual(of('PendingParameters'))
      }
    } finally {
      recorder.stop()
      await moto.stop()
    }
  },
  120_000,
)

test.skipIf(!bin)(
  'setting an admin: each role allows exactly these calls, in both stores',
  async () => {
    made = {}
    const moto = await startMoto(bin ?? '')
    const recorder = await recordCalls(moto.url, recordedCalls)
    Object.assign(process.env, { AWS_ENDPOINT_URL_SSM: recorder.url, AWS_MAX_ATTEMPTS: '1' })
    // The clients of earlier tests point to another moto.
    vi.resetModules()
    const setAdmin = await loadHandler('setAdmin')
    const set = (store: string, id: string, started = new Date().toISOString()) =>
      recorded('setAdmin', () => setAdmin({ started, input: { store, id, admin: admin.arn } }))
    const tags = { 'keyturn:managed': 'true', 'keyturn:strategy': 'alternating-users' }
    try {
      const id = await embedded.users.enrol('named', { tags })
      const { SecretString } = await embedded.secrets.send(new GetSecretValueCommand({ SecretId: id }))
      const token = randomUUID()
      const pending = { SecretId: id, SecretString, VersionStages: ['AWSPENDING'] }
      await embedded.secrets.send(new PutSecretValueCommand({ ...pending, ClientRequestToken: token }))
      embedded.stepFunctions.foreignRunning.add(token)
      expect(await set('secrets-manager', id)).toBeUndefined()
      embedded.stepFunctions.foreignRunning.delete(token)
      const label = { SecretId: id, VersionStage: 'AWSPENDING', RemoveFromVersionId: token }
      await embedded.secrets.send(new UpdateSecretVersionStageCommand(label))
      const started = new Date().toISOString()
      const answer = await set('secrets-manager', id, started)
      expect(answer).toMatchObject({ outcome: 'set' })
      expect(await set('secrets-manager', id, started)).toEqual(answer)

      const Name = '/demo/named'
      const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
      const put = new PutParameterCommand({ Name, Value: SecretString, Type: 'SecureString', Tags })
      await new SSMClient({ endpoint: moto.url }).send(put)
      recorder.fail('LabelParameterVersion')
      expect(await set('parameter-store', Name)).toBeUndefined()
      expect(await set('parameter-store', Name)).toMatchObject({ outcome: 'set' })

      const ofPending = allowed('setAdmin', ({ Sid }) => Sid === 'PendingParameters')
      const others = allowed('setAdmin', ({ Sid }) => !/^(Databases|PendingParameters)$/.test(Sid))
      const all = new Set([...others, ...ofPending.map(action => `${action} of pending`)])
      expect([...(made.setAdmin ?? [])].filter(call => !all.has(call))).toEqual([])
      // A parameter of more versions than have labels: as in the two tests before.
      expect([...all].filter(call => !made.setAdmin?.has(call))).toEqual(['ssm:UnlabelParameterVersion'])
    } finally {
      recorder.stop()
      await moto.stop()
    }
  },
  120_000,
)

test.skipIf(!bin)(
  'databases: each role allows exactly the calls of RDS about an admin whose secret RDS manages',
  async () => {
    made = {}
    rds = await startRds(bin ?? '')
    process.env.AWS_ENDPOINT_URL_RDS = rds.url
    const { host, port } = embedded.postgres
    rds.edit = answer => answer.replace(/(?<=<Address>|<Endpoint>)[^<]+(?=<)/, host)
    const { SecretString = '' } = await embedded.secrets.send(
      new GetSecretValueCommand({ SecretId: admin.arn }),
    )
    const { username, password } = JSON.parse(SecretString)

    /** Makes an admin's secret as RDS does. */
    async function manage(tag: string, database = ''): Promise<Admin> {
      const Tags = Object.entries({ 'keyturn:admin': 'true', [tag]: database })
      const create = new CreateSecretCommand({
        Name: `rds!${randomUUID()}`,
        SecretString: JSON.stringify({ username, password }),
        Tags: Tags.map(([Key, Value]) => ({ Key, Value })),
      })
      const { ARN = '' } = await embedded.secrets.send(create)
      return { ...admin, arn: ARN }
    }

    try {
      const { DBInstance } = await rds.client.send(
        new CreateDBInstanceCommand({
          ...instance,
          MasterUsername: 'plain',
          Port: port,
          DBInstanceIdentifier: 'shop',
        }),
      )
      const { DBCluster } = await rds.client.send(
        new CreateDBClusterCommand({
          ...cluster,
          MasterUsername: 'plain',
          Port: port,
          DBClusterIdentifier: 'shop',
        }),
      )
      const admins = [
        await manage('aws:rds:primaryDBInstanceArn', DBInstance?.DBInstanceArn),
        await manage('aws:rds:primaryDBClusterArn', DBCluster?.DBClusterArn),
      ]
      for (const [n, admin] of admins.entries()) {
        const id = await embedded.users.enrol(`managed ${n}`, { admin, tags: { 'keyturn:grace': '1s' } })
        const start = { store: 'secrets-manager', id }
        const [first, second] = [randomUUID(), randomUUID()]
        await look(start)
        const rotation = await call('CreateSecret', first, start)
        for (const state of ['SetSecret', 'TestSecret', 'FinishSecret', 'RetireSecret'] as const)
          await call(state, first, rotation)
        const failing = await call('CreateSecret', second, start)
        await call('SetSecret', second, failing)
        await call('RollbackSecret', second, failing)
      }

      // A master's own secret, whose host has a name of RDS's. The one user that the server lets in without TLS, as its
      // certificate has no such name.
      rds.edit = answer => answer
      vi.spyOn(dns, 'lookup').mockImplementation(((
        _host: string,
        _options: object,
        done: (...found: unknown[]) => void,
      ) => done(null, [{ address: host, family: 4 }])) as never)
      await runStatements(embedded.postgres, "create role plain login password 'first'")
      rds.refuse = call => {
        const password = call.get('MasterUserPassword')
        if (password) void runStatements(embedded.postgres, `alter role plain password '${password}'`)
        return undefined
      }
      const hosts = ['shop.aaaaaaaaaa.eu-west-1.rds.amazonaws.com', await writerOf(rds, 'shop')]
      for (const [n, host] of hosts.entries()) {
        const known = { engine: 'postgres', host, port, username: 'plain', password: 'first', ssl: false }
        const id = `of a master ${n}`
        const Tags = [{ Key: 'keyturn:strategy', Value: 'master' }]
        await embedded.secrets.send(
          new CreateSecretCommand({ Name: id, SecretString: JSON.stringify(known), Tags }),
        )
        await runStatements(embedded.postgres, "alter role plain password 'first'")
        const [first, second] = [randomUUID(), randomUUID()]
        const rotation = await call('CreateSecret', first, { store: 'secrets-manager', id })
        for (const state of ['SetSecret', 'TestSecret', 'FinishSecret'] as const)
          await call(state, first, rotation)
        const failing = await call('CreateSecret', second, { store: 'secrets-manager', id })
        await call('SetSecret', second, failing)
        await call('RollbackSecret', second, failing)
      }
      vi.restoreAllMocks()

      for (const name of new Set([...functionsOfRotate.values(), 'rotateSecret', 'checkCredential'])) {
        const of = (wanted: string) => allowed(name, ({ Sid }) => Sid === wanted)
        const calls = (wanted: RegExp) =>
          [...(made[name] ?? [])].flatMap(call => wanted.exec(call)?.[1] ?? []).sort()
        expect(calls(/^(rds:D.*)/), name).toEqual(of('Databases'))
        expect(calls(/^(rds:M.*)/), name).toEqual(of('MasterPasswords'))
        expect(calls(/^(.*:DescribeSecret) of a master$/), name).toEqual(of('ManagedMasters'))
      }
    } finally {
      await rds.stop()
      rds = undefined
    }
  },
  120_000,
)

async function writerOf({ client }: RdsServer, DBClusterIdentifier: string): Promise<string> {
  const { DBClusters } = await client.send(new DescribeDBClustersCommand({ DBClusterIdentifier }))
  return `${DBClusters?.[0]?.Endpoint}`
}

/** Plays rotate: takes a second, then fails if the id says so. */
const rotate = {
  StartAt: 'SetSecret',
  States: {
    SetSecret: { Type: 'Wait', Seconds: 1, Next: 'Outcome' },
    Outcome: {
      Type: 'Choice',
      Choices: [
        { Variable: '$.id', StringEquals: 'fails', Next: 'RotationFailed' },
        { Variable: '$.id', StringEquals: 'gone', Next: 'NoAnswer' },
      ],
      Default: 'AnnounceSuccess',
    },
    AnnounceSuccess: { Type: 'Pass', End: true },
    RotationFailed: { Type: 'Fail', Error: 'TestFailed', Cause: 'testSecret: refused' },
    NoAnswer: { Type: 'Fail', Error: 'Unreachable', Cause: 'setSecret: no answer from db' },
  },
}
/** Plays rotate-server: runs on, unless the execution is only needed for its name. */
const server = {
  StartAt: 'IsRecord',
  States: {
    IsRecord: {
      Type: 'Choice',
      Choices: [{ Variable: '$.record', IsPresent: true, Next: 'Recorded' }],
      Default: 'RotateInTurns',
    },
    RotateInTurns: { Type: 'Wait', Seconds: 3, Next: 'Recorded' },
    Recorded: { Type: 'Succeed' },
  },
}
/** Plays a running rotate-due of the last release. */
const run = { StartAt: 'RotateByHost', States: { RotateByHost: { Type: 'Wait', Seconds: 600, End: true } } }
const runs = 'arn:aws:states:eu-west-1:000000000000:stateMachine:rotate-due'

async function createStateMachines(client: CloudFormationClient): Promise<void> {
  const stateMachine = (StateMachineName: string, definition: object) => ({
    Type: 'AWS::StepFunctions::StateMachine',
    Properties: {
      StateMachineName,
      RoleArn: { 'Fn::GetAtt': ['Role', 'Arn'] },
      DefinitionString: JSON.stringify(definition),
    },
  })
  const Statement = [
    { Effect: 'Allow', Principal: { Service: 'states.amazonaws.com' }, Action: 'sts:AssumeRole' },
  ]
  const AssumeRolePolicyDocument = { Version: '2012-10-17', Statement }
  const Resources = {
    Role: { Type: 'AWS::IAM::Role', Properties: { AssumeRolePolicyDocument } },
    Rotate: stateMachine('rotate', rotate),
    RotateServer: stateMachine('rotate-server', server),
    RotateDue: stateMachine('rotate-due', run),
  }
  const create = new CreateStackCommand({
    StackName: 'stand-ins',
    TemplateBody: JSON.stringify({ Resources }),
    Capabilities: ['CAPABILITY_IAM'],
  })
  const { StackId } = await client.send(create)
  const wait = { client, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }
  await waitUntilStackCreateComplete(wait, { StackName: StackId })
}

test.skipIf(!bin)(
  'due rotations: each role of a function of rotate-due allows exactly the calls that it makes',
  async () => {
    made = {}
    const ministack = await startMiniStack(bin ?? '')
    const recorder = await recordCalls(ministack.url, recordedCalls)
    // Credentials that may do everything there.
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' })
    const client = { endpoint: ministack.url }
    const ssm = new SSMClient(client)
    const secrets = new SecretsManagerClient(client)

    const due = { 'keyturn:managed': 'true', 'keyturn:every': '1h' }
    const value = '{"engine":"postgres","host":"db","username":"shop","password":"x"}'
    const list = (tags: Record<string, string>) =>
      Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
    const putParameter = (Name: string, tags: Record<string, string>) =>
      ssm.send(new PutParameterCommand({ Name, Value: value, Type: 'SecureString', Tags: list(tags) }))
    const createSecret = (Name: string, tags: Record<string, string>) =>
      secrets.send(new CreateSecretCommand({ Name, SecretString: value, Tags: list(tags) }))

    try {
      await createStateMachines(new CloudFormationClient(client))
      for (const service of ['DYNAMODB', 'SSM', 'SECRETS_MANAGER', 'SFN', 'RESOURCE_GROUPS_TAGGING_API'])
        process.env[`AWS_ENDPOINT_URL_${service}`] = recorder.url
      Object.assign(process.env, {
        KEYTURN_EXECUTIONS: 'arn:aws:states:eu-west-1:000000000000:execution:rotate',
        KEYTURN_RUNS: runs,
        KEYTURN_ROTATION_FUNCTION: 'arn:aws:lambda:eu-west-1:000000000000:function:rotateSecret',
        KEYTURN_ALARM_TABLE: 'alarms',
        KEYTURN_MAX_ROTATIONS: '40',
        KEYTURN_MAX_ROTATIONS_PER_HOST: '5',
      })
      const ask = (name: FunctionName, event: object) =>
        recorded(name, async () => (await loadHandler(name))(event))

      await putParameter('/shop/due', due)
      await putParameter('/shop/unmanaged', { 'keyturn:every': '1h' })
      await createSecret('shop/due', due)
      await createSecret('shop/unmanaged', { 'keyturn:every': '1h' })
      const look = async (run: string) => {
        vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 86_400_000 })
        const found = (await ask('findDue', { run, overlaps: true })) as RunPlan
        vi.useRealTimers()
        return found
      }
      const rotation = (store: string, id: string) => ({ store, id, token: randomUUID() })
      const first = await look('first')
      expect(first).toMatchObject({ planned: 2, groups: [{ host: 'db:5432' }] })
      const [group] = first.groups
      await ask('rotateServer', { run: 'first', group, caps: first.caps })
      const server = `${group?.server.id}-1`
      for (const execution of [server, 'another-1'])
        expect(await ask('takeSlot', { execution, hosts: 1 })).toBeUndefined()
      // The server does not answer: this is noted, nothing else begins there, and the next run finds the note.
      const gone = { ...rotation('secrets-manager', 'gone'), group: 'first db', server }
      await ask('startRotation', gone)
      expect(await ask('awaitRotation', gone)).toMatchObject({ outcome: 'failed', error: 'Unreachable' })
      const next = { ...rotation('secrets-manager', 'next'), server }
      expect(await ask('startRotation', next)).toMatchObject({ outcome: 'parked' })
      expect(await look('next')).toMatchObject({ groups: [{ server: { last: 1, outage: 'first db' } }] })
      await new SFNClient(client).send(new StartExecutionCommand({ stateMachineArn: runs, name: 'earlier' }))
      expect(await ask('findDue', { run: 'second', overlaps: true })).toMatchObject({
        planned: 0,
        waitsFor: 'earlier',
      })

      // Called by a run, and again after the rotation.
      const [good, bad] = [rotation('secrets-manager', 'shop/due'), rotation('secrets-manager', 'fails')]
      for (const event of [good, bad])
        expect(await ask('startRotation', event)).toMatchObject({ outcome: 'started' })
      expect(await ask('awaitRotation', good)).toMatchObject({ outcome: 'rotated' })
      expect(await ask('awaitRotation', bad)).toMatchObject({ outcome: 'failed', error: 'TestFailed' })
      const again = { ...good, group: 'another run' }
      expect(await ask('startRotation', again)).toMatchObject({ outcome: 'skipped' })
      // Called by an event, which may be late or about any parameter.
      const event = (id: string, at: number) => ({
        ...rotation('parameter-store', id),
        at: new Date(at).toISOString(),
      })
      const later = Date.now() + 1000
      expect(await ask('startRotation', event('/shop/due', later))).toMatchObject({ outcome: 'started' })
      for (const skipped of [
        event('/shop/due', 0),
        event('/shop/unmanaged', later),
        event('/shop/absent', later),
      ])
        expect(await ask('startRotation', skipped)).toMatchObject({ outcome: 'skipped' })

      const results = [{ store: 'secrets-manager', id: 'shop/due', outcome: 'rotated' }]
      expect(await ask('reportRotations', { host: 'db:5432', results })).toMatchObject({ rotated: 1 })

      expect(Object.keys(made)).toHaveLength(6)
      // Lambda sends the dead letters, not the function.
      for (const [name, actions] of Object.entries(made)) {
        const locks = allowed(name, ({ Sid }) => Sid === 'Locks').map(action => `${action} of pending`)
        const others = allowed(name, ({ Sid }) => !['DeadLetters', 'Locks'].includes(`${Sid}`))
        expect([...actions].sort(), name).toEqual([...others, ...locks].sort())
      }
    } finally {
      vi.useRealTimers()
      recorder.stop()
      await ministack.stop()
    }
  },
  120_000,
)
