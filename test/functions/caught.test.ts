import { randomUUID } from 'node:crypto'
import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
  StopReplicationToReplicaCommand,
  TagResourceCommand,
} from '@aws-sdk/client-secrets-manager'
import { escapeIdentifier as name, escapeLiteral as text } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test, vi } from 'vitest'
import type { StateName } from '../../fleet/states.ts'
import { type Embedded, startEmbedded } from '../../local/embedded/embedded.ts'
import { definitionOf, runRotation, type Task, type Tasks } from '../../local/embedded/stateMachine.ts'
import type { PostgresServer } from '../../local/servers/postgres.ts'
import { admits, runStatements } from '../../local/servers/postgresDatabase.ts'
import { PENDING_WAIT_MS } from '../../rotation/awaitPending.ts'
import { Credential } from '../../rotation/credential.ts'
import { givenUpTag } from '../../rotation/tags.ts'
import { captureOutput } from '../support/observe.ts'

/*
 * Executions that were in the middle of a rotation when their Region was lost, and go on when it is back, after the other Region was
 * promoted. docs/disaster-recovery.md has the same table of what each does.
 */

const [home, elsewhere] = ['eu-west-1', 'us-east-1']
Object.assign(PENDING_WAIT_MS, { pending: 2000, pause: 20 })
// Set before any function is loaded.
process.env.KEYTURN_PEER_REGIONS = elsewhere
const [second] = inject('postgres')
let embedded: Embedded
let there: SecretsManagerClient
beforeAll(async () => {
  embedded = await startEmbedded()
  there = new SecretsManagerClient({ endpoint: embedded.secretsManager.url, region: elsewhere })
})
afterAll(() => embedded?.stop())
beforeEach(() => void captureOutput())

/** The point at which an execution is interrupted: before this state, with this strategy, and after what has failed. */
type Caught = {
  before: StateName<'rotate'>
  strategy: 'single-user' | 'alternating-users' | 'temporary-clone'
  testFails?: true
  /** Whether it has the state machine of the last release, which asks no other Region. */
  release?: 'last'
  /** The states that it then enters, and the error with which it fails. */
  ends: string
  /** The same if the server is the other Region's, which has rotated since. */
  endsOther?: string
  /** What must have happened in the other Region so that its application is refused, if both Regions use one server. */
  refusedAfter?: (typeof sinces)[number]
}
const leftOpen = 'AwaitReplicasLonger, LeftOpen'
const finished = `FinishSecret, AwaitReplicas, ${leftOpen}`
const set = `SetSecret, TestSecret, ${finished}`
const rolledBack = 'RollbackSecret, RotationFailed (TestFailed)'
const lockedOut = 'RollbackSecret, RollbackFailed (LockedOut)'
const caught: Caught[] = [
  {
    ...{ before: 'SetSecret', strategy: 'single-user' },
    ...{ ends: set, endsOther: `SetSecret, ${lockedOut}`, refusedAfter: 'nothing' },
  },
  { before: 'SetSecret', strategy: 'alternating-users', ends: set, refusedAfter: 'a rotation there' },
  { before: 'FinishSecret', strategy: 'single-user', ends: finished },
  { before: 'FinishSecret', strategy: 'alternating-users', ends: finished },
  {
    ...{ before: 'RollbackSecret', strategy: 'single-user', testFails: true },
    ...{ ends: rolledBack, endsOther: lockedOut, refusedAfter: 'nothing' },
  },
  { before: 'RollbackSecret', strategy: 'alternating-users', testFails: true, ends: rolledBack },
  {
    ...{ before: 'LookBeforeRetiring', strategy: 'alternating-users' },
    ends: `LookBeforeRetiring, ${leftOpen}`,
  },
  {
    ...{ before: 'RetireSecret', strategy: 'alternating-users', release: 'last' },
    ...{ ends: 'RetireSecret', refusedAfter: 'a rotation there' },
  },
  {
    ...{ before: 'LookBeforeMovingBack', strategy: 'temporary-clone' },
    ends: `LookBeforeMovingBack, ${leftOpen}`,
  },
  { before: 'MoveBack', strategy: 'temporary-clone', release: 'last', ends: 'MoveBack, Rotated' },
]
/** One server for both Regions, as behind an endpoint that follows the writer, or another one that was its copy. */
const servers = ['follows the writer', 'another server'] as const
/** Whether the promoted Region has rotated before the old one is back. */
const sinces = ['nothing', 'a rotation there'] as const
type Play = Caught & { server: (typeof servers)[number]; since: (typeof sinces)[number] }

let count = 0
class Region {
  readonly id: string
  readonly #user: string
  readonly #writer: PostgresServer
  readonly #strategy: Caught['strategy']

  private constructor(id: string, user: string, { server, strategy }: Play) {
    this.id = id
    this.#user = user
    this.#writer = server === 'another server' && second ? second : embedded.postgres
    this.#strategy = strategy
  }

  static async enrol(play: Play): Promise<Region> {
    const user = `caught_${count++}`
    const admin = play.strategy !== 'single-user' && (await embedded.users.makeAdmin(`${user}_admin`))
    const tags = { 'keyturn:home': home, 'keyturn:strategy': play.strategy, 'keyturn:grace': '1s' }
    const id = await embedded.users.enrol(user, { ...(admin && { admin }), tags })
    const AddReplicaRegions = [{ Region: elsewhere }]
    await embedded.secrets.send(new ReplicateSecretToRegionsCommand({ SecretId: id, AddReplicaRegions }))
    const region = new Region(id, user, play)
    // Both users then exist, and the next one is the first again.
    if (play.strategy === 'alternating-users') await rotate(region, embedded.tasks)
    return region
  }

