import { SSMClient } from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Application, type StoredValue } from '../../local/client/application.ts'
import { Users } from '../../local/client/users.ts'
import { ParameterValueStore } from '../../local/client/valueStores.ts'
import { type Embedded, loadHandler, startEmbedded } from '../../local/embedded/embedded.ts'
import { runExecution } from '../../local/embedded/stateMachine.ts'
import { type PostgresServer, startPostgres } from '../../local/servers/postgres.ts'
import type { Alarm } from '../../local/stack/deployed.ts'
import { type MiniStack, startMiniStack } from '../../local/stack/ministack.ts'
import { pythonBin } from '../../local/stack/python.ts'
import type { Queue } from '../../local/stack/queue.ts'
import { alarmBusTasks, ConcurrencyCounter, openAlarms } from '../support/alarms.ts'

const bin = await pythonBin()
const caps = { inAll: 12, perHost: 4 }
const account = 'us-east-1:000000000000'

describe.skipIf(!bin)('200 parameters due at once, on five database servers, one of them down', () => {
  let embedded: Embedded
  let ministack: MiniStack
  let servers: (PostgresServer & { stop(): Promise<void> })[]
  let shelf: ParameterValueStore
  let alarms: Queue<Alarm>
  /** The parameters by server; the first server is down. */
  const ids: string[][] = []
  const before = new Map<string, StoredValue>()
  const atOnce = new ConcurrencyCounter()
  let execution: Awaited<ReturnType<typeof runExecution>>

  beforeAll(async () => {
    servers = await Promise.all([1, 2, 3, 4, 5].map(() => startPostgres()))
    ;[embedded, ministack] = await Promise.all([
      startEmbedded({ trust: servers.map(({ caFile }) => caFile) }),
      startMiniStack(bin ?? ''),
    ])
    Object.assign(process.env, {
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_ENDPOINT_URL: ministack.url,
      AWS_ENDPOINT_URL_SECRETS_MANAGER: ministack.url,
      KEYTURN_RUNS: `arn:aws:states:${account}:stateMachine:keyturn-local-rotate-due`,
      KEYTURN_ROTATION_FUNCTION: `arn:aws:lambda:${account}:function:keyturn-local-rotateSecret`,
      KEYTURN_MAX_ROTATIONS: `${caps.inAll}`,
      KEYTURN_MAX_ROTATIONS_PER_HOST: `${caps.perHost}`,
      KEYTURN_ALARM_TOPIC: `arn:aws:sns:${account}:alarms`,
      KEYTURN_ALARM_TABLE: 'alarms',
      KEYTURN_RUNBOOK: 'docs/runbook.md',
      KEYTURN_STAGE: 'prod',
      KEYTURN_WEBHOOK_PARAMETER: '',
    })
    shelf = new ParameterValueStore(new SSMClient())
    alarms = await openAlarms()
    for (const [n, server] of servers.entries()) {
      await using users = await Users.connect(server, shelf, 'many/')
      const tags = { 'keyturn:every': '1d' }
      const some: string[] = []
      for (let i = 0; i < 40; i++) some.push(await users.enrol(`app_${n}_${i}`, { valueStore: shelf, tags }))
      ids.push(some)
    }
    for (const id of ids.flat()) before.set(id, await read(id))
    await servers[0]?.stop()
    execution = await run()
  }, 300_000)
  afterAll(async () => {
    await embedded?.stop()
    await Promise.all([ministack?.stop(), ...(servers ?? []).slice(1).map(server => server.stop())])
  })

  const application = (id: string) =>
    new Application(shelf, id, servers[ids.findIndex(some => some.includes(id))]?.caFile ?? '')
  const read = async (id: string) => JSON.parse((await shelf.read(id, 'current')) ?? '') as StoredValue

  /** Runs rotate-due a day later, with the real functions and a bus that passes events to raiseAlarm. */
  async function run() {
    const raiseAlarm = await loadHandler('raiseAlarm')
    const findDue = await loadHandler('findDue')
    const startRotation = await loadHandler('startRotation')
    const awaitRotation = await loadHandler('awaitRotation')
    const toTheAlarm: Promise<unknown>[] = []
    const bus = alarmBusTasks(raiseAlarm, toTheAlarm)
    const change = (id: string, by: 1 | -1) => atOnce.count(`${ids.findIndex(some => some.includes(id))}`, by)
    Object.assign(embedded.stepFunctions.tasks, bus, {
      TakeSlot: await loadHandler('takeSlot'),
      StartRotation: async (input: unknown) => {
        const result = (await startRotation(input)) as { outcome: string }
        if (result.outcome === 'started') change((input as { id: string }).id, 1)
        return result
      },
      AwaitRotation: async (input: unknown) => {
        const result = await awaitRotation(input)
        change((input as { id: string }).id, -1)
        return result
      },
      ReportRotations: await loadHandler('reportRotations'),
    })
    const execution = await runExecution(
      'rotate-due',
      {
        ...bus,
        FindDue: async input => {
          vi.setSystemTime(Date.now() + 24 * 3_600_000 + 60_000)
          const due = await findDue(input)
          vi.useRealTimers()
          return due
        },
        RotateServer: await loadHandler('rotateServer'),
      },
      'run-1',
      {},
    )
    await Promise.all(toTheAlarm)
    return execution
  }

  test('160 rotate; on the server that is down, one fails and the others are parked', () => {
    expect(execution.failure).toBeUndefined()
    const { ended } = execution.output as { ended: { reports: { host: string }[] } }
    const counts = (server: number, rotated: number, failed: number, parked: number) => ({
      host: `127.0.0.1:${servers[server]?.port}`,
      rotated,
      failed,
      skipped: 0,
      parked,
    })
    const byHost = (a: { host: string }, b: { host: string }) => (a.host < b.host ? -1 : 1)
    expect(ended.reports.toSorted(byHost)).toEqual(
      [counts(0, 0, 1, 39), ...[1, 2, 3, 4].map(n => counts(n, 40, 0, 0))].toSorted(byHost),
    )
  })

  test('the new passwords are accepted, the old ones are not', async () => {
    for (const id of ids.slice(1).flat()) {
      expect(await application(id).canLogIn(await read(id)), id).toBe(true)
      expect(await application(id).canLogIn(before.get(id) as StoredValue), id).toBe(false)
    }
  }, 120_000)

  test('the failure is Unreachable, and neither the failed parameter nor a parked one has a new value', async () => {
    const results = embedded.stepFunctions.rotateExecutions
      .values()
      .map(({ input, result }) => ({ ...JSON.parse(input), result }))
    const failed = [...results].filter(({ result }) => result?.failure)
    expect(failed.map(({ id }) => id)).toEqual([ids[0]?.[0]])
    for (const { result } of failed) expect(result.failure.error).toBe('Unreachable')
    for (const id of ids[0] ?? []) expect(await read(id)).toEqual(before.get(id))
  })

  test('the rotations stay within the limits, and reach them', () => {
    expect(atOnce.most).toEqual({ inAll: caps.inAll, perHost: caps.perHost })
  })

  test('there are two alarms: the failure at once, and one that names the parked rotations', async () => {
    const all = await alarms.waitForMessages(({ Subject }) => /no answer/.test(Subject))
    const host = `127.0.0.1:${servers[0]?.port}`
    expect(all.length).toBe(1)
    const told = alarms.received.map(({ Subject }) => Subject)
    expect(told.toSorted()).toEqual([
      `ERROR Unreachable: no answer from ${host}, 39 rotations wait`,
      'ERROR Unreachable: rotation of parameter /many/app_0_0 failed',
    ])
    for (const id of ids[0]?.slice(1) ?? []) expect(all[0]?.Message).toContain(`parameter-store ${id}`)
  })

  test('no password is in an alarm or an execution', async () => {
    const written = JSON.stringify([alarms.received, execution, [...embedded.stepFunctions.rotateExecutions]])
    const passwords = (await shelf.allVersions('many/')).map(text => JSON.parse(text).password)
    expect(passwords.length).toBeGreaterThanOrEqual(360)
    expect(written).toContain('app_0_1')
    for (const password of passwords) expect(written).not.toContain(password)
  })
})
