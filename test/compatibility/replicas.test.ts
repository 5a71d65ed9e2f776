import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type Embedded, startEmbedded } from '../../local/embedded/embedded.ts'
import { runRotation, type Task, type Tasks } from '../../local/embedded/stateMachine.ts'
import { captureOutput } from '../support/observe.ts'
import {
  ReplicatedSecret,
  replicaFaults,
  replicaRegions,
  setPeerRegions,
} from '../support/replicatedSecret.ts'
import { postgresTestServers } from '../support/testServers.ts'
import { definitions, lastParsers, parserOf } from './lastRelease.ts'

/*
 * The last release waited for no replica. Its executions go on with today's functions, which close nothing while a replica is
 * behind. And its functions parse the state of today's executions as they parsed their own.
 */

// Set before any function is loaded.
setPeerRegions()
const [place] = postgresTestServers()
if (!place) throw new Error('there is no PostgreSQL')

let embedded: Embedded
let secret: ReplicatedSecret
beforeAll(async () => {
  embedded = await startEmbedded({ trust: inject('postgres').map(({ caFile }) => caFile) })
  secret = await ReplicatedSecret.enrol(embedded, place, 'alternating-users')
})
afterAll(() => embedded?.stop())

const rotate = (tasks: Tasks, options: Parameters<typeof runRotation>[3] = {}) =>
  runRotation(tasks, randomUUID(), { store: 'secrets-manager', id: secret.id }, options)

const states = [
  'CreateSecret',
  'SetSecret',
  'TestSecret',
  'FinishSecret',
  'AnnounceSuccess',
  'RetireSecret',
] as const

describe.each(Object.entries(replicaFaults))(
  'an execution of the last release, while a replica %s',
  (fault, conduct) => {
    test.each(states)('from %s on', async state => {
      captureOutput()
      const victim = replicaRegions[0]
      const misbehave: Task = input => {
        secret.setBehaviour(victim, conduct)
        return embedded.tasks[state]?.(input)
      }
      const tasks = { ...embedded.tasks, [state]: misbehave }
      const { failure, states, tries } = await rotate(tasks, { definition: definitions.last.rotate })
      const where = `${fault}, ${state}`
      // Such an execution only asks its own Region, which cannot say that a version is missing although the status is InSync.
      const isHidden = conduct.arrivalMs !== undefined || conduct.endpoint !== undefined
      if (!isHidden) {
        await secret.expectServed(where)
        expect([undefined, 'Conflict'], where).toContain(failure?.error)
      }
      expect(states.slice(1, 4)).toEqual(['SetSecret', 'TestSecret', 'FinishSecret'])
      expect(tries).toMatchObject({ SetSecret: 1, TestSecret: 1, FinishSecret: 1 })
      await secret.repair(victim)
      await secret.expectNothingPending(where)
      await secret.expectServed(where)
      expect((await rotate(embedded.tasks)).output, where).toMatchObject({
        retirement: { outcome: 'retired' },
      })
      await secret.expectServed(where)
    })
  },
)

test('each function of the last release parses the state of today’s executions', async () => {
  captureOutput()
  const taken: string[] = []
  const watched = Object.entries(embedded.tasks).map(([state, task]): [string, Task] => [
    state,
    input => {
      const door = lastParsers[parserOf[state as keyof typeof parserOf]]
      if (door) {
        expect(door(input), state).toMatchObject({ rotation: { store: 'secrets-manager', id: secret.id } })
        taken.push(state)
      }
      return task(input)
    },
  ])
  const TestSecret: Task = () => {
    throw Object.assign(new Error('the reason'), { name: 'TestFailed' })
  }
  const tasks = Object.fromEntries(watched)
  await rotate(tasks)
  await rotate({ ...tasks, TestSecret })
  const CreateSecret: Task = () => {
    throw Object.assign(new Error('the reason'), { name: 'InvalidOption' })
  }
  await rotate({ ...tasks, CreateSecret })
  expect(new Set(taken)).toEqual(
    new Set([
      'CreateSecret',
      'SetSecret',
      'TestSecret',
      'FinishSecret',
      'RetireSecret',
      'RollbackSecret',
      'DiscardSecret',
    ]),
  )
})
