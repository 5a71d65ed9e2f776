import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge'
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import { GetScheduleCommand, SchedulerClient, UpdateScheduleCommand } from '@aws-sdk/client-scheduler'
import { SecretsManagerClient, TagResourceCommand } from '@aws-sdk/client-secrets-manager'
import {
  DescribeExecutionCommand,
  type DescribeExecutionOutput,
  paginateListExecutions,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn'
import { AddTagsToResourceCommand, SSMClient } from '@aws-sdk/client-ssm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Application, type StoredValue } from '../../local/client/application.ts'
import type { Users } from '../../local/client/users.ts'
import { type PostgresServer, startPostgres } from '../../local/servers/postgres.ts'
import { type Deployed, findLeaks, startDeployed } from '../../local/stack/deployed.ts'
import { pythonBin } from '../../local/stack/python.ts'
import { copyProject } from '../stack/package.ts'

// Only MiniStack is known to accept events of AWS's services, and to have waits that can be shortened.
const possible = !process.env.AWS_ENDPOINT_URL && Boolean(await pythonBin())

describe.skipIf(!possible)('rotate-due, deployed on a local AWS', () => {
  let folder: string
  let stack: Deployed
  let stepFunctions: SFNClient
  /** The state machine that rotates what is due. */
  let rotateDue: string
  /** Two more database servers, of which the second one is stopped. */
  let servers: (PostgresServer & { stop(): Promise<void> })[]
  /** Parameters for the stack's own server, and for those two. */
  const ids: string[][] = []
  let [fresh, wrong] = ['', '']
  /** Secrets for the stack's own server: an admin's, and a user's that names the admin's. */
  let [admin, administered] = ['', '']
  const before = new Map<string, StoredValue>()
  /** The run that the schedule started. */
  let run: DescribeExecutionOutput
  let ssm: SSMClient

  beforeAll(async () => {
    // The waits of the state machine are shortened, so that a server that is down is given up after seconds.
    process.env.SFN_WAIT_SCALE = '0.02'
    folder = await copyProject()
    servers = await Promise.all([startPostgres(), startPostgres()])
    const params = { dueSchedule: 'rate(1 minute)' }
    stack = (await startDeployed({ folder, params, trust: servers.map(({ caFile }) => caFile) })) as Deployed
    stepFunctions = new SFNClient(stack.client)
    ssm = new SSMClient(stack.client)
    rotateDue = await stack.readOutput('RotateDueStateMachineArn')
    await seed()
    await servers[1]?.stop()
    // Otherwise a run could begin when only some of them have their tags.
    await setSchedule('DISABLED')
    // They are then old enough for an interval of a minute.
    await sleep(61_000)
    for (const id of ids.flat()) await schedule(id, '1m')
    for (const id of [admin, administered]) await scheduleSecret(id, '1m')
    await setSchedule('ENABLED')
    run = await firstRun()
  }, 400_000)
  afterAll(async () => {
    await stack?.stop()
    await Promise.all([servers?.[0]?.stop(), rm(folder, { recursive: true, force: true })])
  })

  const enrol = (users: Users, user: string) => users.enrol(user, { valueStore: stack.parameters })

  async function seed(): Promise<void> {
    const [up, down] = await Promise.all(servers.map(server => stack.usersOf(server)))
    if (!up || !down) throw new Error('there are two servers')
    for (const [n, users] of [stack.users, up, down].entries()) {
      const some: string[] = []
      for (let i = 0; i < 3; i++) some.push(await enrol(users, `app_${n}_${i}`))
      ids.push(some)
    }
    await down[Symbol.asyncDispose]()
    fresh = await enrol(stack.users, 'fresh')
    wrong = await enrol(stack.users, 'wrong')
    await schedule(fresh, '1d')
    await schedule(wrong, 'monthly')
    const master = await stack.users.makeAdmin('due_master', { 'keyturn:managed': 'true' })
    admin = master.arn
    administered = await stack.users.enrol('due_user', { admin: master })
    for (const id of [...ids.flat(), fresh]) before.set(id, await read(id))
  }

  async function schedule(ResourceId: string, Value: string): Promise<void> {
    const Tags = [{ Key: 'keyturn:every', Value }]
    await ssm.send(new AddTagsToResourceCommand({ ResourceType: 'Parameter', ResourceId, Tags }))
  }

  async function scheduleSecret(SecretId: string, Value: string): Promise<void> {
    const Tags = [{ Key: 'keyturn:every', Value }]
    await new SecretsManagerClient(stack.client).send(new TagResourceCommand({ SecretId, Tags }))
  }

  async function setSchedule(State: 'ENABLED' | 'DISABLED'): Promise<void> {
    const scheduler = new SchedulerClient(stack.client)
    const found = await scheduler.send(new GetScheduleCommand({ Name: 'keyturn-local-due' }))
    const { Name, ScheduleExpression, FlexibleTimeWindow, Target } = found
    await scheduler.send(
      new UpdateScheduleCommand({ Name, ScheduleExpression, FlexibleTimeWindow, Target, State }),
    )
  }

  async function until<T>(seconds: number, look: () => Promise<T | undefined | false>): Promise<T> {
    for (const end = Date.now() + seconds * 1000; ; await sleep(500)) {
      const found = await look()
      if (found) return found
      if (Date.now() > end) throw new Error('it did not come')
    }
  }

  async function executionsOf(stateMachineArn: string): Promise<DescribeExecutionOutput[]> {
    const pages = await Array.fromAsync(
      paginateListExecutions({ client: stepFunctions }, { stateMachineArn }),
    )
    const executions = pages.flatMap(({ executions = [] }) => executions)
    return Promise.all(
      executions.map(({ executionArn }) =>
        stepFunctions.send(new DescribeExecutionCommand({ executionArn })),
      ),
    )
  }
  /** The name of a secret in a run's report. */
  const secretName = (arn: string) => arn.slice(arn.indexOf(':secret:') + ':secret:'.length, -7)
  const rotationsOf = async (id: string) =>
    (await executionsOf(stack.stateMachineArn)).filter(({ input = '{}' }) => JSON.parse(input).id === id)

  /** Waits for a scheduled run in which something was due, and then disables the schedule, so that tests start later runs. */
  async function firstRun(): Promise<DescribeExecutionOutput> {
    await until(150, async () => (await rotationsOf(ids[0]?.[0] ?? '')).length)
    await setSchedule('DISABLED')
    const [rotation] = await rotationsOf(ids[0]?.[0] ?? '')
    const { group } = JSON.parse(rotation?.input ?? '')
    return until(200, async () =>
      (await executionsOf(rotateDue)).find(
        ({ name = '?', status }) => group.startsWith(name) && status !== 'RUNNING',
      ),
    )
  }

  function application(id: string): Application {
    const server = [stack.postgres, ...servers][
      Math.max(
        0,
        ids.findIndex(some => some.includes(id)),
      )
    ]
    return new Application(stack.parameters, id, server?.caFile ?? '')
  }
  const read = async (id: string) => (await application(id).read()) as StoredValue

  async function expectRotated(id: string): Promise<void> {
    const [old, now] = [before.get(id) as StoredValue, await read(id)]
    expect(now.password).not.toBe(old.password)
    expect(await application(id).canLogIn(now)).toBe(true)
    expect(await application(id).canLogIn(old)).toBe(false)
  }

  test('the schedule rotates what is due, on every server that answers', async () => {
    expect(run.status).toBe('SUCCEEDED')
    const host = (server: PostgresServer | undefined) => `127.0.0.1:${server?.port}`
    const { ended, ...found } = JSON.parse(run.output ?? '')
    expect(found).toMatchObject({ planned: 11, postponed: 0, hosts: 3 })
    expect(ended.reports).toHaveLength(3)
    expect(ended.reports).toEqual(
      expect.arrayContaining([
        { host: host(stack.postgres), rotated: 5, failed: 0, skipped: 0, parked: 0 },
        { host: host(servers[0]), rotated: 3, failed: 0, skipped: 0, parked: 0 },
        { host: host(servers[1]), rotated: 0, failed: 1, skipped: 0, parked: 2 },
      ]),
    )
    for (const id of [ids[0], ids[1]].flat()) await expectRotated(id ?? '')
  })

  test('an admin rotates before the secrets that name it', async () => {
    const { groups } = JSON.parse(run.output ?? '')
    const turns = groups.flatMap(({ turns = [] }: { turns?: object[] }) => turns) as { id: string }[][]
    expect(turns.map(turn => turn.length)).toEqual([1, 4])
    const found = await Promise.all([admin, administered].map(secretName).map(rotationsOf))
    const [first, second] = found.flat()
    expect([first?.status, second?.status]).toEqual(['SUCCEEDED', 'RUNNING'])
    expect(Number(first?.stopDate)).toBeLessThanOrEqual(Number(second?.startDate))
  })

  test('the run skips the rest, with a reason if there is one', async () => {
    expect(await rotationsOf(fresh)).toEqual([])
    expect(await rotationsOf(wrong)).toEqual([])
    expect(JSON.parse(run.output ?? '')).toMatchObject({
      late: { names: expect.arrayContaining([`parameter-store ${wrong}`]) },
      skipped: { count: 1, names: [expect.stringContaining(`${wrong}: keyturn:every: should be`)] },
    })
  })

  test('a server that does not answer raises two alarms: for the failure, and for what is parked', async () => {
    const host = `127.0.0.1:${servers[1]?.port}`
    const about = (text: string) => stack.waitForAlarms(text)
    const subject = `ERROR Unreachable: no answer from ${host}, 2 rotations wait`
    const found = await about(`Host:        ${host}`)
    expect(found).toMatchObject([{ Subject: subject }])
    for (const id of ids[2] ?? []) expect(found[0]?.Message).toContain(`parameter-store ${id}`)
    const failed = (await Promise.all((ids[2] ?? []).map(rotationsOf))).flat()
    expect(failed.map(({ status }) => status)).toEqual(['FAILED'])
    const told = await about(`Execution:   ${failed[0]?.executionArn}`)
    expect(told).toMatchObject([
      {
        Subject: expect.stringMatching(
          /^ERROR Unreachable: rotation of parameter \/local-.*app_2_\d failed$/,
        ),
      },
    ])
  })

  test('the run is announced at its end', async () => {
    expect(await stack.waitForAnnouncements(run.executionArn ?? '')).toContainEqual(
      expect.objectContaining({
        'detail-type': 'Due Rotations Finished',
        detail: expect.objectContaining({ planned: 11, postponed: 0 }),
      }),
    )
  })

  test('the next run skips what has just rotated, and tries another credential on the server that is down', async () => {
    const start = new StartExecutionCommand({ stateMachineArn: rotateDue, name: randomUUID(), input: '{}' })
    for (const id of [ids[0], ids[1]].flat()) await schedule(id ?? '', '1d')
    for (const id of [admin, administered]) await scheduleSecret(id, '1d')
    const { executionArn } = await stepFunctions.send(start)
    const ended = await until(120, async () => {
      const execution = await stepFunctions.send(new DescribeExecutionCommand({ executionArn }))
      return execution.status !== 'RUNNING' && execution
    })
    const { planned, skipped, ended: run } = JSON.parse(ended.output ?? '')
    expect(planned).toBe(2)
    const host = `127.0.0.1:${servers[1]?.port}`
    expect(run.reports).toEqual([{ host, rotated: 0, failed: 1, skipped: 0, parked: 1 }])
    const tried = skipped.names.filter((name: string) => name.includes('it was tried already'))
    expect(tried).toHaveLength(1)
    expect((await Promise.all((ids[2] ?? []).map(rotationsOf))).flat()).toHaveLength(2)
    // This was reported already.
    expect(await stack.waitForAlarms(`Host:        ${host}`)).toHaveLength(1)
  })

  describe("Parameter Store's own event", () => {
    const bus = () => new EventBridgeClient(stack.client)
    const put = async (name: string) => {
      const entry = {
        Source: 'aws.ssm',
        DetailType: 'Parameter Store Policy Action',
        Detail: JSON.stringify({
          'policy-type': 'NoChangeNotification',
          'parameter-name': name,
          'parameter-type': 'SecureString',
          'policy-content': '{}',
          'action-status': 'Success',
          'action-reason': 'The parameter has not been changed for 30 days.',
        }),
      }
      const { Entries } = await bus().send(new PutEventsCommand({ Entries: [entry] }))
      return Entries?.[0]?.EventId ?? ''
    }

    test('starts one rotation although it is sent twice, and the rotation’s own change starts none', async () => {
      const at = new Date().toISOString()
      const event = await put(fresh)
      const [{ executionArn, name, input } = { name: '' }] = await until(60, async () => {
        const found = await rotationsOf(fresh)
        return found[0]?.status === 'SUCCEEDED' && found
      })
      expect(JSON.parse(input ?? '')).toMatchObject({ token: name, event })
      await expectRotated(fresh)
      const rotated = await read(fresh)
      // The bus delivers an event at least once, so the rule may deliver the same event again.
      const { Payload } = await new LambdaClient(stack.client).send(
        new InvokeCommand({
          FunctionName: 'keyturn-local-startRotation',
          Payload: JSON.stringify({
            ...JSON.parse(input ?? ''),
            token: event,
            at,
          }),
        }),
      )
      expect(JSON.parse(Buffer.from(Payload ?? []).toString())).toMatchObject({
        outcome: 'skipped',
        reason: 'it has changed since then',
      })
      await sleep(3_000)
      expect((await rotationsOf(fresh)).map(execution => execution.executionArn)).toEqual([executionArn])
      expect(await read(fresh)).toEqual(rotated)
    })

    test('of a parameter that Keyturn may not use starts no rotation', async () => {
      const foreign = await stack.users.enrol('foreign', {
        valueStore: stack.parameters,
        tags: { 'keyturn:managed': 'false' },
      })
      await put(foreign)
      await until(60, async () =>
        (await stack.functionLogLines('startRotation')).some(line =>
          line.includes('it lacks the tag keyturn:managed=true'),
        ),
      )
      expect(await rotationsOf(foreign)).toEqual([])
    })
  })

  test('no password is in an execution history, a log, an event or an alarm', async () => {
    const written = await stack.collectWrittenTexts()
    expect([...written.keys()].join()).toContain(':keyturn-local-rotate-due/Host:')
    expect([...written.keys()].join()).toContain(':keyturn-local-rotate-server:')
    const text = [...written.values()].join()
    for (const found of [
      'app_0_1',
      'rotate-due',
      'LateCredentials',
      'Due Rotations Finished',
      'RotationDuration',
    ])
      expect(text).toContain(found)
    expect((await stack.collectPasswords()).length).toBeGreaterThanOrEqual(17)
    expect(await findLeaks(stack)).toEqual([])
  })
})
