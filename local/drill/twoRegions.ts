import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import type { StateName } from '../../fleet/states.ts'
import { arnInRegion } from '../../rotation/arn.ts'
import { startDynamoDb } from '../aws/dynamoDb.ts'
import type { StoredValue } from '../client/application.ts'
import { Users } from '../client/users.ts'
import { SecretValueStore } from '../client/valueStores.ts'
import { type Embedded, startEmbedded } from '../embedded/embedded.ts'
import { type Execution, runRotation, type Tasks } from '../embedded/stateMachine.ts'
import { type PostgresStandby, startStandbyOf } from '../servers/postgresStandby.ts'
import { freePort } from '../servers/spawn.ts'
import { SecondRegion } from './secondRegion.ts'

/** The Region that is lost, and the one that goes on. */
export const LOST_REGION = 'eu-west-1'
export const SURVIVING_REGION = 'eu-central-1'

/** A moment of a rotation: before or after a state, or in the grace time, whatever its state is called. */
export type RotationMoment =
  | { when: 'before' | 'after'; state: StateName<'rotate'> }
  | { when: 'in the grace time' }

/** The ARNs of a secret in both Regions, and of its admin's in the second one. */
export type SecretArns = { from: string; here: string; adminHere?: string }

/** One version of a secret that has a label. */
export type LabelledVersion = { labels: string[]; value: StoredValue }

const PROMOTION_TABLE = { name: 'promotions', hashKey: 'kind', rangeKey: 'credential' }

/** Two Regions in this process: a PostgreSQL and its standby, secrets and their replicas, and the functions of both. */
export class TwoRegions {
  /** The first Region; its Secrets Manager has both. */
  readonly embedded: Embedded
  readonly secondRegion: SecondRegion
  /** Where applications of either Region read their secrets. */
  readonly valueStores: { from: SecretValueStore; here: SecretValueStore }
  readonly #here: SecretsManagerClient
  /** All that ends with it, but the standby, which listens at this port. */
  readonly #started: AsyncDisposableStack
  readonly #port: number
  #standby: PostgresStandby | undefined
  /** What stands still in the first Region, and what it waits for: the end of all. */
  readonly #standing: Promise<unknown>[] = []
  readonly #end = Promise.withResolvers<never>()

