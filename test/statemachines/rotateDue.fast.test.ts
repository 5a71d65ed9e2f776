import { describe, expect, test } from 'vitest'
import { type BusEvent, makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import type { Execution, Task } from '../../local/embedded/stateMachine.ts'
import { runDue } from '../support/runDue.ts'

type Start = {
  store: string
  id: string
  token: string
  until: string | null
  group: string
  server: string | null
}

const groupsOf = (sizes: Record<string, number>) =>
  Object.entries(sizes).map(([host, size]) => ({
    name: `run-1 ${host}`,
    host,
    rotations: Array.from({ length: size }, (_, n) => ({
      store: 'parameter-store',
      id: `/${host}/${n}`,
      token: `token-${host}-${n}`,
      until: n ? null : '2026-11-24T05:00:00Z',
    })),
  }))

/** FindDue's result, apart from what is due. */
const found = { postponed: 3, late: { count: 0, names: [] }, skipped: { count: 4, names: [] } }

const failed = (id: string, error = 'Unreachable') => ({ id, outcome: 'failed', error, reason: 'no answer' })
const throwing = (name: string) => () => {
  throw Object.assign(new Error('the reason'), { name })
}

/** Runs one execution with so many due rotations by host. All tasks succeed, except those given. */
async function run(
  sizes: Record<string, number>,
  given: Record<string, Task> = {},
  caps = { hosts: 8, perHost: 5 },
) {
  const announced: BusEvent[] = []
  const started: Start[] = []
  const groups = groupsOf(sizes)
  const planned = groups.flatMap(({ rotations }) => rotations).length
  const tasks: Record<string, Task> = {
    FindDue: () => ({ ...found, groups, hosts: groups.length, planned, caps }),
    StartRotation: input => {
      started.push(input as Start)
      return { ...(input as Start), outcome: 'started' }
    },
    AwaitRotation: input => ({ ...(input as Start), outcome: 'rotated' }),
    ReportRotations: input => {
      const { host, results } = input as { host: string; results: { outcome: string; untold?: boolean }[] }
      const having = (outcome: string) => results.filter(result => result.outcome === outcome).length
      const counts = { rotated: having('rotated'), failed: having('failed'), skipped: having('skipped') }
      const failures = results.filter(({ outcome }) => outcome === 'failed')
      const parked = having('parked')
      const tell = failures.length > 1 || parked > 0 || failures.some(({ untold }) => untold)
      return { host, ...counts, parked, severity: 'error', tell, failures }
    },
    ...makeEventBusTasks(entry => announced.push(entry)),
    ...given,
  }
  const execution: Execution = await runDue(tasks, 'run-1')
  return { execution, announced, started }
}

describe('a run', () => {
  test('ends at once if nothing is due', async () => {
    const { execution, announced } = await run({})
    expect(execution.states).toEqual(['FindDue', 'AnyLate', 'AnythingDue', 'Done'])
    expect(announced).toEqual([])
  })

  test('starts each rotation once under its token, and announces the result of all', async () => {
    const { execution, announced, started } = await run({ 'db1:5432': 3, 'db2:5432': 1 })
    expect(execution.failure).toBeUndefined()
    expect(execution.states).toContain('Done')
    expect(started).toHaveLength(4)
    expect(started).toContainEqual({
      store: 'parameter-store',
      id: '/db1:5432/2',
      token: 'token-db1:5432-2',
      until: null,
      group: 'run-1 db1:5432',
      server: 'server-1',
    })
    expect(started.map(({ until }) => until)).toContain('2026-11-24T05:00:00Z')
    expect(announced).toEqual([
      {
        Source: 'keyturn',
        DetailType: 'Due Rotations Finished',
        EventBusName: 'default',
        Detail: {
          execution: expect.stringContaining('execution:keyturn-local-rotate-due:run-1'),
          planned: 4,
          postponed: 3,
          late: 0,
          skipped: 4,
          hosts: [
            { host: 'db1:5432', rotated: 3, failed: 0, skipped: 0, parked: 0 },
            { host: 'db2:5432', rotated: 1, failed: 0, skipped: 0, parked: 0 },
          ],
        },
      },
    ])
  })

  test('starts no more rotations at once than the limits for one host and for all allow', async () => {
    const now = { inAll: 0, byHost: new Map<string, number>() }
    const most = { inAll: 0, byHost: 0 }
    const AwaitRotation: Task = async input => {
      const [, host = ''] = (input as Start).id.split('/')
      const onHost = (now.byHost.get(host) ?? 0) + 1
      now.byHost.set(host, onHost)
      now.inAll++
      most.inAll = Math.max(most.inAll, now.inAll)
      most.byHost = Math.max(most.byHost, onHost)
      await new Promise(resolve => setTimeout(resolve, 20))
      now.byHost.set(host, (now.byHost.get(host) ?? 1) - 1)
      now.inAll--
      return { ...(input as Start), outcome: 'rotated' }
    }
    await run({ a: 9, b: 9, c: 9, d: 9 }, { AwaitRotation }, { hosts: 2, perHost: 3 })
    expect(most.byHost).toBeLessThanOrEqual(3)
    expect(most.inAll).toBeLessThanOrEqual(6)
    expect(most.inAll).toBeGreaterThan(3)
  })

  describe('with several turns', () => {
    const rotation = (id: string) => ({ store: 'secrets-manager', id, token: `token-${id}`, until: null })
    const turns = [['/admin'], ['/user/1', '/user/2', '/user/3', '/user/4']].map(ids => ids.map(rotation))
    const due = (more: object) => ({
      ...found,
      groups: [{ name: 'run-1 a', host: 'a', rotations: turns.flat(), ...more }],
      hosts: 1,
      planned: 5,
      caps: { hosts: 8, perHost: 5 },
    })

    test.each([
      ['well', (input: unknown) => ({ ...(input as Start), outcome: 'rotated' }), 5, 0],
      ['with a failure', (input: unknown) => failed((input as Start).id), 0, 5],
      ['untold', throwing('NotPermitted'), 0, 5],
    ])('begins a turn when the last one has ended: %s', async (_, end, rotated, failures) => {
      const order: string[] = []
      const AwaitRotation: Task = async input => {
        const { id } = input as Start
        await new Promise(resolve => setTimeout(resolve, id === '/admin' ? 50 : 5))
        order.push(`${id} ended`)
        return end(input)
      }
      const StartRotation: Task = input => {
        order.push(`${(input as Start).id} started`)
        return { ...(input as Start), outcome: 'started' }
      }
      const given = { FindDue: () => due({ turns }), AwaitRotation, StartRotation }
      const { execution, announced } = await run({}, given)
      expect(execution.failure).toBeUndefined()
      expect(order.slice(0, 2)).toEqual(['/admin started', '/admin ended'])
      expect(order.filter(event => event.endsWith('ended'))).toHaveLength(5)
      expect(announced.at(-1)).toMatchObject({
        Detail: { hosts: [{ host: 'a', rotated, failed: failures, skipped: 0 }] },
      })
    })

    test('takes the result of the first release’s findDue, which has no turns, as one turn', async () => {
      const { execution, started, announced } = await run({}, { FindDue: () => due({}) })
      expect(execution.failure).toBeUndefined()
      expect(started.map(({ id }) => id)).toEqual(turns.flat().map(({ id }) => id))
      expect(new Set(started.map(({ group }) => group))).toEqual(new Set(['run-1 a']))
      expect(announced.at(-1)).toMatchObject({ Detail: { hosts: [{ host: 'a', rotated: 5 }] } })
    })
  })

  describe('begins with one rotation for each server, in case the server does not answer', () => {
    /** Tasks that play the functions with a server that does not answer. */
    function down() {
      let down = false
      const AwaitRotation: Task = input => {
        down = true
        return failed((input as Start).id)
      }
      const StartRotation: Task = input =>
        down
          ? { ...(input as Start), outcome: 'parked', reason: 'its server does not answer' }
          : { ...(input as Start), outcome: 'started' }
      return { AwaitRotation, StartRotation }
    }

    test('and then parks the others, and announces that', async () => {
      const { execution, announced } = await run({ a: 6 }, down())
      expect(execution.tries).toMatchObject({ StartRotation: 6, AwaitRotation: 1 })
      const [told, run_] = announced
      expect(told).toMatchObject({ Detail: { report: { failed: 1, parked: 5 } } })
      expect(run_).toMatchObject({
        Detail: { hosts: [{ host: 'a', rotated: 0, failed: 1, skipped: 0, parked: 5 }] },
      })
    })

    test('unless the credentials have no server', async () => {
      let now = 0
      let most = 0
      const AwaitRotation: Task = async input => {
        most = Math.max(most, ++now)
        await new Promise(resolve => setTimeout(resolve, 10))
        now--
        return { ...(input as Start), outcome: 'rotated' }
      }
      const { started } = await run({ '': 5 }, { AwaitRotation })
      expect(most).toBe(5)
      expect(new Set(started.map(({ server }) => server))).toEqual(new Set([null]))
    })
  })

  test('waits for hours for a server’s place under the limits', async () => {
    const TakeSlot = throwing('RotationInProgress')
    const { execution, started } = await run({ a: 1 }, { TakeSlot })
    expect(execution.tries.TakeSlot).toBe(2001)
    expect(started).toEqual([])
    expect(execution.failure).toBeDefined()
  })

  test('marks names by executions of rotate-server that do nothing', async () => {
    const { runExecution } = await import('../../local/embedded/stateMachine.ts')
    const record = { record: 'slot', holder: 'server-1' }
    expect((await runExecution('rotate-server', {}, 'slot-1-1', record)).states).toEqual([
      'IsRecord',
      'Recorded',
    ])
  })

  test('skips a token that was tried before, with the reason', async () => {
    const StartRotation: Task = input => ({ ...(input as Start), outcome: 'skipped', reason: 'tried' })
    const AwaitRotation = throwing('Unexpected')
    const { announced } = await run({ a: 2 }, { StartRotation, AwaitRotation })
    expect(announced).toMatchObject([{ Detail: { hosts: [{ rotated: 0, failed: 0, skipped: 2 }] } }])
  })
})

describe('failures and late credentials', () => {
  const failing =
    (...ids: string[]): Task =>
    input => {
      const { id } = input as Start
      return ids.includes(id) ? failed(id) : { ...(input as Start), outcome: 'rotated' }
    }

  test('a failure does not stop other rotations, and is not announced again if it is the only one', async () => {
    const { execution, announced } = await run({ a: 3, b: 1 }, { AwaitRotation: failing('/a/0') })
    expect(execution.failure).toBeUndefined()
    expect(announced).toMatchObject([
      {
        DetailType: 'Due Rotations Finished',
        Detail: {
          hosts: [
            { host: 'a', rotated: 2, failed: 1 },
            { host: 'b', rotated: 1, failed: 0 },
          ],
        },
      },
    ])
  })

  test('several failures on one host are announced together', async () => {
    const { announced } = await run({ a: 3, b: 1 }, { AwaitRotation: failing('/a/0', '/a/2') })
    expect(announced).toMatchObject([
      {
        DetailType: 'Credential Rotations Failed',
        Detail: {
          severity: 'error',
          execution: expect.stringContaining('execution:'),
          group: 'run-1 a',
          report: { host: 'a', rotated: 1, failed: 2, failures: [{ id: '/a/0' }, { id: '/a/2' }] },
        },
      },
      { DetailType: 'Due Rotations Finished' },
    ])
  })

  test.each(['StartRotation', 'AwaitRotation'])(
    '%s that fails counts as a failed rotation, and is announced even if it is the only one',
    async state => {
      const { execution, announced } = await run({ a: 1 }, { [state]: throwing('NotPermitted') })
      expect(execution.failure).toBeUndefined()
      const reason = 'the rotation could not be started or watched: NotPermitted'
      expect(announced[0]).toMatchObject({
        DetailType: 'Credential Rotations Failed',
        Detail: {
          report: { failed: 1, failures: [{ id: '/a/0', error: 'NotKnown', reason, untold: true }] },
        },
      })
    },
  )

  const parts = [
    { count: 2, names: ['parameter-store /a', 'parameter-store /b'] },
    { count: 1, names: ['parameter-store /c'] },
  ]
  const late = { count: 3, names: parts.flatMap(({ names }) => names), parts }

  test('late credentials are announced in parts, whether or not anything is due', async () => {
    const due = { ...found, late, groups: [], hosts: 0, planned: 0 }
    const { execution, announced } = await run({}, { FindDue: () => due })
    expect(announced).toMatchObject(
      parts.map(part => ({
        DetailType: 'Credentials Late',
        Detail: { late: part, execution: expect.stringContaining(':run-1') },
      })),
    )
    expect(execution.states.at(-1)).toBe('Done')
  })

  test('due rotations start even if the bus does not accept the event of late credentials', async () => {
    const due = {
      ...found,
      late,
      groups: groupsOf({ a: 2 }),
      hosts: 1,
      planned: 2,
      caps: { hosts: 1, perHost: 1 },
    }
    const AnnounceLate = throwing('EventBridge.FailedEntry')
    const { execution, started } = await run({}, { FindDue: () => due, AnnounceLate })
    expect(execution.tries.AnnounceLate).toBe(14)
    expect(started).toHaveLength(2)
    expect(execution.states.at(-1)).toBe('Done')
  })

  test('a rotation that still runs is asked for again, for more than an hour', async () => {
    const { execution } = await run({ a: 1 }, { AwaitRotation: throwing('RotationInProgress') })
    expect(execution.tries.AwaitRotation).toBe(121)
  })

  test.each(['FindDue', 'StartRotation', 'AwaitRotation', 'ReportRotations'])(
    '%s is tried again when waiting can help',
    async state => {
      for (const error of ['Throttled', 'Lambda.TooManyRequestsException', 'States.Timeout'])
        expect((await run({ a: 1 }, { [state]: throwing(error) })).execution.tries[state]).toBe(10)
      const idle = throwing('Lambda.CodeArtifactUserPendingException')
      expect((await run({ a: 1 }, { [state]: idle })).execution.tries[state]).toBe(241)
      expect((await run({ a: 1 }, { [state]: throwing('NotPermitted') })).execution.tries[state]).toBe(1)
    },
  )

  test('a host that does not report fails the run, after the others were announced', async () => {
    const due = {
      ...found,
      groups: groupsOf({ a: 1 }),
      hosts: 2,
      planned: 2,
      postponed: 0,
      caps: { hosts: 1, perHost: 1 },
    }
    const { execution, announced } = await run({}, { FindDue: () => due })
    expect(announced).toMatchObject([{ DetailType: 'Due Rotations Finished' }])
    expect(execution.failure?.error).toBe('HostLost')
  })

  test('a findDue that fails fails the run with its error', async () => {
    const { execution } = await run({ a: 1 }, { FindDue: throwing('NotPermitted') })
    expect(execution.failure?.error).toBe('NotPermitted')
  })
})