  get #there(): string {
    return this.id.replace(`:${home}:`, `:${elsewhere}:`)
  }

  /** Promotes the other Region: its database is a writer, and its secret one of its own, whose current version logs in. */
  async promote(): Promise<void> {
    if (this.#writer !== embedded.postgres) await this.#copyUsers()
    const SecretId = this.#there
    await there.send(new StopReplicationToReplicaCommand({ SecretId }))
    for (const label of ['AWSCURRENT', 'AWSPREVIOUS', 'AWSPENDING']) {
      const value = await this.#served(label)
      if (!value || !(await admits(this.#writer, Credential.parse(value)))) continue
      await this.#put(value)
      break
    }
    const Tags = [
      { Key: 'keyturn:home', Value: elsewhere },
      { Key: givenUpTag(home), Value: '2026-11-30 promoted in its place' },
    ]
    await there.send(new TagResourceCommand({ SecretId, Tags }))
  }

  /** Changes what a rotation in the other Region would. */
  async rotateThere(): Promise<void> {
    const value = JSON.parse((await this.#served('AWSCURRENT')) ?? '')
    const { username } = value
    const next = this.#strategy === 'single-user' ? username : this.#other(username)
    const password = randomUUID()
    await runStatements(this.#writer, `alter role ${name(next)} login password ${text(password)}`)
    await this.#put(JSON.stringify({ ...value, username: next, password }))
  }

  /** @returns whether the application in the other Region logs in with its secret's value */
  async isServedThere(): Promise<boolean> {
    return admits(this.#writer, Credential.parse((await this.#served('AWSCURRENT')) ?? ''))
  }

  #other = (username: string) => (username === this.#user ? `${this.#user}_clone` : this.#user)

  async #put(value: string): Promise<void> {
    const { host, port } = this.#writer
    const SecretString = JSON.stringify({ ...JSON.parse(value), host, port })
    await there.send(new PutSecretValueCommand({ SecretId: this.#there, SecretString }))
  }

  async #served(VersionStage: string): Promise<string | undefined> {
    const { VersionIdsToStages = {} } = await there.send(new DescribeSecretCommand({ SecretId: this.#there }))
    if (!Object.values(VersionIdsToStages).flat().includes(VersionStage)) return undefined
    const { SecretString } = await there.send(
      new GetSecretValueCommand({ SecretId: this.#there, VersionStage }),
    )
    return SecretString
  }

  async #copyUsers(): Promise<void> {
    const rows = await runStatements<{ rolname: string; rolpassword: string | null }>(
      embedded.postgres,
      `select rolname, rolpassword from pg_authid where rolname in (${text(this.#user)}, ${text(`${this.#user}_clone`)})`,
    )
    for (const { rolname, rolpassword } of rows)
      await runStatements(
        this.#writer,
        `create role ${name(rolname)} login password ${rolpassword ? text(rolpassword) : 'null'}`,
      )
  }
}

const rotate = ({ id }: Region, tasks: Tasks, options: Parameters<typeof runRotation>[3] = {}) =>
  runRotation(tasks, randomUUID(), { store: 'secrets-manager', id }, options)

type Row = { ended: string; there: string }

/** Interrupts an execution, promotes the other Region, and lets the execution go on. */
async function play(given: Play): Promise<Row> {
  const region = await Region.enrol(given)
  const caughtBefore: Task = async input => {
    await region.promote()
    if (given.since !== 'nothing') await region.rotateThere()
    return embedded.tasks[given.before]?.(input)
  }
  const MoveBack: Task = () => ({ ExecutionArn: 'arn' })
  const TestSecret: Task = () => Promise.reject(Object.assign(new Error('no'), { name: 'TestFailed' }))
  const last = new URL('../compatibility/last/', import.meta.url)
  const tasks: Tasks = {
    ...embedded.tasks,
    MoveBack,
    ...(given.testFails && { TestSecret }),
    [given.before]:
      given.before === 'MoveBack'
        ? async (input: unknown) => {
            await caughtBefore(input)
            return MoveBack(input)
          }
        : caughtBefore,
  }
  const options = given.release ? { definition: definitionOf('rotate', last) } : {}
  const { states, failure } = await rotate(region, tasks, options)
  const did = states
    .slice(states.indexOf(given.before))
    .filter(state => !/^(Announce|May|Must|Had|At)/.test(state))
  return {
    ended: `${did.join(', ')}${failure ? ` (${failure.error})` : ''}`,
    there: (await region.isServedThere()) ? 'logs in' : 'is refused',
  }
}

describe('an execution that was interrupted in the old Region', () => {
  const plays = caught.flatMap(one =>
    servers.flatMap(server => sinces.map(since => ({ ...one, server, since }))),
  )
  const rows: string[][] = []

  test.each(plays)('before $before, $strategy, $server, since then $since', async given => {
    const { before, strategy, release = 'today', server, since, ends, endsOther = ends, refusedAfter } = given
    const row = await play(given)
    rows.push([before, strategy, release, server, since, row.ended, row.there])
    const isShared = server === 'follows the writer'
    expect(row).toEqual({
      ended: isShared && since === 'a rotation there' ? endsOther : ends,
      there: isShared && since === refusedAfter ? 'is refused' : 'logs in',
    })
  })

  test('has a row in the table, and with two servers no application of the other Region is refused', () => {
    vi.restoreAllMocks()
    process.stdout.write(`${rows.map(row => `| ${row.join(' | ')} |`).join('\n')}\n`)
    expect(rows).toHaveLength(plays.length)
    expect(rows.filter(row => row[3] === 'another server' && row[6] !== 'logs in')).toEqual([])
  })
})
