import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge'
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import {
  DescribeSecretCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  SecretsManagerClient,
  UntagResourceCommand,
} from '@aws-sdk/client-secrets-manager'
import { DescribeExecutionCommand, type DescribeExecutionOutput, SFNClient } from '@aws-sdk/client-sfn'
import { paginateGetParametersByPath, SSMClient } from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { Application, type StoredValue } from '../../local/client/application.ts'
import type { Admin } from '../../local/client/users.ts'
import type { ValueStore } from '../../local/client/valueStores.ts'
import type { PostgresServer } from '../../local/servers/postgres.ts'
import { randomHex } from '../../local/servers/postgresDatabase.ts'
import { type Announcement, type Deployed, findLeaks, startDeployed } from '../../local/stack/deployed.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { copyProject } from '../stack/package.ts'
import { managedRotationAbandonedEvent, managedRotationFailedEvent } from '../support/alarmEvents.ts'

const possible = Boolean(process.env.AWS_ENDPOINT_URL || (await pythonBin()))
/** Only MiniStack is known to enforce roles, and (with this project's changes) to accept events of AWS's services. */
const onlyOnMiniStack = test.skipIf(process.env.AWS_ENDPOINT_URL)

type Run = {
  application: Application
  execution: DescribeExecutionOutput
  /** The stored values before and after a rotation. */
  before: StoredValue
  after: StoredValue
  announced: Announcement[]
}

const steps = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const
const runbookUrl = 'https://wiki.example/runbook'

