import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { PutSecretValueCommand } from '@aws-sdk/client-secrets-manager'
import type { DescribeExecutionOutput } from '@aws-sdk/client-sfn'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Application, type Value } from '../../local/application.ts'
import { type Announcement, type Deployed, leaks, startDeployed } from '../../local/deployed.ts'
import { pythonBin } from '../../local/python.ts'
import type { Admin } from '../../local/users.ts'
import { copyProject } from '../stack/package.ts'

const possible = Boolean(process.env.AWS_ENDPOINT_URL || (await pythonBin()))

type Run = {
  execution: DescribeExecutionOutput
  /** The secret before and after. */
  before: Value
  after: Value
  announced: Announcement[]
}

describe.skipIf(!possible)('deployed on a local AWS', () => {
  let folder: string
  let stack: Deployed
  /** Every execution so far. */
  const executions: string[] = []
  let admin: Admin
  beforeAll(async () => {
    folder = await copyProject()
    stack = (await startDeployed(folder)) as Deployed
    admin = await stack.users.makeAdmin('master')
  })
  afterAll(async () => {
    await stack?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const application = (secret: string) => new Application(stack.secrets, secret, stack.postgres.caFile)

  async function rotate(secret: string): Promise<Run> {
    const before = (await application(secret).read()) as Value
    const execution = await stack.rotate(secret)
    const after = (await application(secret).read()) as Value
    const { executionArn = '' } = execution
    executions.push(executionArn)
    return { execution, before, after, announced: await stack.announced(executionArn) }
  }

  async function expectRotated(secret: string, { execution, before, after, announced }: Run): Promise<void> {
    expect(execution.status).toBe('SUCCEEDED')
    expect(after.password).not.toBe(before.password)
    expect(await application(secret).accepts(after)).toBe(true)
    expect(await application(secret).accepts(before)).toBe(false)
    expect(announced).toMatchObject([
      { 'detail-type': 'Credential Rotated', detail: { user: before.username } },
    ])
  }

  async function expectRolledBack(
    secret: string,
    { execution, before, after, announced }: Run,
  ): Promise<void> {
    expect(execution.status).toBe('FAILED')
    expect(after).toEqual(before)
    expect(await application(secret).accepts(after)).toBe(true)
    expect(await application(secret).read('AWSPENDING')).toBeUndefined()
    expect(announced).toMatchObject([
      { 'detail-type': 'Credential Rotation Failed', detail: { severity: 'error' } },
    ])
  }

  test('single-user rotates, again and again', async () => {
    const secret = await stack.users.enrol('shop')
    for (const _ of [1, 2, 3]) await expectRotated(secret, await rotate(secret))
  })

  test('alternating-users rotates there and back, and locks the user that it left', async () => {
    const secret = await stack.users.enrol('billing', { admin, tags: { 'keyturn:grace': '1s' } })
    for (const user of ['billing_clone', 'billing']) {
      const run = await rotate(secret)
      await expectRotated(secret, run)
      expect(run.after.username).toBe(user)
      expect(JSON.parse(run.execution.output ?? '')).toMatchObject({ retirement: { outcome: 'retired' } })
    }
  })

  test('a rotation whose test fails, after the password was changed, is rolled back', async () => {
    const secret = await stack.users.enrol('orders', {
      tags: { 'keyturn:test-query': 'table no_such_table' },
    })
    const run = await rotate(secret)
    await expectRolledBack(secret, run)
    // MiniStack by itself calls every error Runtime.HandlerError: local/mended_ministack.py.
    expect(run.execution.error).toBe('TestFailed')
    expect(run.execution.cause).toContain('testSecret: the test query failed')
    expect(run.announced[0]?.detail).toMatchObject({ rotation: { rollback: { outcome: 'restored' } } })
  })

  test('what a dead rotation left pending is rolled back first', async () => {
    const secret = await stack.users.enrol('ledger')
    const left = (await application(secret).read()) as Value
    await stack.secrets.send(
      new PutSecretValueCommand({
        SecretId: secret,
        ClientRequestToken: randomUUID(),
        SecretString: JSON.stringify({ ...left, engine: 'postgres', password: randomUUID() }),
        VersionStages: ['AWSPENDING'],
      }),
    )
    const run = await rotate(secret)
    await expectRotated(secret, run)
    // Caught by its name, RotationAbandoned.
    const history = (await stack.written()).get(run.execution.executionArn ?? '')
    expect(history).toContain('RollbackAbandoned')
  })

  // Only MiniStack is known to enforce the roles.
  test.skipIf(process.env.AWS_ENDPOINT_URL)(
    'a secret that is not tagged as managed is out of reach',
    async () => {
      const secret = await stack.users.enrol('foreign', { tags: { 'keyturn:managed': 'false' } })
      const run = await rotate(secret)
      await expectRolledBack(secret, run)
      expect(run.execution.error).toBe('NotPermitted')
    },
  )

  // The last two look at all that the others left behind.
  test('each rotation was announced once', async () => {
    await stack.written()
    for (const execution of executions) expect(await stack.announced(execution)).toHaveLength(1)
  })

  test('no password is in an execution history, a log or an event', async () => {
    const written = await stack.written()
    const text = [...written.values()].join()
    // It is no empty search: each of these is in one of them.
    for (const found of ['shop', 'billing_clone', 'orders', 'CredentialRotated', 'RotationRolledBack'])
      expect(text).toContain(found)
    expect((await stack.passwords()).length).toBeGreaterThanOrEqual(9)
    expect(await leaks(stack)).toEqual([])
  })
})
