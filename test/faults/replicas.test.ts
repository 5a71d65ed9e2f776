import { randomUUID } from 'node:crypto'
import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { StateName } from '../../fleet/states.ts'
import type { Conduct } from '../../local/aws/secretsManager/conduct.ts'
import { type Embedded, startEmbedded } from '../../local/embedded/embedded.ts'
import { type Entry, eventBus } from '../../local/embedded/eventBus.ts'
import { type Execution, runRotation, type Task, type Tasks } from '../../local/embedded/stateMachine.ts'
import { PATIENCE } from '../../rotation/awaitPending.ts'
import { Credential } from '../../rotation/credential.ts'
import type { StrategyName } from '../../rotation/strategies/names.ts'
import { captureOutput } from '../support/observe.ts'
import { mysqlPlaces, type Place, postgresPlaces } from '../support/places.ts'

/*
 * A secret with two replicas: at every state of a rotation, one of them begins to misbehave in every way there is. Whatever
 * becomes of it, no Region is left with a value that no longer logs in, nobody waits between SetSecret and FinishSecret,
 * whoever is on call is told once, and once the replica is well again a rotation goes well.
 */

const home = 'eu-west-1'
const regions = ['us-east-1', 'ap-south-1'] as const
// Before any function is loaded.
process.env.KEYTURN_PEER_REGIONS = regions.join(',')
Object.assign(PATIENCE, { pending: 150, pause: 20 })

const never = Number.POSITIVE_INFINITY
const faults: Record<string, Conduct> = {
  'is late': { inProgress: never },
  'is late and says InSync': { arrival: never },
  fails: { fails: 'key disabled' },
  'is wedged by two quick moves': { wedges: never },
  'cannot be asked': { endpoint: 'denied' },
}
const states: StateName<'rotate'>[] = [
  'LookAtReplicas',
  'CreateSecret',
  'AwaitPendingReplicas',
  'SetSecret',
  'TestSecret',
  'FinishSecret',
  'AnnounceSuccess',
  'AwaitReplicas',
  'RetireSecret',
]
/** Looks at a replica in vain before somebody mends it. */
const LOOKS = 2

type Kind = { strategy: StrategyName; place: () => Place | undefined }
/** One strategy of each kind: one user, two users, a clone in between, two passwords. */
const kinds: Kind[] = [
  { strategy: 'single-user', place: () => postgresPlaces()[0] },
  { strategy: 'alternating-users', place: () => postgresPlaces()[0] },
  { strategy: 'temporary-clone', place: () => postgresPlaces()[0] },
  { strategy: 'dual-password', place: () => mysqlPlaces('mysql')[0] },
]

let embedded: Embedded
beforeAll(async () => {
  const trust = [...inject('postgres'), ...inject('mysql')].map(({ caFile }) => caFile)
  embedded = await startEmbedded({ trust })
})
afterAll(() => embedded?.stop())

const clientIn = (region: string) =>
  new SecretsManagerClient({ endpoint: embedded.secretsManager.url, region })
const inRegion = (arn: string, region: string) =>
  arn.replace(/:secretsmanager:[^:]+:/, `:secretsmanager:${region}:`)

async function served(id: string, region: string): Promise<Credential> {
  const command = new GetSecretValueCommand({ SecretId: inRegion(id, region) })
  return Credential.parse((await clientIn(region).send(command)).SecretString ?? '')
}

/** An app of a real server, its secret and two replicas. */
async function enrol(place: Place, strategy: StrategyName): Promise<string> {
  const app = await place.makeApp(strategy)
  await place.reset(app, undefined)
  const { shelf } = embedded.users
  const tags = { 'keyturn:managed': 'true', 'keyturn:home': home }
  const masterarn = await shelf.put(`${strategy}/admin`, app.admin.serialize(), { 'keyturn:admin': 'true' })
  const value = { ...JSON.parse(app.current.serialize()), masterarn }
  const own = { ...tags, ...place.tags, 'keyturn:strategy': strategy, 'keyturn:grace': '1s' }
  const id = await shelf.put(`${strategy}/app`, JSON.stringify(value), own)
  await replicate(id, ...regions)
  return id
}