describe.skipIf(!possible)('deployed on a local AWS', () => {
  let folder: string
  let stack: Deployed
  let secretsManager: SecretsManagerClient
  /** Every execution so far, and those of them that failed. */
  const executions: string[] = []
  const failed: string[] = []
  /** The secret of a rotation that failed under Secrets Manager. */
  let reports: string
  let admin: Admin
  const [, olderServer] = inject('postgres') as [PostgresServer, PostgresServer]
  beforeAll(async () => {
    folder = await copyProject()
    const trust = [olderServer.caFile]
    stack = (await startDeployed({ folder, params: { runbookUrl }, trust })) as Deployed
    secretsManager = new SecretsManagerClient(stack.client)
    admin = await stack.users.makeAdmin('master')
  })
  afterAll(async () => {
    await stack?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const applicationOf = (id: string, shelf: ValueStore = stack.secrets, { caFile } = stack.postgres) =>
    new Application(shelf, id, caFile)

  async function rotate(
    id: string,
    shelf: ValueStore = stack.secrets,
    server = stack.postgres,
  ): Promise<Run> {
    const application = applicationOf(id, shelf, server)
    const before = (await application.read()) as StoredValue
    const execution = await stack.rotate(id, shelf)
    const after = (await application.read()) as StoredValue
    const { executionArn = '', status } = execution
    executions.push(executionArn)
    if (status === 'FAILED') failed.push(executionArn)
    return {
      application,
      execution,
      before,
      after,
      announced: await stack.waitForAnnouncements(executionArn),
    }
  }

  async function expectChanged(application: Application, before: StoredValue): Promise<void> {
    const after = (await application.read()) as StoredValue
    expect(after.password).not.toBe(before.password)
    expect(await application.canLogIn(after)).toBe(true)
    expect(await application.canLogIn(before)).toBe(false)
  }

  async function expectUnharmed(application: Application, before: StoredValue): Promise<void> {
    expect(await application.read()).toEqual(before)
    expect(await application.canLogIn(before)).toBe(true)
    expect(await application.read('pending')).toBeUndefined()
  }

  async function expectRotated({ application, execution, before, announced }: Run): Promise<void> {
    expect(execution.status).toBe('SUCCEEDED')
    await expectChanged(application, before)
    expect(announced).toMatchObject([
      { 'detail-type': 'Credential Rotated', detail: { user: before.username } },
    ])
  }

  async function expectRolledBack({ application, execution, before, announced }: Run): Promise<void> {
    expect(execution.status).toBe('FAILED')
    await expectUnharmed(application, before)
    expect(announced).toMatchObject([
      { 'detail-type': 'Credential Rotation Failed', detail: { severity: 'error' } },
    ])
  }

  /** @returns the names of the parameters that Keyturn keeps beside a parameter */
  async function beside(parameter: string): Promise<string[]> {
    const client = new SSMClient(stack.client)
    const pages = paginateGetParametersByPath({ client }, { Path: `/keyturn/pending${parameter}` })
    const found = await Array.fromAsync(pages)
    return found.flatMap(({ Parameters = [] }) => Parameters.map(({ Name = '' }) => Name))
  }

  describe.each(['secrets', 'parameters'] as const)('%s', kept => {
    const enrol = (user: string, options: object = {}) =>
      stack.users.enrol(`${user}_${kept}`, { ...options, valueStore: stack[kept] })

    test('single-user rotates three times', async () => {
      const id = await enrol('shop')
      for (const _ of [1, 2, 3]) await expectRotated(await rotate(id, stack[kept]))
      if (kept === 'parameters') expect(await beside(id)).toEqual([])
    })

    test('alternating-users rotates to the clone and back, and locks the replaced user', async () => {
      const id = await enrol('billing', { admin, tags: { 'keyturn:grace': '1s' } })
      for (const user of [`billing_${kept}_clone`, `billing_${kept}`]) {
        const run = await rotate(id, stack[kept])
        await expectRotated(run)
        expect(run.after.username).toBe(user)
        expect(JSON.parse(run.execution.output ?? '')).toMatchObject({ retirement: { outcome: 'retired' } })
      }
      if (kept === 'parameters') expect(await beside(id)).toEqual([])
    })

    test('temporary-clone moves the application to a clone and, in an execution of its own, back', async () => {
      const tags = { 'keyturn:strategy': 'temporary-clone', 'keyturn:grace': '1s' }
      const id = await enrol('ledger', { admin, tags })
      const { application, execution, before, after: onClone } = await rotate(id, stack[kept])
      expect(execution.status).toBe('SUCCEEDED')
      expect(onClone.username).toBe(`ledger_${kept}_clone`)
      const { movedBack } = JSON.parse(execution.output ?? '')
      const back = await stack.waitForEnd(movedBack.ExecutionArn)
      executions.push(movedBack.ExecutionArn)
      expect(back.status).toBe('SUCCEEDED')
      const after = (await application.read()) as StoredValue
      expect(after.username).toBe(before.username)
      const accepted = [before, onClone, after].map(value => application.canLogIn(value))
      expect(await Promise.all(accepted)).toEqual([false, false, true])
      expect(await stack.waitForAnnouncements(movedBack.ExecutionArn)).toMatchObject([
        {
          'detail-type': 'Credential Rotated',
          detail: { user: onClone.username, nextUser: before.username },
        },
      ])
    })

    test('a rotation whose test fails, after the password was changed, is rolled back, and an alarm says so', async () => {
      const id = await enrol('orders', { failsOnceChanged: true })
      const run = await rotate(id, stack[kept])
      await expectRolledBack(run)
      const { executionArn = '', name, error, cause } = run.execution
      // Without local/stack/mended/errors.py, MiniStack names every error Runtime.HandlerError.
      expect(error).toBe('TestFailed')
      expect(cause).toContain('testSecret: the test query failed')
      expect(run.announced[0]?.detail).toMatchObject({ rotation: { rollback: { outcome: 'restored' } } })
      // The value is kept for a day, in case a step still runs: docs/parameter-store.md.
      if (kept === 'parameters') expect(await beside(id)).toEqual([`/keyturn/pending${id}/${name}`])

      const [alarm] = await stack.waitForAlarms(executionArn)
      expect(alarm?.Subject).toMatch(
        kept === 'secrets'
          ? /^ERROR TestFailed: rotation of secret local-\w+\/orders_\w+ failed$/
          : /^ERROR TestFailed: rotation of parameter \/local-\w+\/orders_\w+ failed$/,
      )
      for (const line of [
        /^Cause: +testSecret: the test query failed: .+$/m,
        /^Rollback: +restored$/m,
        /^Runbook: +https:\/\/wiki.example\/runbook#testfailed$/m,
      ])
        expect(alarm?.Message).toMatch(line)
    })
  })

  test('a rotation whose test query never succeeds ends before any change', async () => {
    const tags = { 'keyturn:test-query': 'TABLE no_such_table' }
    const run = await rotate(await stack.users.enrol('parcels', { tags }))
    await expectRolledBack(run)
    const { executionArn = '', error, cause } = run.execution
    expect([error, cause]).toEqual(['TestFailed', expect.stringContaining('testSecret: in the rehearsal')])
    expect(run.announced[0]?.detail).toMatchObject({ rotation: { rollback: { outcome: 'intact' } } })
    const history = (await stack.collectWrittenTexts()).get(executionArn)
    expect(history).toContain('DiscardSecret')
    expect(history).not.toContain('SetSecret')
  })

  test('a user on another server, of another PostgreSQL version, rotates too', async () => {
    const users = await stack.usersOf(olderServer)
    await expectRotated(await rotate(await users.enrol(`archive_${randomHex()}`), stack.secrets, olderServer))
  })

  test('the value that a dead rotation left pending is rolled back first', async () => {
    const id = await stack.users.enrol('ledger')
    const left = await applicationOf(id).read()
    await secretsManager.send(
      new PutSecretValueCommand({
        SecretId: id,
        ClientRequestToken: randomUUID(),
        SecretString: JSON.stringify({ ...left, engine: 'postgres', password: randomUUID() }),
        VersionStages: ['AWSPENDING'],
      }),
    )
    const run = await rotate(id)
    await expectRotated(run)
    // The state machine catches the error by its name, RotationAbandoned.
    const history = (await stack.collectWrittenTexts()).get(run.execution.executionArn ?? '')
    expect(history).toContain('RollbackAbandoned')
  })

  onlyOnMiniStack.each(['secrets', 'parameters'] as const)(
    '%s that are not tagged as managed cannot be rotated',
    async kept => {
      const id = await stack.users.enrol(`foreign_${kept}`, {
        tags: { 'keyturn:managed': 'false' },
        valueStore: stack[kept],
      })
      const run = await rotate(id, stack[kept])
      await expectRolledBack(run)
      expect(run.execution.error).toBe('NotPermitted')
      const one = { secrets: 'secret', parameters: 'parameter' }[kept]
      expect(run.execution.cause).toContain(`check the name, and tag the ${one} keyturn:managed=true`)
    },
  )

  describe('called by Secrets Manager', () => {
    /** Makes a secret that this stack may rotate only because rotateSecret is its rotation function. */
    async function enrol(user: string, failsOnceChanged = false): Promise<string> {
      const tags = { 'keyturn:managed': 'false' }
      const SecretId = await stack.users.enrol(user, { tags, failsOnceChanged })
      const RotationLambdaARN = await stack.readOutput('RotateSecretFunctionArn')
      await secretsManager.send(
        new RotateSecretCommand({ SecretId, RotationLambdaARN, RotateImmediately: false }),
      )
      // While the service tests the function, a version without a value is pending.
      const stages = async () =>
        Object.values(
          (await secretsManager.send(new DescribeSecretCommand({ SecretId }))).VersionIdsToStages ?? {},
        )
      await expect.poll(stages, { timeout: 40_000 }).toEqual([['AWSCURRENT']])
      return SecretId
    }

    /** Calls the steps in order until one fails, as one try of the service does. */
    async function attempt(SecretId: string, token: string): Promise<{ passed: string[]; error?: object }> {
      const lambda = new LambdaClient(stack.client)
      const FunctionName = await stack.readOutput('RotateSecretFunctionArn')
      const passed: string[] = []
      for (const Step of steps) {
        const Payload = JSON.stringify({ Step, SecretId, ClientRequestToken: token })
        const answer = await lambda.send(new InvokeCommand({ FunctionName, Payload }))
        if (answer.FunctionError)
          return { passed, error: JSON.parse(answer.Payload?.transformToString() ?? '') }
        passed.push(Step)
      }
      return { passed }
    }

    async function execution(name: string): Promise<DescribeExecutionOutput> {
      const executionArn = `${stack.stateMachineArn.replace(':stateMachine:', ':execution:')}:${name}`
      return new SFNClient(stack.client).send(new DescribeExecutionCommand({ executionArn }))
    }

    const stagesOf = async (SecretId: string, token: string) =>
      (await secretsManager.send(new DescribeSecretCommand({ SecretId }))).VersionIdsToStages?.[token]

    onlyOnMiniStack('rotateSecret answers the four steps by one execution', async () => {
      const [id, token] = [await enrol('scheduled'), randomUUID()]
      const application = applicationOf(id)
      const before = (await application.read()) as StoredValue
      expect(await attempt(id, token)).toEqual({ passed: steps })
      await expectChanged(application, before)
      expect(await stagesOf(id, token)).toContain('AWSCURRENT')
    })

    onlyOnMiniStack(
      'it fails with the error of the execution, and is tried again under the same token',
      async () => {
        const [id, token] = [await enrol('reports', true), randomUUID()]
        reports = id
        const application = applicationOf(id)
        const before = (await application.read()) as StoredValue
        expect(await attempt(id, token)).toEqual({
          passed: ['createSecret', 'setSecret'],
          error: {
            errorType: 'TestFailed',
            errorMessage: expect.stringContaining('testSecret: the test query failed'),
          },
        })
        await expectUnharmed(application, before)
        const first = await execution(token)
        expect(first).toMatchObject({ status: 'FAILED', error: 'TestFailed' })
        failed.push(first.executionArn ?? '')

        await secretsManager.send(new UntagResourceCommand({ SecretId: id, TagKeys: ['keyturn:test-query'] }))
        expect(await attempt(id, token)).toEqual({ passed: steps })
        await expectChanged(application, before)
        expect(await stagesOf(id, token)).toContain('AWSCURRENT')
        expect(await execution(`${token}-2`)).toMatchObject({ input: expect.stringContaining(token) })
      },
    )
  })

  // The last four tests read all that the others left behind.
  test('each rotation was announced once', async () => {
    await stack.collectWrittenTexts()
    for (const execution of executions) expect(await stack.waitForAnnouncements(execution)).toHaveLength(1)
  })

  /** Waits until raiseAlarm has handled so many events of a failure. @returns what it did about each */
  async function taken(key: string, count: number): Promise<string[]> {
    const messages = async () =>
      (await stack.functionLogLines('raiseAlarm'))
        .filter(line => line.includes(JSON.stringify(key)))
        .map(line => JSON.parse(line).message)
    await expect.poll(messages, { timeout: 40_000, interval: 500 }).toHaveLength(count)
    return messages()
  }

  onlyOnMiniStack('what Secrets Manager reports is told, unless the execution told it', async () => {
    const reported = (
      event: typeof managedRotationFailedEvent | typeof managedRotationAbandonedEvent,
      detail: object,
    ) => ({
      Source: event.source,
      DetailType: event['detail-type'],
      Detail: JSON.stringify({ ...event.detail, ...detail }),
    })
    const [one, other] = [`one/${randomUUID()}`, `other/${randomUUID()}`]
    const arnOf = (name: string) => `arn:aws:secretsmanager:us-east-1:000000000000:secret:${name}-AbCdEf`
    const { FailedEntryCount } = await new EventBridgeClient(stack.client).send(
      new PutEventsCommand({
        Entries: [
          reported(managedRotationFailedEvent, { additionalEventData: { SecretId: arnOf(one) } }),
          reported(managedRotationAbandonedEvent, { serviceEventDetails: { secretId: arnOf(other) } }),
          reported(managedRotationFailedEvent, { additionalEventData: { SecretId: reports } }),
        ],
      }),
    )
    expect(FailedEntryCount).toBe(0)
    for (const secret of [one, other])
      expect(await taken(`secret secrets-manager ${secret}`, 1)).toEqual(['told'])
    // Both the execution and Step Functions have reported this failure.
    const name = /secret:(.+)-\w{6}$/.exec(reports)?.[1]
    expect(await taken(`secret secrets-manager ${name}`, 1)).toEqual(['had been told'])
    await stack.collectWrittenTexts()
    // The second try succeeded, which ends the alarm of the first. That event comes by another queue, maybe later.
    const subjects = (await stack.waitForAlarms(`${name}`, 2)).map(({ Subject }) => Subject)
    expect(subjects.sort()).toEqual([
      `ERROR TestFailed: rotation of secret ${name} failed`,
      `OK: secret ${name} was rotated`,
    ])
    for (const [secret, event] of [
      [one, 'RotationFailed'],
      [other, 'RotationAbandoned'],
    ] as const) {
      const [alarm, ...more] = await stack.waitForAlarms(secret)
      expect(more).toEqual([])
      expect(alarm?.Subject).toBe(`ERROR ${event}: rotation of secret ${secret} failed`)
      expect(alarm?.Message).toMatch(/^Runbook: +https:\/\/wiki.example\/runbook#managed-rotation-failed$/m)
    }
  })

  test('each failed rotation raised one alarm, although both the execution and Step Functions reported it', async () => {
    expect(failed.length).toBeGreaterThanOrEqual(2)
    for (const execution of failed) {
      const name = execution.split(':').at(-1)
      expect((await taken(`execution ${name}`, 2)).sort()).toEqual(['had been told', 'told'])
    }
    await stack.collectWrittenTexts()
    for (const execution of failed) {
      const own = new RegExp(`^Execution: +${execution}$`, 'm')
      const about = (await stack.waitForAlarms(execution)).filter(({ Message }) => own.test(Message))
      expect(about).toHaveLength(1)
    }
  })

  test('no password is in an execution history, a log, an event or an alarm', async () => {
    const written = await stack.collectWrittenTexts()
    const text = [...written.values()].join()
    // These texts are found, which shows that the search works.
    for (const found of [
      'shop_secrets',
      'billing_parameters_clone',
      'orders_secrets',
      'CredentialRotated',
      'RotationRolledBack',
      'What to do:',
    ])
      expect(text).toContain(found)
    expect((await stack.collectPasswords()).length).toBeGreaterThanOrEqual(20)
    expect(await findLeaks(stack)).toEqual([])
  })
})
