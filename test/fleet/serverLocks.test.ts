import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { ServerLocks, serverIdOf, serverInputOf } from '../../fleet/serverLocks.ts'
import { type StepFunctionsServer, startStepFunctions } from '../../local/aws/stepFunctions.ts'
import { arnOf } from '../../local/embedded/stateMachine.ts'

let stepFunctions: StepFunctionsServer
let servers: ServerLocks
/** Functions that end the running executions of rotate-server. */
let end: (() => void)[]

beforeAll(async () => {
  stepFunctions = await startStepFunctions()
  const settings = { endpoint: stepFunctions.url, region: 'eu-west-1' }
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  servers = new ServerLocks(arnOf('states', 'stateMachine:keyturn-local-rotate-server'), {
    ...settings,
    credentials,
  })
  stepFunctions.tasks.TakeSlot = () => new Promise<void>(resolve => end.push(resolve))
  stepFunctions.tasks.ReportRotations = () => ({ host: 'db', tell: false })
})
afterAll(() => stepFunctions?.stop())
beforeEach(() => {
  end = []
  stepFunctions.rotateServerExecutions.clear()
})

const db = serverIdOf('db:5432')
const group = { name: 'run-1 db:5432', host: 'db:5432', server: { id: db, last: 0 }, rotations: [] }
const work = (run: string) => serverInputOf({ run, group, caps: { hosts: 4, perHost: 5 } }, `${db}-1`)
const take = (run: string, last = 0, of = servers) => of.take(db, last, () => JSON.stringify(work(run)))
const names = () => [...stepFunctions.rotateServerExecutions.keys()]
async function endAll(): Promise<void> {
  for (const over of end.splice(0)) over()
  await Promise.all([...stepFunctions.rotateServerExecutions.values()].map(({ ended }) => ended))
}

describe('a server', () => {
  test('is taken by only one of two runs that begin in the same second', async () => {
    const taken = await Promise.all([take('run-1'), take('run-2')])
    expect(taken.filter(Boolean)).toEqual([`${db}-1`])
    expect(names()).toEqual([`${db}-1`])
  })

  test('is taken by only one of ten runs, although their lists are of different ages', async () => {
    for (let n = 0; n < 3; n++) {
      await take(`earlier-${n}`)
      await sleep(10)
      await endAll()
    }
    expect(names()).toEqual([1, 2, 3].map(n => `${db}-${n}`))
    const taken = await Promise.all([...Array(10).keys()].map(n => take(`run-${n}`, n % 4)))
    expect(taken.filter(Boolean)).toEqual([`${db}-4`])
    expect(names()).toHaveLength(4)
    expect(await take('late', 3)).toBeUndefined()
  })

  test('stays with its run if that asks again, during its execution and afterwards', async () => {
    expect(await take('run-1')).toBe(`${db}-1`)
    expect(await take('run-1')).toBe(`${db}-1`)
    await sleep(10)
    await endAll()
    expect(await take('run-1')).toBe(`${db}-1`)
    expect(await take('run-2')).toBe(`${db}-2`)
  })

  test('that did not answer is marked by the name of an execution, until another one has ended', async () => {
    await take('run-1')
    expect(await servers.outageOf(`${db}-1`)).toBeUndefined()
    await servers.recordServerDown(`${db}-1`, 'run-1 db:5432')
    await servers.recordServerDown(`${db}-1`, 'told already')
    expect(await servers.outageOf(`${db}-1`)).toBe('run-1 db:5432')
    expect((await servers.findLastExecutions()).get(db)).toEqual({
      number: 1,
      isRunning: true,
      isServerDown: true,
    })
    await sleep(10)
    await endAll()
    await take('run-2', 1)
    expect((await servers.findLastExecutions()).get(db)).toEqual({
      number: 2,
      isRunning: true,
      isServerDown: false,
    })
  })
})

describe('places under the cap', () => {
  const result = { states: [], tries: {} }
  const over = { input: '{}', startDate: 0, history: [], ended: Promise.resolve(result), result }

  test('are never held by more servers than there are, in whatever order they ask and end', async () => {
    const steps = fc.array(fc.record({ server: fc.nat(7), ends: fc.boolean() }), { maxLength: 25 })
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), steps, async (slots, steps) => {
        stepFunctions.rotateServerExecutions.clear()
        stepFunctions.foreignRunning.clear()
        /** The execution of each server, and which of them hold a place. */
        const now = new Map<number, string>()
        const holding = new Set<string>()
        let begun = 0
        for (const { server, ends } of steps) {
          const name = now.get(server) ?? `${serverIdOf(`${server}`)}-${++begun}`
          if (ends) {
            now.delete(server)
            holding.delete(name)
            stepFunctions.foreignRunning.delete(name)
            stepFunctions.rotateServerExecutions.set(name, over)
            continue
          }
          now.set(server, name)
          stepFunctions.foreignRunning.add(name)
          const free = holding.has(name) || holding.size < slots
          expect(await servers.takeSlot(name, slots)).toBe(free)
          if (free) holding.add(name)
        }
      }),
      {
        numRuns: 20,
        examples: [
          [
            2,
            [
              { server: 1, ends: false },
              { server: 0, ends: true },
              { server: 0, ends: true },
              { server: 5, ends: false },
              { server: 1, ends: true },
              // It asks again, as after a lost answer. The place before its own is free by now.
              { server: 5, ends: false },
              { server: 0, ends: false },
            ],
          ],
        ],
      },
    )
  })

  test('of two servers that ask for the last one in the same second, only one gets it', async () => {
    for (const name of ['a-1', 'b-1']) stepFunctions.foreignRunning.add(name)
    const taken = await Promise.all([servers.takeSlot('a-1', 1), servers.takeSlot('b-1', 1)])
    expect(taken.filter(Boolean)).toHaveLength(1)
  })

  test('a server whose execution cannot be looked at yet keeps its place', async () => {
    expect(await servers.takeSlot('unseen-1', 1)).toBe(true)
    expect(await servers.takeSlot('b-1', 1)).toBe(false)
  })
})

test('a call that is refused throws an error with a name', async () => {
  const call = vi.spyOn(stepFunctions.rotateServerExecutions, 'get').mockImplementation(() => {
    throw new Error('no')
  })
  await expect(take('run-1')).rejects.toMatchObject({ name: 'Throttled' })
  call.mockRestore()
})
