import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { evaluateSchedule } from '../../fleet/due.ts'
import type { ScheduledCredential } from '../../fleet/inventory.ts'
import { serverIdOf } from '../../fleet/serverLocks.ts'
import type { RunPlan } from '../../functions/findDue.ts'
import { type StepFunctionsServer, startStepFunctions } from '../../local/aws/stepFunctions.ts'
import { loadHandler } from '../../local/embedded/embedded.ts'
import type { Task } from '../../local/embedded/stateMachine.ts'
import { setLambdaEnvironment } from '../support/lambdaEnvironment.ts'
import { captureOutput } from '../support/observe.ts'

/** The credentials that the inventory lists. test/fleet tests the inventory itself. */
let scheduled: ScheduledCredential[]
let hostOf: (credential: ScheduledCredential) => string
/** The admin of each credential, by id. */
let adminOf: Record<string, string>
vi.mock('../../fleet/inventory.ts', () => ({
  Inventory: class {
    listScheduled = async () => scheduled
    listAtHome = async () => []
  },
}))
vi.mock('../../fleet/targets.ts', () => ({
  findTargets: async (some: ScheduledCredential[]) =>
    new Map(some.map(credential => [credential, { address: hostOf(credential) }])),
  matchAdmins: (targets: Map<ScheduledCredential, object>) => {
    const byId = new Map([...targets.keys()].map(credential => [credential.id, credential]))
    const named = [...targets.keys()].map(credential => [credential, byId.get(adminOf[credential.id] ?? '')])
    return new Map(named.filter(([, admin]) => admin) as [ScheduledCredential, ScheduledCredential][])
  },
}))

let stepFunctions: StepFunctionsServer
let written: string[]
let findDue: Task
beforeAll(async () => {
  stepFunctions = await startStepFunctions()
  setLambdaEnvironment({
    AWS_ENDPOINT_URL_SFN: stepFunctions.url,
    KEYTURN_RUNS: 'arn:aws:states:eu-west-1:123456789012:stateMachine:keyturn-test-rotate-due',
    KEYTURN_ROTATION_FUNCTION: 'arn:aws:lambda:eu-west-1:123456789012:function:keyturn-test-rotateSecret',
    KEYTURN_MAX_ROTATIONS: '17',
    KEYTURN_MAX_ROTATIONS_PER_HOST: '5',
    KEYTURN_DUE_SCHEDULE: 'rate(1 minute)',
  })
  findDue = await loadHandler('findDue')
})
afterAll(() => stepFunctions?.stop())
beforeEach(() => {
  written = captureOutput()
  scheduled = []
  hostOf = () => 'db:5432'
  adminOf = {}
  stepFunctions.rotateExecutions.clear()
  stepFunctions.rotateServerExecutions.clear()
  stepFunctions.foreignDueRuns.clear()
})

const look = async () => (await findDue({ run: 'run-1', overlaps: true })) as RunPlan
const hour = 3_600_000
function credential(id: string, hoursAgo: number, tags: Record<string, string> = {}): ScheduledCredential {
  const all = { 'keyturn:managed': 'true', 'keyturn:every': '1h', ...tags }
  return { store: 'parameter-store', id, tags: all, currentSince: new Date(Date.now() - hoursAgo * hour) }
}

/** @returns the token of a try so many hours from now */
function tokenOf(credential: ScheduledCredential, hours: number): string {
  const verdict = evaluateSchedule(credential, new Date(Date.now() + hours * hour))
  return verdict.state === 'due' ? verdict.token : verdict.state
}
/** Has an execution of this name exist. */
const began = (name: string) =>
  stepFunctions.rotateExecutions.set(name, {
    input: '{}',
    startDate: Date.now() / 1000,
    history: [],
    ended: new Promise(() => {}),
  })

