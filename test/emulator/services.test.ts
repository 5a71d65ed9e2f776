import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge'
import {
  CancelRotateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  type DescribeSecretResponse,
  GetSecretValueCommand,
  PutSecretValueCommand,
  paginateListSecrets,
  RotateSecretCommand,
  type RotateSecretRequest,
  SecretsManagerClient,
  UntagResourceCommand,
} from '@aws-sdk/client-secrets-manager'
import { DescribeExecutionCommand, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn'
import { SQSClient } from '@aws-sdk/client-sqs'
import {
  GetParameterCommand,
  GetParameterHistoryCommand,
  type GetParameterRequest,
  GetParametersByPathCommand,
  GetParametersCommand,
  LabelParameterVersionCommand,
  PutParameterCommand,
  SSMClient,
} from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Application, type StoredValue } from '../../local/client/application.ts'
import { ParameterValueStore } from '../../local/client/valueStores.ts'
import { type Deployed, findLeaks, startDeployed } from '../../local/stack/deployed.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { Queue } from '../../local/stack/queue.ts'
import { commandEnvironment, runCommand } from '../cli/account.ts'
import { copyProject } from '../stack/package.ts'
import { type Credentials, credentialsIn, personWith } from './person.ts'

const bin = process.env.AWS_ENDPOINT_URL ? undefined : await pythonBin()