async function replicate(SecretId: string, ...to: string[]): Promise<void> {
  const AddReplicaRegions = to.map(Region => ({ Region }))
  await embedded.secrets.send(new ReplicateSecretToRegionsCommand({ SecretId, AddReplicaRegions }))
}

/** What somebody on call does. */
async function mend(id: string, region: string): Promise<void> {
  embedded.secretsManager.setRegion(region, {})
  await replicate(id, region)
}

type Run = Execution & { told: string[] }

/** What is done right before a state of the first rotation. */
type Before = { state: StateName<'rotate'>; act(): void }

/** A rotation, and the way back from a clone where one follows. */
async function rotate(id: string, before?: Before, longer: Tasks = {}): Promise<Run[]> {
  const runs: Run[] = []
  async function run(name: string, input: object, before?: Before): Promise<void> {
    const told: string[] = []
    const bus = eventBus(({ DetailType }: Entry) => told.push(DetailType))
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
  // test/support/servers.ts has said so.
  if (!place) {
    test.skip('on a server that is not there')
    return
  }
  let id: string
  let count = 0
  beforeAll(async () => {
    captureOutput()
    id = await enrol(place, strategy)
  })

  /** Every Region hands out a value that logs in, as applications there see it: they reach their own Region. */
  async function expectServed(where: string, victim?: string, conduct: Conduct = {}): Promise<void> {
    if (victim && conduct.endpoint) embedded.secretsManager.setRegion(victim, {})
    for (const region of [home, ...regions])
      expect(await place?.admits(await served(id, region)), `${where}: ${region} is served`).toBe(true)
    if (victim && conduct.endpoint) embedded.secretsManager.setRegion(victim, conduct)
  }

  describe.each(Object.entries(faults))('a replica that %s', (fault, conduct) => {
    test.each(states)('from %s on', async state => {
      captureOutput()
      const victim = regions[count++ % 2] as string
      const where = `${fault}, ${state}`
      const act = () => embedded.secretsManager.setRegion(victim, conduct)
      let looks = 0
      const AwaitReplicasLonger: Task = async input => {
        // But for one user, whose password is another one now, the old value is open for as long as the replica has it.
        if (strategy !== 'single-user') await expectServed(where, victim, conduct)
        if (looks++ === LOOKS) await mend(id, victim)
        return embedded.tasks.AwaitReplicasLonger?.(input)
      }
      try {
        const runs = await rotate(id, { state, act }, { AwaitReplicasLonger })
        await expectServed(where, victim, conduct)
        for (const run of runs) {
          expectNoWait(run)
          expectToldOnce(run)
        }
      } finally {
        await mend(id, victim)
      }
      const { VersionIdsToStages = {} } = await embedded.secrets.send(
        new DescribeSecretCommand({ SecretId: id }),
      )
      const pending = Object.values(VersionIdsToStages).filter(
        stages => stages.includes('AWSPENDING') && !stages.includes('AWSCURRENT'),
      )
      expect(pending, `${where}: nothing is pending`).toEqual([])
      await expectServed(where)
      for (const { failure, told } of await rotate(id))
        expect([failure, told.at(-1)], where).toEqual([undefined, 'Credential Replicated'])
      await expectServed(where)
    })
  })

  test('there were as many cases as there are states and faults', () => {
    expect(count).toBe(states.length * Object.keys(faults).length)
    console.info(`${place.name}, ${strategy}, two replicas: ${count} faults`)
  })
})

/** From SetSecret to FinishSecret it is as without replicas. */
function expectNoWait({ states, tries }: Run): void {
  const from = states.indexOf('SetSecret')
  if (from < 0) return
  expect(states.slice(from, from + 4)).toEqual(['SetSecret', 'TestSecret', 'FinishSecret', 'AnnounceSuccess'])
  expect(tries).toMatchObject({ SetSecret: 1, TestSecret: 1, FinishSecret: 1 })
}

/** Either it failed before it changed anything, or every Region has the value in the end: each is told once. */
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
