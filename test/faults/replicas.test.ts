import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { StateName } from '../../fleet/states.ts'
import { type Embedded, startEmbedded } from '../../local/embedded/embedded.ts'
import { type BusEvent, makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import { type Execution, runRotation, type Task, type Tasks } from '../../local/embedded/stateMachine.ts'
import type { StrategyName } from '../../rotation/strategies/strategyNames.ts'
import { captureOutput } from '../support/observe.ts'
import {
  ReplicatedSecret,
  replicaFaults,
  replicaRegions,
  setPeerRegions,
} from '../support/replicatedSecret.ts'
import { type MatrixServer, mysqlTestServers, postgresTestServers } from '../support/testServers.ts'

/*
 * A secret with two replicas, of which one begins to misbehave at a state of a rotation, in every way. No Region is left with a
 * value that does not log in, no state waits between SetSecret and FinishSecret, one alarm is raised, and a rotation succeeds once
 * the replica is repaired. KEYTURN_FAULTS=whole has every state.
 */

// Set before any function is loaded.
setPeerRegions()

/** The states that change or read replicas, and those that close what was replaced. */
const sending: StateName<'rotate'>[] = [
  'LookAtReplicas',
  'CreateSecret',
  'FinishSecret',
  'AwaitReplicas',
  'RetireSecret',
]
const between: StateName<'rotate'>[] = ['AwaitPendingReplicas', 'SetSecret', 'TestSecret', 'AnnounceSuccess']
const states = process.env.KEYTURN_FAULTS === 'whole' ? [...sending, ...between] : sending
/** After so many polls, somebody repairs the replica. */
const LOOKS = 2

type Kind = { strategy: StrategyName; place: () => MatrixServer | undefined }
/** One strategy of each kind: one user, two users, a temporary clone, two passwords. */
const kinds: Kind[] = [
  { strategy: 'single-user', place: () => postgresTestServers()[0] },
  { strategy: 'alternating-users', place: () => postgresTestServers()[0] },
  { strategy: 'temporary-clone', place: () => postgresTestServers()[0] },
  { strategy: 'dual-password', place: () => mysqlTestServers('mysql')[0] },
]

let embedded: Embedded
beforeAll(async () => {
  const trust = [...inject('postgres'), ...inject('mysql')].map(({ caFile }) => caFile)
  embedded = await startEmbedded({ trust })
})
afterAll(() => embedded?.stop())

type Run = Execution & { told: string[] }

/** Has something happen just before a state of the first rotation. */
type Before = { state: StateName<'rotate'>; act(): void }

/** Runs a rotation, and the second one of a temporary clone. */
async function rotate(id: string, before?: Before, longer: Tasks = {}): Promise<Run[]> {
  const runs: Run[] = []
  async function run(name: string, input: object, before?: Before): Promise<void> {
    const told: string[] = []
    const bus = makeEventBusTasks(({ DetailType }: BusEvent) => told.push(DetailType))
    const tasks: Tasks = { ...embedded.tasks, ...bus, MoveBack, ...longer }
    const task = before && tasks[before.state]
    const changed: Task = input => {
      before?.act()
      return task?.(input)
    }
    const execution = await runRotation({ ...tasks, ...(before && { [before.state]: changed }) }, name, input)
    runs.unshift({ ...execution, told })
  }
  const MoveBack: Task = async input => {
    const { Name, Input } = input as { Name: string; Input: object }
    await run(Name, Input)
    return { ExecutionArn: 'arn' }
  }
  await run(randomUUID(), { store: 'secrets-manager', id }, before)
  return runs
}

describe.each(kinds)('$strategy', ({ strategy, place: placeOf }) => {
  const place = placeOf()
  // test/support/servers.ts says which servers this system does not have.
  if (!place) {
    test.skip('on a server that this system does not have')
    return
  }
  let secret: ReplicatedSecret
  let count = 0
  beforeAll(async () => {
    secret = await ReplicatedSecret.enrol(embedded, place, strategy)
  })

  describe.each(Object.entries(replicaFaults))('with a replica that %s', (fault, conduct) => {
    test.each(states)(
      'from the state %s on, no value is closed too early, and one event is sent',
      async state => {
        captureOutput()
        const victim = replicaRegions[count++ % 2] as string
        const where = `${fault}, ${state}`
        const act = () => secret.setBehaviour(victim, conduct)
        let looks = 0
        const AwaitReplicasLonger: Task = async input => {
          // Except with one user, whose password has changed, the old value logs in for as long as the replica has it.
          if (strategy !== 'single-user') await secret.expectServed(where)
          if (looks++ === LOOKS) await secret.repair(victim)
          return embedded.tasks.AwaitReplicasLonger?.(input)
        }
        try {
          const runs = await rotate(secret.id, { state, act }, { AwaitReplicasLonger })
          await secret.expectServed(where)
          for (const run of runs) {
            expectNoWait(run)
            expectToldOnce(run)
          }
        } finally {
          await secret.repair(victim)
        }
        await secret.expectNothingPending(where)
        await secret.expectServed(where)
        for (const { failure, told } of await rotate(secret.id))
          expect([failure, told.at(-1)], where).toEqual([undefined, 'Credential Replicated'])
        await secret.expectServed(where)
      },
    )
  })

  test('every pair of a state and a fault was tried', () => {
    expect(count).toBe(states.length * Object.keys(replicaFaults).length)
    console.info(`${place.name}, ${strategy}, two replicas: ${count} faults`)
  })
})

/** Expects that nothing waits for replicas between SetSecret and FinishSecret. */
function expectNoWait({ states, tries }: Run): void {
  const from = states.indexOf('SetSecret')
  if (from < 0) return
  expect(states.slice(from, from + 4)).toEqual(['SetSecret', 'TestSecret', 'FinishSecret', 'AnnounceSuccess'])
  expect(tries).toMatchObject({ SetSecret: 1, TestSecret: 1, FinishSecret: 1 })
}

/** Expects one event: the rotation failed before any change, or every Region has the value in the end. */
function expectToldOnce({ states, told, failure }: Run): void {
  const times = (event: string) => told.filter(name => name === event).length
  if (!states.includes('SetSecret')) {
    expect(failure?.error).toBe('ReplicasBehind')
    expect(told).toEqual(['Credential Rotation Failed'])
    return
  }
  expect(failure).toBeUndefined()
  const waited = states.filter(state => state === 'AnnounceReplicasBehind').length
  expect(times('Credential Replicas Behind')).toBe(waited)
  expect(waited).toBeLessThanOrEqual(1)
  expect(times('Credential Replicated')).toBe(times('Credential Rotated'))
}
