import { readFileSync } from 'node:fs'
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Inventory, type ScheduledCredential } from '../../fleet/inventory.ts'
import type { StoredValue } from '../../local/client/application.ts'
import { type Embedded, loadHandler, startEmbedded } from '../../local/embedded/embedded.ts'
import { makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import { arnOf, runExecution, type Task } from '../../local/embedded/stateMachine.ts'

type Started = { id: string; token: string }

let embedded: Embedded
beforeAll(async () => {
  embedded = await startEmbedded()
  Object.assign(process.env, {
    KEYTURN_RUNS: arnOf('states', 'stateMachine:keyturn-local-rotate-due'),
    KEYTURN_ROTATION_FUNCTION: arnOf('lambda', 'function:keyturn-local-rotateSecret'),
    KEYTURN_MAX_ROTATIONS: '20',
    KEYTURN_MAX_ROTATIONS_PER_HOST: '5',
  })
})
afterAll(() => embedded?.stop())

const value = async (SecretId: string): Promise<StoredValue> => {
  const { SecretString = '' } = await embedded.secrets.send(new GetSecretValueCommand({ SecretId }))
  return JSON.parse(SecretString)
}

async function logsIn({ username: user, password }: StoredValue): Promise<boolean> {
  const { host, port, caFile } = embedded.postgres
  const ssl = { ca: readFileSync(caFile, 'utf8') }
  const client = new pg.Client({ host, port, user, password, database: 'postgres', ssl })
  const connected = await client.connect().then(
    () => true,
    () => false,
  )
  await client.end().catch(() => undefined)
  return connected
}

/** Runs rotate-due with the real functions. @returns when each rotation began and ended */
async function run(name: string, arns: string[]) {
  const tags = { 'keyturn:managed': 'true', 'keyturn:every': '1h' }
  const since = new Date(Date.now() - 1.5 * 3_600_000)
  const due = arns.map(
    (arn): ScheduledCredential => ({ store: 'secrets-manager', id: arn, arn, tags, currentSince: since }),
  )
  // test/fleet tests the inventory.
  vi.spyOn(Inventory.prototype, 'listScheduled').mockResolvedValue(due)
  const order: string[] = []
  const noting =
    (what: string, task: Task): Task =>
    async input => {
      const result = await task(input)
      order.push(`${(input as Started).id} ${what}`)
      return result
    }
  Object.assign(embedded.stepFunctions.tasks, {
    TakeSlot: await loadHandler('takeSlot'),
    StartRotation: noting('started', await loadHandler('startRotation')),
    AwaitRotation: noting('ended', await loadHandler('awaitRotation')),
    ReportRotations: await loadHandler('reportRotations'),
  })
  const tasks = {
    ...makeEventBusTasks(),
    FindDue: await loadHandler('findDue'),
    RotateServer: await loadHandler('rotateServer'),
  }
  const execution = await runExecution('rotate-due', tasks, name, {})
  vi.restoreAllMocks()
  return { execution, order }
}

describe('an admin and four users that name it, due in one run', () => {
  async function enrol(name: string, tags: Record<string, string> = {}) {
    const admin = await embedded.users.makeAdmin(name, tags)
    const users: string[] = []
    for (const n of [1, 2, 3, 4]) users.push(await embedded.users.enrol(`${name}_user_${n}`, { admin }))
    return { admin: admin.arn, users }
  }

  test('rotate, the admin first', async () => {
    const { admin, users } = await enrol('boss')
    const all = [...users.slice(0, 2), admin, ...users.slice(2)]
    const before = await Promise.all(all.map(value))
    const { execution, order } = await run('run-1', all)
    expect(execution.output).toMatchObject({ ended: { reports: [{ rotated: 5, failed: 0, skipped: 0 }] } })
    expect(order.slice(0, 2)).toEqual([`${admin} started`, `${admin} ended`])
    expect(order).toHaveLength(10)
    for (const [i, id] of all.entries()) {
      const after = await value(id)
      expect(after.password).not.toBe(before[i]?.password)
      expect(await logsIn(after)).toBe(true)
    }
    // No user's rotation ran while the admin's password changed.
    const results = [...embedded.stepFunctions.rotateExecutions.values()].map(({ result }) => result)
    expect(results.map(result => result?.tries.SetSecret)).toEqual([1, 1, 1, 1, 1])
  })

  test('rotate, except the admin if its own rotation fails', async () => {
    const { admin, users } = await enrol('ill', { 'keyturn:test-query': 'TABLE absent' })
    const before = await value(admin)
    const { execution, order } = await run('run-2', [...users, admin])
    expect(execution.output).toMatchObject({ ended: { reports: [{ rotated: 4, failed: 1, skipped: 0 }] } })
    expect(order.slice(0, 2)).toEqual([`${admin} started`, `${admin} ended`])
    expect(await value(admin)).toEqual(before)
    for (const id of users) expect(await logsIn(await value(id))).toBe(true)
  })
})