describe('a run', () => {
  test('returns what is due by database server, the oldest first, without a value', async () => {
    scheduled = [credential('/a', 1.5), credential('/b', 0), credential('/c', 1.8), credential('/d', 1.2)]
    hostOf = ({ id }) => (id === '/d' ? 'db2:5432' : 'db1:5432')
    const run = await look()
    expect(run).toMatchObject({ hosts: 2, planned: 3, postponed: 0, caps: { hosts: 3, perHost: 5 } })
    expect(run.groups).toMatchObject([
      { name: 'run-1 db1:5432', host: 'db1:5432', rotations: [{ id: '/c' }, { id: '/a' }] },
      { name: 'run-1 db2:5432', host: 'db2:5432', rotations: [{ id: '/d' }] },
    ])
    for (const rotation of run.groups.flatMap(({ rotations }) => rotations))
      expect(Object.keys(rotation)).toEqual(['store', 'id', 'token', 'until'])
  })

  test('puts an admin that is due before those that need it, on its server and in the list', async () => {
    scheduled = [
      credential('/user/1', 1.9),
      credential('/alone', 1.8),
      credential('/admin', 1.7),
      credential('/user/2', 1.6),
      credential('/elsewhere', 1.5),
    ]
    adminOf = { '/user/1': '/admin', '/user/2': '/admin', '/elsewhere': '/not-due' }
    hostOf = ({ id }) => ({ '/user/2': 'db-reader:5432', '/elsewhere': 'db2:5432' })[id] ?? 'db:5432'
    const { groups, hosts, planned } = await look()
    expect({ hosts, planned }).toEqual({ hosts: 2, planned: 5 })
    const [db, elsewhere] = groups.map(({ host, rotations, turns }) => ({
      host,
      rotations: rotations.map(({ id }) => id),
      turns: turns?.map(turn => turn.map(({ id }) => id)),
    }))
    expect(db).toEqual({
      host: 'db:5432',
      rotations: ['/admin', '/user/1', '/alone', '/user/2'],
      turns: [['/admin'], ['/user/1', '/alone', '/user/2']],
    })
    expect(elsewhere).toEqual({ host: 'db2:5432', rotations: ['/elsewhere'], turns: undefined })
  })

  test('lists what is late in parts of fifty, and counts what does not fit', async () => {
    const lateOnes = (count: number, length: number) =>
      Array.from({ length: count }, (_, n) =>
        credential(`/${'x'.repeat(length)}/${n}`, 1, { 'keyturn:every': 'x' }),
      )
    scheduled = lateOnes(120, 10)
    const { late } = await look()
    expect(late.parts?.map(({ count, names }) => [count, names.length])).toEqual([
      [50, 50],
      [50, 50],
      [20, 20],
    ])
    expect(new Set(late.parts?.flatMap(({ names }) => names)).size).toBe(120)
    scheduled = lateOnes(2_000, 10)
    const many = (await look()).late.parts ?? []
    expect(many).toHaveLength(10)
    expect(many.reduce((sum, { count }) => sum + count, 0)).toBe(2_000)
    scheduled = lateOnes(500, 300)
    const long = (await look()).late
    expect(JSON.stringify(long.parts).length).toBeLessThan(70_000)
    expect(long.parts?.reduce((sum, { count }) => sum + count, 0)).toBe(500)
    scheduled = []
    expect((await look()).late).toEqual({ count: 0, names: [] })
  })

  test('names what is late and what is skipped, fifty of each, and counts all', async () => {
    scheduled = Array.from({ length: 60 }, (_, n) =>
      credential(`/${'x'.repeat(300)}/${n}`, 1, { 'keyturn:every': 'x' }),
    )
    const { late, skipped } = await look()
    for (const { count, names } of [late, skipped]) {
      expect({ count, length: names.length }).toEqual({ count: 60, length: 50 })
      for (const name of names) expect(name.length).toBeLessThanOrEqual(200)
    }
  })

  test('takes at most five hundred, those tried before last, and leaves the rest to the next run', async () => {
    const failing = Array.from({ length: 600 }, (_, n) => credential(`/failing/${n}`, 5))
    for (const one of failing) began(tokenOf(one, -2))
    scheduled = [...failing, credential('/new', 1.2), credential('/older', 1.5)]
    const run = await look()
    expect(run.planned + run.postponed).toBe(602)
    expect(run.planned).toBeLessThanOrEqual(500)
    const [{ rotations } = { rotations: [] }] = run.groups
    expect(rotations.slice(0, 2).map(({ id }) => id)).toEqual(['/older', '/new'])
  })

  test('skips what waits for its next try', async () => {
    const failing = Array.from({ length: 600 }, (_, n) => credential(`/failing/${n}`, 5))
    for (const one of failing) began(tokenOf(one, 0))
    scheduled = [...failing, credential('/new', 1.2)]
    const run = await look()
    expect(run).toMatchObject({ planned: 1, postponed: 0, skipped: { count: 600 } })
    expect(run.groups).toMatchObject([{ rotations: [{ id: '/new' }] }])
  })

  test('returns until when a window is open', async () => {
    const [from, to] = [-1, 1].map(hours => new Date(Date.now() + hours * hour).toISOString().slice(11, 16))
    scheduled = [credential('/a', 2, { 'keyturn:window': `${from}-${to}` })]
    const { until } = (await look()).groups[0]?.rotations[0] ?? {}
    expect(until?.slice(11, 16)).toBe(to)
  })

  test('spreads jitter over a window less the time between two runs', async () => {
    const [from, to] = [-0.5, 0.5].map(hours =>
      new Date(Date.now() + hours * hour).toISOString().slice(11, 16),
    )
    const tags = { 'keyturn:window': `${from}-${to}`, 'keyturn:jitter': '1h' }
    scheduled = Array.from({ length: 100 }, (_, n) => credential(`/${n}`, 2, tags))
    const { planned } = await look()
    expect(planned).toBeGreaterThan(20)
    expect(planned).toBeLessThan(80)
  })

  test('counts what is late for the dashboard', async () => {
    scheduled = [credential('/b', 30), credential('/a', 30), credential('/c', 1.5)]
    expect((await look()).late).toMatchObject({
      count: 2,
      names: ['parameter-store /a', 'parameter-store /b'],
    })
    expect(written.join('')).toContain('"LateCredentials":2')
  })

  test('works beside another run, but not beside one of the last release', async () => {
    scheduled = [credential('/a', 2)]
    const definition = (folder: string) =>
      readFileSync(new URL(`../../${folder}/rotate-due.asl.json`, import.meta.url), 'utf8')
    stepFunctions.foreignDueRuns.set('run-0', definition('statemachines'))
    stepFunctions.foreignDueRuns.set('run-1', definition('statemachines'))
    expect(await look()).toMatchObject({ planned: 1, postponed: 0 })
    // The result for a state machine of the last release.
    expect(await findDue({ run: 'run-1' })).toMatchObject({ planned: 0, postponed: 1, waitsFor: 'run-0' })
    expect(await findDue({ run: 'run-0' })).toMatchObject({ planned: 1 })
    stepFunctions.foreignDueRuns.set('run-0', definition('test/compatibility/last'))
    expect(await look()).toMatchObject({ planned: 0, postponed: 1, waitsFor: 'run-0' })
  })

  describe('and the servers', () => {
    const server = (host: string, number: number, what = '') => `${serverIdOf(host)}-${number}${what}`
    const begin = (name: string, input: object, ended: boolean) =>
      stepFunctions.rotateServerExecutions.set(name, {
        input: JSON.stringify(input),
        startDate: Date.now() / 1000,
        history: [],
        ended: new Promise(() => {}),
        ...(ended && { result: { states: [], tries: {}, output: {} } }),
      })
    beforeEach(() => {
      scheduled = [...Array(4).keys()].map(n => credential(`/down/${n}`, 1.9 - n / 100))
      scheduled.push(credential('/up/0', 1.2), credential('/up/1', 1.1))
      hostOf = ({ id }) => `${id.split('/')[1]}:5432`
    })
    const groups = async () =>
      (await look()).groups.map(({ host, server, rotations }) => [
        host,
        server,
        rotations.map(({ id }) => id),
      ])

    test('each group has its server and the number of the server’s last execution', async () => {
      begin(server('up:5432', 7), {}, true)
      begin(server('up:5432', 8), {}, true)
      expect(await groups()).toEqual([
        ['down:5432', { id: serverIdOf('down:5432'), last: 0 }, ['/down/0', '/down/1', '/down/2', '/down/3']],
        ['up:5432', { id: serverIdOf('up:5432'), last: 8 }, ['/up/0', '/up/1']],
      ])
    })

    test('credentials of a taken server take no place, whatever their number', async () => {
      scheduled.push(...[...Array(700).keys()].map(n => credential(`/down/more/${n}`, 1.95)))
      begin(server('down:5432', 3), {}, false)
      expect(await groups()).toMatchObject([['up:5432', {}, ['/up/0', '/up/1']]])
      expect(await look()).toMatchObject({ planned: 2, postponed: 704 })
    })

    test('on a server that did not answer one credential is tried, and the others take the remaining places', async () => {
      scheduled.push(...[...Array(700).keys()].map(n => credential(`/down/more/${n}`, 1.95)))
      begin(server('down:5432', 3), {}, true)
      begin(server('down:5432', 3, '-down'), { record: 'down', group: 'run-0 down:5432' }, true)
      const run = await look()
      const [down, up] = run.groups
      expect(up?.rotations.map(({ id }) => id)).toEqual(['/up/0', '/up/1'])
      expect(down?.server).toEqual({ id: serverIdOf('down:5432'), last: 3, outage: 'run-0 down:5432' })
      expect(down?.rotations[0]?.id).toBe('/down/more/0')
      expect(run.planned).toBeGreaterThan(300)
    })

    test('a server counts as answering if a later execution found that', async () => {
      begin(server('down:5432', 3), {}, true)
      begin(server('down:5432', 3, '-down'), { record: 'down', group: 'run-0 down:5432' }, true)
      begin(server('down:5432', 4), {}, true)
      expect((await look()).groups[0]?.server).toEqual({ id: serverIdOf('down:5432'), last: 4 })
    })

    test('nothing is read or planned while as many rotations run as the limits allow', async () => {
      for (const host of ['a', 'b', 'c']) begin(server(host, 1), {}, false)
      expect(await look()).toMatchObject({ planned: 0, postponed: 6, groups: [], caps: { hosts: 3 } })
    })
  })

  test.each([
    ['a host of its own each', 0, ''],
    ['long names', 900, ''],
    ['one admin', 0, '/0'],
    ['one admin and long names', 900, `/0${'x'.repeat(900)}`],
  ])('the result and its report fit into a state, also with %s', async (_, length, admin) => {
    scheduled = Array.from({ length: 500 }, (_, n) => credential(`/${n}${'x'.repeat(length)}`, 3))
    hostOf = ({ id }) => `database-${id.slice(0, 5)}.${'x'.repeat(60)}.eu-west-1.rds.amazonaws.com:5432`
    if (admin) adminOf = Object.fromEntries(scheduled.slice(1).map(({ id }) => [id, admin]))
    const run = await look()
    expect(run.planned).toBeGreaterThan(admin && length ? 20 : 40)
    expect(run.planned + run.postponed).toBe(500)
    const reports = run.groups.map(({ host }) => ({ host, rotated: 1000, failed: 1000, skipped: 1000 }))
    expect(JSON.stringify({ ...run, ended: { reports, count: reports.length } }).length).toBeLessThan(
      256 * 1024,
    )
  })
})
