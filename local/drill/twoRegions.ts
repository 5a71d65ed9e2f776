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

/** The Region that is lost. */
export const LOST_REGION = 'eu-west-1'
/** The Region in which the secrets are promoted. */
export const SURVIVING_REGION = 'eu-central-1'

/** A moment of a rotation: before or after a state, or in the grace time, for which rotate has more than one Wait state. */
export type RotationMoment =
  | { when: 'before' | 'after'; state: StateName<'rotate'> }
  | { when: 'in the grace time' }

/** The ARNs of a secret in the lost Region (`from`) and in the surviving one (`here`), and of its admin's secret in the latter. */
export type SecretArns = { from: string; here: string; adminHere?: string }

/** A version of a secret that has labels: `current`, `pending` or `previous`. */
export type LabelledVersion = { labels: string[]; value: StoredValue }

const PROMOTION_TABLE = { name: 'promotions', hashKey: 'kind', rangeKey: 'credential' }

/**
 * Two Regions in this process: a PostgreSQL and its standby, secrets and their replicas, and the functions of both. `from` is what
 * belongs to the Region that is lost, `here` what belongs to the surviving one.
 */
export class TwoRegions {
  /** What runs in the first Region. Its Secrets Manager serves both Regions. */
  readonly embedded: Embedded
  readonly secondRegion: SecondRegion
  /** Where the applications of each Region read their secrets. */
  readonly valueStores: { from: SecretValueStore; here: SecretValueStore }
  /** Secrets Manager in the second Region. */
  readonly #here: SecretsManagerClient
  /** All that is stopped at the end, but the standby. */
  readonly #started: AsyncDisposableStack
  /** Where the standby listens. */
  readonly #standbyPort: number
  #standby: PostgresStandby | undefined
  /** Executions of the first Region that stand still. Each waits for the promise of `#end`, which `stop` rejects. */
  readonly #stoppedRuns: Promise<unknown>[] = []
  readonly #end = Promise.withResolvers<never>()

  private constructor(
    embedded: Embedded,
    secondRegion: SecondRegion,
    { standbyPort, started }: { standbyPort: number; started: AsyncDisposableStack },
  ) {
    this.embedded = embedded
    this.secondRegion = secondRegion
    this.#end.promise.catch(() => {})
    this.#here = new SecretsManagerClient({ endpoint: embedded.secretsManager.url, region: SURVIVING_REGION })
    this.valueStores = {
      from: new SecretValueStore(embedded.secrets),
      here: new SecretValueStore(this.#here),
    }
    this.#standbyPort = standbyPort
    this.#started = started
  }

  /** Starts everything but the standby. The functions of the first Region run in this thread, and read its environment. */
  static async start(): Promise<TwoRegions> {
    process.env.KEYTURN_PEER_REGIONS = SURVIVING_REGION
    await using started = new AsyncDisposableStack()
    const embedded = started.adopt(await startEmbedded(), each => each.stop())
    const dynamo = started.adopt(await startDynamoDb(PROMOTION_TABLE), each => each.stop())
    const folder = started.adopt(mkdtempSync(join(tmpdir(), 'keyturn-drill-')), path =>
      rmSync(path, { recursive: true, force: true }),
    )

    const standbyPort = await freePort()
    const { postgres } = embedded
    const hostMap = { [`${postgres.host}:${postgres.port}`]: `${postgres.host}:${standbyPort}` }
    const KEYTURN_HOST_MAP = join(folder, 'hosts.json')
    writeFileSync(KEYTURN_HOST_MAP, JSON.stringify(hostMap))

    const env = {
      ...process.env,
      AWS_REGION: SURVIVING_REGION,
      AWS_ENDPOINT_URL_DYNAMODB: dynamo.url,
      KEYTURN_PEER_REGIONS: LOST_REGION,
      KEYTURN_HOST_MAP,
      KEYTURN_PROMOTION_TABLE: PROMOTION_TABLE.name,
      KEYTURN_ROTATION_FUNCTION: `arn:aws:lambda:${SURVIVING_REGION}:123456789012:function:keyturn-local-rotateSecret`,
    }
    const secondRegion = started.adopt(await SecondRegion.start(env), each => each.stop())
    return new TwoRegions(embedded, secondRegion, { standbyPort, started: started.move() })
  }

  /** The standby that runs. @throws Error before `startStandby` */
  get standby(): PostgresStandby {
    if (!this.#standby) throw new Error('no standby follows yet')
    return this.#standby
  }

  /** Starts a standby that follows the PostgreSQL of the first Region. It takes the place of an earlier one, if there is one. */
  async startStandby(): Promise<void> {
    await this.#standby?.stop()
    this.#standby = await startStandbyOf(this.embedded.postgres, { port: this.#standbyPort })
  }

  /** Makes a user in the first Region's PostgreSQL, and its secret with a replica. `admin` names an admin to make: users alternate. */
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

  /** Rotates a secret of the first Region to the end. The grace time takes `grace` milliseconds. */
  rotate(id: string, { grace = 0 } = {}): Promise<Execution> {
    return runRotation(
      this.embedded.tasks,
      randomUUID(),
      { store: 'secrets-manager', id },
      { graceMs: grace },
    )
  }

  /**
   * Rotates a secret of the first Region up to a moment, where the execution stands still until `stop`.
   * @throws Error if the execution ends before that moment
   */
  async rotateUntil(id: string, moment: RotationMoment, { grace = 1000 } = {}): Promise<void> {
    const reached = Promise.withResolvers<void>()
    const before = moment.when === 'before' && moment.state
    const after = moment.when === 'after' && moment.state
    let standsStill = false
    const standStill = () => {
      standsStill = true
      reached.resolve()
      return this.#end.promise
    }
    const tasks: Tasks = Object.fromEntries(
      Object.entries(this.embedded.tasks).map(([name, task]) => [
        name,
        async (input: unknown) => {
          if (standsStill || name === before) return standStill()
          const result = await task(input)
          return name === after ? standStill() : result
        },
      ]),
    )
    const onStateEntered = (name: string) => {
      // A Wait state runs no task that could stand still: the task of the state after it does.
      if (moment.when === 'in the grace time' && name.startsWith('Grace')) standStill()
    }
    const run = runRotation(
      tasks,
      randomUUID(),
      { store: 'secrets-manager', id },
      { graceMs: grace, onStateEntered },
    )
    this.#stoppedRuns.push(run)
    const ended = run.then(({ states, failure }) => {
      throw new Error(`the rotation did not come to the moment: ${failure?.error ?? states.at(-1)}`)
    })
    await Promise.race([reached.promise, ended])
  }

  /** Loses the first Region: its database is killed, and its Secrets Manager closes every connection without an answer. */
  async loseFirstRegion(): Promise<void> {
    this.embedded.secretsManager.setRegionBehaviour(LOST_REGION, { endpoint: 'closed' })
    await this.embedded.postgres.kill()
  }

  /** Brings the first Region back, with its database and secrets as they were. */
  async bringBackFirstRegion(): Promise<void> {
    await this.embedded.postgres.restart()
    this.embedded.secretsManager.setRegionBehaviour(LOST_REGION, {})
  }

  /** The labelled versions of a secret in the second Region. Their labels are `current`, `pending` and `previous`. */
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

  /** Ends the executions that stand still, and then everything that was started. */
  async stop(): Promise<void> {
    this.#end.reject(new Error('the Region was lost'))
    await Promise.all(this.#stoppedRuns)
    await this.#standby?.stop()
    await this.#started.disposeAsync()
  }
}