  private constructor(
    embedded: Embedded,
    second: SecondRegion,
    { port, started }: { port: number; started: AsyncDisposableStack },
  ) {
    this.embedded = embedded
    this.secondRegion = second
    this.#end.promise.catch(() => {})
    this.#here = new SecretsManagerClient({ endpoint: embedded.secretsManager.url, region: SURVIVING_REGION })
    this.valueStores = {
      from: new SecretValueStore(embedded.secrets),
      here: new SecretValueStore(this.#here),
    }
    this.#port = port
    this.#started = started
  }

  /** Starts all but the standby. The functions of the first Region are in this thread, and read its environment. */
  static async start(): Promise<TwoRegions> {
    process.env.KEYTURN_PEER_REGIONS = SURVIVING_REGION
    await using started = new AsyncDisposableStack()
    const embedded = started.adopt(await startEmbedded(), each => each.stop())
    const dynamo = started.adopt(await startDynamoDb(PROMOTION_TABLE), each => each.stop())
    const folder = started.adopt(mkdtempSync(join(tmpdir(), 'keyturn-drill-')), path =>
      rmSync(path, { recursive: true, force: true }),
    )
    const port = await freePort()
    const { postgres } = embedded
    const map = { [`${postgres.host}:${postgres.port}`]: `${postgres.host}:${port}` }
    const KEYTURN_HOST_MAP = join(folder, 'hosts.json')
    writeFileSync(KEYTURN_HOST_MAP, JSON.stringify(map))
    const env = {
      ...process.env,
      AWS_REGION: SURVIVING_REGION,
      AWS_ENDPOINT_URL_DYNAMODB: dynamo.url,
      KEYTURN_PEER_REGIONS: LOST_REGION,
      KEYTURN_HOST_MAP,
      KEYTURN_PROMOTION_TABLE: PROMOTION_TABLE.name,
      KEYTURN_ROTATION_FUNCTION: `arn:aws:lambda:${SURVIVING_REGION}:123456789012:function:keyturn-local-rotateSecret`,
    }
    const second = started.adopt(await SecondRegion.start(env), each => each.stop())
    return new TwoRegions(embedded, second, { port, started: started.move() })
  }

  get standby(): PostgresStandby {
    if (!this.#standby) throw new Error('no standby follows yet')
    return this.#standby
  }

  /** Has a standby follow the PostgreSQL of the first Region, in place of the one that may have done so before. */
  async startStandby(): Promise<void> {
    await this.#standby?.stop()
    this.#standby = await startStandbyOf(this.embedded.postgres, { port: this.#port })
  }

  /** Makes a user of the first Region's PostgreSQL and its secret, with a replica; with an admin, users alternate. */
  async enrol(user: string, { admin: adminName }: { admin?: string } = {}): Promise<SecretArns> {
    await using users = await Users.connect(this.embedded.postgres, this.valueStores.from, 'drill/')
    const home = { 'keyturn:home': LOST_REGION }
    const admin = adminName === undefined ? undefined : await users.makeAdmin(adminName, home)
    const id = await users.enrol(user, { tags: home, ...(admin && { admin }) })
    for (const SecretId of admin ? [admin.arn, id] : [id])
      await this.embedded.secrets.send(
        new ReplicateSecretToRegionsCommand({ SecretId, AddReplicaRegions: [{ Region: SURVIVING_REGION }] }),
      )
    return {
      from: id,
      here: arnInRegion(id, SURVIVING_REGION),
      ...(admin && { adminHere: arnInRegion(admin.arn, SURVIVING_REGION) }),
    }
  }

  /** Rotates a secret of the first Region, to the end. */
  rotate(id: string, { grace = 0 } = {}): Promise<Execution> {
    return runRotation(
      this.embedded.tasks,
      randomUUID(),
      { store: 'secrets-manager', id },
      { graceMs: grace },
    )
  }

  /** Rotates a secret of the first Region up to a moment; there the execution stands still. */
  async rotateUntil(id: string, moment: RotationMoment, { grace = 1000 } = {}): Promise<void> {
    const reached = Promise.withResolvers<void>()
    const before = moment.when === 'before' && moment.state
    const after = moment.when === 'after' && moment.state
    let stands = false
    const stand = () => {
      stands = true
      reached.resolve()
      return this.#end.promise
    }
    const tasks: Tasks = Object.fromEntries(
      Object.entries(this.embedded.tasks).map(([name, task]) => [
        name,
        async (input: unknown) => {
          if (stands || name === before) return stand()
          const result = await task(input)
          return name === after ? stand() : result
        },
      ]),
    )
    const entered = (name: string) => {
      // It runs nothing that could stand still: what comes after it does.
      if (moment.when === 'in the grace time' && name.startsWith('Grace')) stand()
    }
    const run = runRotation(
      tasks,
      randomUUID(),
      { store: 'secrets-manager', id },
      { graceMs: grace, onStateEntered: entered },
    )
    this.#standing.push(run)
    const ended = run.then(({ states, failure }) => {
      throw new Error(`the rotation did not come to the moment: ${failure?.error ?? states.at(-1)}`)
    })
    await Promise.race([reached.promise, ended])
  }

  /** The first Region is gone: its database dies as in a crash, and its Secrets Manager answers no more. */
  async loseFirstRegion(): Promise<void> {
    this.embedded.secretsManager.setRegionBehaviour(LOST_REGION, { endpoint: 'closed' })
    await this.embedded.postgres.kill()
  }

  /** It is back, with all that it had. */
  async bringBackFirstRegion(): Promise<void> {
    await this.embedded.postgres.restart()
    this.embedded.secretsManager.setRegionBehaviour(LOST_REGION, {})
  }

  /** The labelled versions of a secret of the second Region, as `current`, `pending` and `previous`. */
  async labelledVersions(SecretId: string): Promise<LabelledVersion[]> {
    const { VersionIdsToStages = {} } = await this.#here.send(new DescribeSecretCommand({ SecretId }))
    return Promise.all(
      Object.entries(VersionIdsToStages).map(async ([VersionId, stages]) => {
        const found = await this.#here.send(new GetSecretValueCommand({ SecretId, VersionId }))
        const labels = stages.map(stage => stage.replace('AWS', '').toLowerCase())
        return { labels, value: JSON.parse(found.SecretString ?? '') }
      }),
    )
  }

  async stop(): Promise<void> {
    this.#end.reject(new Error('the Region was lost'))
    await Promise.all(this.#standing)
    await this.#standby?.stop()
    await this.#started.disposeAsync()
  }
}
