import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { Inventory, type ScheduledCredential } from '../../fleet/inventory.ts'
import { serverIdOf } from '../../fleet/serverLocks.ts'
import type { RunPlan } from '../../functions/findDue.ts'
import { Users } from '../../local/client/users.ts'
import { SecretValueStore } from '../../local/client/valueStores.ts'
import { type Embedded, loadHandler, startEmbedded } from '../../local/embedded/embedded.ts'
import { makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import { arnOf, type Execution, runExecution } from '../../local/embedded/stateMachine.ts'
import type { Alarm } from '../../local/stack/deployed.ts'
import { type MiniStack, startMiniStack } from '../../local/stack/ministack.ts'
import { pythonBin } from '../../local/stack/python.ts'
import type { Queue } from '../../local/stack/queue.ts'
import { alarmBusTasks, ConcurrencyCounter, openAlarms } from '../support/alarms.ts'

const bin = await pythonBin()
const caps = { inAll: 6, perHost: 2 }
const hour = 3_600_000
type Report = { host: string; rotated: number; failed: number; skipped: number; parked: number }

describe.skipIf(!bin)('30 credentials due on three database servers, one of them down', () => {
  let embedded: Embedded
  let ministack: MiniStack
  let alarms: Queue<Alarm>
  /** The servers by the ports that the values name: proxies to one PostgreSQL, of which the first is closed. */
  const doors: { port: number; door: Server }[] = []
  const ids: string[][] = []
  const announced: Promise<unknown>[] = []
  /** When each current version was made: an hour and a half ago at first. */
  const since = new Map<string, Date>()
  const rotated = new Set<string>()
  const started: string[] = []
  const atOnce = new ConcurrencyCounter()

  beforeAll(async () => {
    ;[embedded, ministack] = await Promise.all([startEmbedded(), startMiniStack(bin ?? '')])
    const account = 'us-east-1:000000000000'
    for (const service of ['SNS', 'SQS', 'DYNAMODB'])
      process.env[`AWS_ENDPOINT_URL_${service}`] = ministack.url
    Object.assign(process.env, {
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      KEYTURN_RUNS: arnOf('states', 'stateMachine:keyturn-local-rotate-due'),
      KEYTURN_ROTATION_FUNCTION: arnOf('lambda', 'function:keyturn-local-rotateSecret'),
      KEYTURN_MAX_ROTATIONS: `${caps.inAll}`,
      KEYTURN_MAX_ROTATIONS_PER_HOST: `${caps.perHost}`,
      KEYTURN_ALARM_TOPIC: `arn:aws:sns:${account}:alarms`,
      KEYTURN_ALARM_TABLE: 'alarms',
      KEYTURN_RUNBOOK: 'docs/runbook.md',
      KEYTURN_STAGE: 'prod',
      KEYTURN_WEBHOOK_PARAMETER: '',
    })
    alarms = await openAlarms()
    await wire()
    for (const n of [0, 1, 2]) {
      const door = createServer(socket => {
        const inner = connect(embedded.postgres.port, embedded.postgres.host)
        for (const [one, other] of [
          [socket, inner],
          [inner, socket],
        ] as const)
          one.on('error', () => other.destroy()).pipe(other)
      }).listen(0, '127.0.0.1')
      await once(door, 'listening')
      const { port } = door.address() as { port: number }
      doors.push({ port, door })
      await using users = await Users.connect(
        { ...embedded.postgres, port },
        new SecretValueStore(embedded.secrets),
        'down/',
      )
      const some: string[] = []
      for (let i = 0; i < 10; i++) some.push(await users.enrol(`down_${n}_${i}`))
      ids.push(some)
      for (const [i, id] of some.entries()) since.set(id, new Date(Date.now() - 1.5 * hour - (10 - i) * 1000))
    }
    await new Promise(resolve => doors[0]?.door.close(resolve))
    // test/fleet tests the inventory.
    vi.spyOn(Inventory.prototype, 'listScheduled').mockImplementation(async () =>
      [...since].map(([id, since]): ScheduledCredential => {
        const tags = { 'keyturn:managed': 'true', 'keyturn:every': '1h' }
        return { store: 'secrets-manager', id, tags, currentSince: since }
      }),
    )
  }, 300_000)
  afterAll(async () => {
    vi.restoreAllMocks()
    for (const { door } of doors) door.close()
    await Promise.all([embedded?.stop(), ministack?.stop()])
  })
  beforeEach(() => {
    started.length = 0
    announced.length = 0
  })

  /** The real functions, with a bus that passes events to raiseAlarm. */
  async function wire(): Promise<void> {
    const raiseAlarm = await loadHandler('raiseAlarm')
    const [startRotation, awaitRotation] = [
      await loadHandler('startRotation'),
      await loadHandler('awaitRotation'),
    ]
    const change = (id: string, by: 1 | -1) => atOnce.count(id.split('_')[1] ?? '', by)
    Object.assign(embedded.stepFunctions.tasks, alarmBusTasks(raiseAlarm, announced), {
      TakeSlot: await loadHandler('takeSlot'),
      ReportRotations: await loadHandler('reportRotations'),
      async StartRotation(input: { id: string }) {
        const result = (await startRotation(input)) as { outcome: string }
        if (result.outcome !== 'started') return result
        started.push(input.id)
        change(input.id, 1)
        return result
      },
      async AwaitRotation(input: { id: string }) {
        const result = (await awaitRotation(input)) as { outcome: string }
        change(input.id, -1)
        if (result.outcome !== 'rotated') return result
        since.set(input.id, new Date())
        rotated.add(input.id)
        return result
      },
    })
  }

  async function run(name: string): Promise<Report[]> {
    const execution: Execution = await runExecution(
      'rotate-due',
      {
        ...makeEventBusTasks(),
        FindDue: await loadHandler('findDue'),
        RotateServer: await loadHandler('rotateServer'),
      },
      name,
      {},
    )
    await Promise.all(announced)
    expect(execution.failure).toBeUndefined()
    const { ended } = execution.output as RunPlan & { ended?: { reports: Report[] } }
    return ended?.reports ?? []
  }
  const of = (reports: Report[], n: number) =>
    reports.find(({ host }) => host === `127.0.0.1:${doors[n]?.port}`)
  const told = async () => {
    await alarms.receiveAll()
    return alarms.received.map(({ Subject }) => Subject).toSorted()
  }
  const downHost = () => `127.0.0.1:${doors[0]?.port}`

  test('two runs in the same second rotate all on healthy servers once, and try one on the server that is down', async () => {
    const [one, other] = await Promise.all([run('run-1'), run('run-2')])
    for (const n of [1, 2]) {
      const both = [of(one ?? [], n), of(other ?? [], n)]
      expect(both.reduce((sum, report) => sum + (report?.rotated ?? 0), 0)).toBe(10)
      for (const id of ids[n] ?? []) expect(rotated).toContain(id)
    }
    expect(started.toSorted()).toEqual([...(ids[1] ?? []), ...(ids[2] ?? []), ids[0]?.[0]].toSorted())
    const down = [of(one ?? [], 0), of(other ?? [], 0)]
    expect(down).toContainEqual(expect.objectContaining({ rotated: 0, failed: 1, skipped: 0, parked: 9 }))
    expect(down).toContainEqual(expect.objectContaining({ rotated: 0, failed: 0, skipped: 10, parked: 0 }))
  }, 120_000)

  test('the two runs together stay within both limits, and reach them', () => {
    expect(atOnce.most).toEqual({ inAll: expect.any(Number), perHost: caps.perHost })
    expect(atOnce.most.inAll).toBeLessThanOrEqual(caps.inAll)
    expect(atOnce.most.inAll).toBeGreaterThan(caps.perHost)
  })

  const alarm = () => [
    `ERROR Unreachable: no answer from ${downHost()}, 9 rotations wait`,
    'ERROR Unreachable: rotation of secret down/down_0_0 failed',
  ]

  test('there is one alarm for the failure, and one for the parked rotations', async () => {
    expect(await told()).toEqual(alarm())
  })

  test('each of the next runs tries another credential of that server, without an alarm', async () => {
    for (const n of [1, 2]) {
      started.length = 0
      const reports = await run(`run-${n + 2}`)
      expect(started).toEqual([ids[0]?.[n]])
      expect(reports).toEqual([{ host: downHost(), rotated: 0, failed: 1, skipped: 0, parked: 9 - n }])
    }
    expect(await told()).toEqual(alarm())
  }, 120_000)

  test('once the server answers again, one run rotates all that was parked', async () => {
    doors[0]?.door.listen(doors[0].port, '127.0.0.1')
    const reports = await run('run-5')
    expect(reports).toEqual([{ host: downHost(), rotated: 7, failed: 0, skipped: 0, parked: 0 }])
    expect(started.toSorted()).toEqual(ids[0]?.slice(3).toSorted())
    const last = [...embedded.stepFunctions.rotateServerExecutions.keys()].filter(name =>
      name.startsWith(serverIdOf(downHost())),
    )
    expect(last.at(-1)).not.toMatch(/-down$/)
    expect(await run('run-6')).toEqual([])
  }, 120_000)
})