/** These services behave as on AWS through local/stack/mended/, which changes MiniStack. No other local AWS is known to. */
describe.skipIf(!bin)("AWS's services around the stack", () => {
  let folder: string
  let stack: Deployed
  let secretsManager: SecretsManagerClient
  let rotateSecret: string
  beforeAll(async () => {
    folder = await copyProject()
    stack = (await startDeployed({ folder, deployer: deployerIn })) as Deployed
    secretsManager = new SecretsManagerClient(stack.client)
    rotateSecret = await stack.readOutput('RotateSecretFunctionArn')
  })
  /** A user who may only deploy, by the policies of `keyturn policy`, and who deploys and removes everything here. */
  async function deployerIn(env: Record<string, string>): Promise<Credentials> {
    const words = ['policy', '--deployer', '--account', '000000000000', '--stage', 'local', '--json']
    const { stdout } = await runCommand(words, commandEnvironment(env.AWS_ENDPOINT_URL ?? '', env))
    const { policies } = JSON.parse(stdout) as { policies: { policy: object }[] }
    deployer = await personWith(
      `${bin}`,
      env,
      policies.map(({ policy }) => policy),
    )
    return deployer
  }
  let deployer: Credentials
  afterAll(async () => {
    await stack?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const applicationOf = (id: string) => new Application(stack.secrets, id, stack.postgres.caFile)

  describe('RotateSecret of Secrets Manager', () => {
    const rules = { ScheduleExpression: 'rate(10 days)' }
    const call = (SecretId: string, more: Partial<RotateSecretRequest> = {}) =>
      secretsManager.send(
        new RotateSecretCommand({ SecretId, RotationLambdaARN: rotateSecret, RotationRules: rules, ...more }),
      )
    const describeSecret = (SecretId: string): Promise<DescribeSecretResponse> =>
      secretsManager.send(new DescribeSecretCommand({ SecretId }))

    /** @returns the version that is pending and not current */
    async function pendingOf(id: string): Promise<string | undefined> {
      const { VersionIdsToStages = {} } = await describeSecret(id)
      const pending = ([, stages]: [string, string[]]) =>
        stages.includes('AWSPENDING') && !stages.includes('AWSCURRENT')
      return Object.entries(VersionIdsToStages).find(pending)?.[0]
    }

    /** Waits until Secrets Manager has ended the rotation. */
    const settled = (id: string) =>
      expect.poll(() => pendingOf(id), { timeout: 60_000, interval: 200 }).toBeUndefined()

    async function read(id: string): Promise<{ application: Application; value: StoredValue }> {
      const application = applicationOf(id)
      return { application, value: (await application.read()) as StoredValue }
    }

    test('changes the password in the database, by four calls of the rotation function', async () => {
      const id = await stack.users.enrol('rotated')
      const { application, value: before } = await read(id)
      for (const _ of [1, 2]) {
        const { value } = await read(id)
        const { VersionId } = await call(id)
        await expect
          .poll(async () => (await describeSecret(id)).VersionIdsToStages?.[`${VersionId}`], {
            timeout: 60_000,
          })
          .toContain('AWSCURRENT')
        const after = await read(id)
        expect(after.value.password).not.toBe(value.password)
        expect(await application.canLogIn(after.value)).toBe(true)
        expect(await application.canLogIn(value)).toBe(false)
      }
      expect(await application.canLogIn(before)).toBe(false)

      await expect.poll(async () => (await describeSecret(id)).LastRotatedDate).toBeDefined()
      const told = await describeSecret(id)
      const { LastRotatedDate, NextRotationDate } = told
      expect(told).toMatchObject({
        RotationEnabled: true,
        RotationLambdaARN: rotateSecret,
        RotationRules: rules,
      })
      expect(Math.abs(Date.now() - Number(LastRotatedDate))).toBeLessThan(60_000)
      expect(Number(NextRotationDate) - Number(LastRotatedDate)).toBe(10 * 86_400_000)
      const pages = await Array.fromAsync(paginateListSecrets({ client: secretsManager }, {}))
      const listed = pages.flatMap(({ SecretList = [] }) => SecretList).find(({ ARN }) => ARN === id)
      expect(listed).toMatchObject({
        RotationEnabled: true,
        RotationLambdaARN: rotateSecret,
        RotationRules: rules,
        LastRotatedDate,
        NextRotationDate,
      })
    })

    test('that fails leaves the old password, and may be called again', async () => {
      const id = await stack.users.enrol('unrotated', { failsOnceChanged: true })
      const { application, value: before } = await read(id)
      const { VersionId } = await call(id)
      await settled(id)
      expect((await read(id)).value).toEqual(before)
      expect(await application.canLogIn(before)).toBe(true)
      expect((await describeSecret(id)).LastRotatedDate).toBeUndefined()
      const executionArn = `${stack.stateMachineArn.replace(':stateMachine:', ':execution:')}:${VersionId}`
      const execution = new SFNClient(stack.client).send(new DescribeExecutionCommand({ executionArn }))
      await expect(execution).resolves.toMatchObject({ status: 'FAILED', error: 'TestFailed' })

      // After the cause has ended, the same token again is the rotation's second try.
      const TagKeys = ['keyturn:test-query']
      await secretsManager.send(new UntagResourceCommand({ SecretId: id, TagKeys }))
      // The call may be repeated: it begins nothing while a try is running, nor after the rotation.
      const password = async () => {
        await call(id, { ClientRequestToken: `${VersionId}` })
        return (await read(id)).value.password
      }
      await expect.poll(password, { timeout: 60_000, interval: 300 }).not.toBe(before.password)
      const { value: after } = await read(id)
      expect(await password()).toBe(after.password)
      expect(await application.canLogIn(after)).toBe(true)
    })

    test('that fails before there is a value leaves nothing pending', async () => {
      const id = await stack.users.enrol('valueless')
      await secretsManager.send(new PutSecretValueCommand({ SecretId: id, SecretString: 'no JSON' }))
      for (const _ of [1, 2]) {
        await call(id)
        await settled(id)
      }
      const get = new GetSecretValueCommand({ SecretId: id })
      expect((await secretsManager.send(get)).SecretString).toBe('no JSON')
      await secretsManager.send(new DeleteSecretCommand({ SecretId: id, ForceDeleteWithoutRecovery: true }))
    })

    test('without RotateImmediately only tests the function, and leaves no version', async () => {
      const id = await stack.users.enrol('tried')
      const { value: before } = await read(id)
      const answer = await call(id, { RotateImmediately: false })
      expect(answer.VersionId).toBeUndefined()
      await settled(id)
      expect((await read(id)).value).toEqual(before)
      const { VersionIdsToStages = {}, RotationEnabled, LastRotatedDate } = await describeSecret(id)
      expect(Object.values(VersionIdsToStages)).toEqual([['AWSCURRENT']])
      expect([RotationEnabled, LastRotatedDate]).toEqual([true, undefined])
      expect((await stack.functionLogLines('rotateSecret')).length).toBeGreaterThan(0)
    })

    test.each([
      [{ AutomaticallyAfterDays: 30 }, 30 * 24],
      [{ ScheduleExpression: 'rate(4 hours)' }, 4],
    ])('computes the next rotation from %o, beginning when that was set', async (RotationRules, hours) => {
      const id = await stack.users.enrol(`next_${hours}`)
      await call(id, { RotateImmediately: false, RotationRules })
      const { NextRotationDate } = await describeSecret(id)
      expect(Math.abs(Number(NextRotationDate) - Date.now() - hours * 3_600_000)).toBeLessThan(10_000)
      await settled(id)
    })

    test('computes the next rotation from a cron expression', async () => {
      const id = await stack.users.enrol('next_cron')
      await call(id, {
        RotateImmediately: false,
        RotationRules: { ScheduleExpression: 'cron(0 4 * * ? *)', Duration: '2h' },
      })
      const { NextRotationDate } = await describeSecret(id)
      expect(NextRotationDate?.toISOString()).toMatch(/T04:00:00.000Z$/)
      expect(Number(NextRotationDate)).toBeGreaterThan(Date.now())
      await settled(id)
    })

    test('is refused while another version is pending, and without a function that it may call', async () => {
      const id = await stack.users.enrol('refused')
      const withoutFunction = call(id, { RotationLambdaARN: undefined })
      await expect(withoutFunction).rejects.toThrow('No Lambda rotation function ARN is associated')
      const createSecret = rotateSecret.replace('rotateSecret', 'createSecret')
      await expect(call(id, { RotationLambdaARN: createSecret })).rejects.toMatchObject({
        name: 'AccessDeniedException',
      })
      expect((await describeSecret(id)).RotationEnabled).toBe(false)
      await secretsManager.send(
        new PutSecretValueCommand({
          SecretId: id,
          ClientRequestToken: randomUUID(),
          SecretString: '{}',
          VersionStages: ['AWSPENDING'],
        }),
      )
      await expect(call(id)).rejects.toMatchObject({
        name: 'InvalidRequestException',
        message: "A previous rotation isn't complete. That rotation will be reattempted.",
      })
    })

    test('CancelRotateSecret turns the schedule off', async () => {
      const id = await stack.users.enrol('cancelled')
      await call(id, { RotateImmediately: false })
      await settled(id)
      await secretsManager.send(new CancelRotateSecretCommand({ SecretId: id }))
      const told = await describeSecret(id)
      expect(told).toMatchObject({ RotationEnabled: false, RotationLambdaARN: rotateSecret })
      expect(told.NextRotationDate).toBeUndefined()
    })
  })

  describe('a secret read through Parameter Store', () => {
    const path = '/aws/reference/secretsmanager/'

    /** Reads a secret by its name through Parameter Store, as an application does. */
    class Referring extends ParameterValueStore {
      override read(name: string, stage: 'current' | 'pending'): Promise<string | undefined> {
        return super.read(`${path}${name}${stage === 'pending' ? ':AWSPENDING' : ''}`, 'current')
      }
    }

    const nameOf = (arn: string) => `${/secret:(.+)-\w{6}$/.exec(arn)?.[1]}`
    const get = (
      Name: string,
      more: Partial<GetParameterRequest> = {},
      client = new SSMClient(stack.client),
    ) => client.send(new GetParameterCommand({ Name, WithDecryption: true, ...more }))

    test('gives an application a value that logs in before and after a rotation', async () => {
      const id = await stack.users.enrol('referred')
      const shelf = new Referring(new SSMClient(stack.client))
      const application = new Application(shelf, nameOf(id), stack.postgres.caFile)
      const before = (await application.read()) as StoredValue
      expect(await application.canLogIn(before)).toBe(true)
      application.start()
      expect((await stack.rotate(id)).status).toBe('SUCCEEDED')
      const after = (await application.read()) as StoredValue
      const { served } = application
      await expect.poll(() => application.served, { timeout: 10_000 }).toBeGreaterThan(served)
      await application.stop()
      expect(after.password).not.toBe(before.password)
      expect(await application.canLogIn(after)).toBe(true)
      expect(await application.canLogIn(before)).toBe(false)
      expect(after).toEqual(await applicationOf(id).read())
    })

    test('answers as AWS does, also for a label and for a version', async () => {
      const id = await stack.users.enrol('labelled')
      const before = await stack.secrets.read(id, 'current')
      await stack.rotate(id)
      const now = await stack.secrets.read(id, 'current')
      const Name = `${path}${nameOf(id)}`
      const { Parameter } = await get(Name)
      expect(Parameter).toMatchObject({ Name, Type: 'SecureString', Value: now, ARN: id })
      const source = JSON.parse(`${Parameter?.SourceResult}`)
      expect(source).toMatchObject({ ARN: id, Name: nameOf(id), SecretString: now })
      expect(source.VersionStages).toContain('AWSCURRENT')
      for (const [selector, Value] of [
        [':AWSPREVIOUS', before],
        [`:${source.VersionId}`, now],
      ])
        expect((await get(`${Name}${selector}`)).Parameter).toMatchObject({ Name, Selector: selector, Value })
      const several = [
        Name,
        `${path}no/such`,
        await stack.users.enrol('plain_one', { valueStore: stack.parameters }),
      ]
      const answer = await new SSMClient(stack.client).send(
        new GetParametersCommand({ Names: several, WithDecryption: true }),
      )
      expect(answer.Parameters?.map(found => found.Name)).toEqual([several[0], several[2]])
      expect(answer.InvalidParameters).toEqual([several[1]])
    })

    test('is refused without decryption, and is no parameter to other calls', async () => {
      const Name = `${path}${nameOf(await stack.users.enrol('limited'))}`
      await expect(get(Name, { WithDecryption: false })).rejects.toMatchObject({
        name: 'ValidationException',
        message: 'WithDecryption flag must be True for retrieving a Secret Manager secret.',
      })
      const client = new SSMClient(stack.client)
      const absent = { name: 'ParameterNotFound' }
      await expect(get(`${path}no/such`)).rejects.toMatchObject(absent)
      await expect(get(`${Name}:no_such_label`)).rejects.toMatchObject(absent)
      await expect(client.send(new GetParameterHistoryCommand({ Name }))).rejects.toMatchObject(absent)
      const label = new LabelParameterVersionCommand({ Name, Labels: ['mine'] })
      await expect(client.send(label)).rejects.toMatchObject(absent)
      const { Parameters } = await client.send(
        new GetParametersByPathCommand({ Path: path, Recursive: true }),
      )
      expect(Parameters).toEqual([])
      const put = new PutParameterCommand({ Name, Value: '{}', Type: 'String' })
      await expect(client.send(put)).rejects.toMatchObject({ name: 'AccessDeniedException' })
    })

    test('needs the permissions of both services', async () => {
      const id = await stack.users.enrol('permitted')
      const Name = `${path}${nameOf(id)}`
      const parameter = { action: 'ssm:GetParameter', resource: `arn:aws:ssm:us-east-1:*:parameter${Name}` }
      const secret = { action: 'secretsmanager:GetSecretValue', resource: id }
      const readAs = async (...allowed: (typeof secret)[]) => get(Name, {}, await clientOf(allowed))
      await expect(readAs(parameter, secret)).resolves.toMatchObject({ Parameter: { Name } })
      for (const [only, missing] of [
        [parameter, secret],
        [secret, parameter],
      ] as const)
        await expect(readAs(only)).rejects.toMatchObject({
          name: 'AccessDeniedException',
          message: expect.stringContaining(missing.action),
        })
    })

    /** @returns a client of a user with only these permissions */
    async function clientOf(allowed: { action: string; resource: string }[]): Promise<SSMClient> {
      const Statement = allowed.map(({ action, resource }) => ({
        Effect: 'Allow',
        Action: action,
        Resource: resource,
      }))
      const policy = { Version: '2012-10-17', Statement }
      const person = await personWith(`${bin}`, stack.env, [policy])
      return new SSMClient({ ...stack.client, credentials: credentialsIn(person) })
    }
  })

  test('Step Functions sends events to the default bus when an execution begins and ends', async () => {
    const events = new EventBridgeClient(stack.client)
    const sqs = new SQSClient({ ...stack.client, useQueueUrlAsEndpoint: false })
    const EventPattern = JSON.stringify({
      source: ['aws.states'],
      'detail-type': ['Step Functions Execution Status Change'],
      detail: { stateMachineArn: [stack.stateMachineArn] },
    })
    const Rule = 'status-changes'
    const { RuleArn = '' } = await events.send(new PutRuleCommand({ Name: Rule, EventPattern }))
    type StatusChange = { resources: string[]; detail: { executionArn: string; status: string } }
    const queue = await Queue.open<StatusChange>(sqs, Rule, RuleArn)
    await events.send(new PutTargetsCommand({ Rule, Targets: [{ Id: 'queue', Arn: queue.arn }] }))

    for (const [user, tags, status] of [
      ['told', {}, 'SUCCEEDED'],
      ['told_of_failure', { 'keyturn:test-query': 'TABLE no_such_table' }, 'FAILED'],
    ] as const) {
      const { executionArn, name, input, startDate, ...ended } = await stack.rotate(
        await stack.users.enrol(user, { tags }),
      )
      const ofIt = ({ detail }: StatusChange) => detail.executionArn === executionArn
      await queue.waitForMessages(event => ofIt(event) && event.detail.status === status)
      const [begun, end, ...more] = queue.received.filter(ofIt)
      expect(more).toEqual([])
      const always = {
        executionArn,
        stateMachineArn: stack.stateMachineArn,
        name,
        input,
        startDate: Number(startDate),
      }
      expect(begun).toMatchObject({
        resources: [executionArn],
        detail: { ...always, status: 'RUNNING', stopDate: null, output: null, error: null },
      })
      const { output = null, error = null, cause = null } = ended
      expect(end?.detail).toMatchObject({
        ...always,
        status,
        stopDate: Number(ended.stopDate),
        output: status === 'FAILED' ? null : output,
        error,
        cause,
      })
    }
  })

  test('no password is in an execution history, a log, an event or an alarm', async () => {
    expect((await stack.collectPasswords()).length).toBeGreaterThanOrEqual(10)
    expect(await findLeaks(stack)).toEqual([])
  })

  // This is the last test, as it removes the stack.
  test('serverless deploy ends with the next commands, and serverless remove checks first', async () => {
    const said = await stack.runServerless('deploy')
    expect(said).toContain(`\n  RotateSecretFunctionArn: ${rotateSecret}\n`)
    expect(said).toContain('npx keyturn rotate secret:<name> --region us-east-1 --stage local')

    const id = await stack.users.enrol('scheduled')
    await secretsManager.send(new RotateSecretCommand({ SecretId: id, RotationLambdaARN: rotateSecret }))
    const theirs = { ...stack.client, credentials: credentialsIn(deployer) }
    for (const refused of [
      new SecretsManagerClient(theirs).send(new GetSecretValueCommand({ SecretId: id })),
      new SFNClient(theirs).send(new StartExecutionCommand({ stateMachineArn: stack.stateMachineArn })),
    ])
      await expect(refused).rejects.toThrow(/not authorized/)
    const refused = await stack.runServerless('remove').then(
      () => expect.fail(),
      (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
    )
    const name = /secret:(.+)-\w{6}$/.exec(id)?.[1]
    expect(refused).toContain(`cancel-rotate-secret --region us-east-1 --secret-id ${name}\n`)
    expect(refused).toContain('Nothing was removed.')
    expect(refused).not.toMatch(/^ +at /m)
    expect(await stack.readOutput('RotateSecretFunctionArn')).toBe(rotateSecret)

    expect(await stack.runServerless('remove', { removeAnyway: 'true' })).toContain(
      `${name} has this stack's`,
    )
    await expect(stack.readOutput('RotateSecretFunctionArn')).rejects.toThrow()
  })
})
