import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  type DescribeSecretResponse,
  GetSecretValueCommand,
  ListSecretsCommand,
  ReplicateSecretToRegionsCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { vi } from 'vitest'
import { type PromotionNote, PromotionTable } from '../../fleet/promotion/promotionTable.ts'
import { type DynamoDbServer, startDynamoDb } from '../../local/aws/dynamoDb.ts'
import { type Embedded, type FunctionName, startEmbedded } from '../../local/embedded/embedded.ts'
import { type BusEvent, makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import { type Execution, functionsOf, runExecution, type Tasks } from '../../local/embedded/stateMachine.ts'
import { arnInRegion } from '../../rotation/arn.ts'

/** The Region that is lost, and the one to which its replicas go. */
export const lostRegion = 'eu-west-1'
export const survivingRegion = 'eu-central-1'
/** The database's host in the lost Region. `newHost` is that of its copy in the surviving one. */
export const lostHost = `db.${lostRegion}.example.com`
const newHost = 'localhost'

/** The ARN of rotateSecret in the surviving Region. */
export const rotationFunction = `arn:aws:lambda:${survivingRegion}:123456789012:function:keyturn-local-rotateSecret`

/** A secret to make. Text is stored as it is, an object as JSON. */
type NewSecret = { value: object | string; tags?: Record<string, string>; replicate?: boolean }

/**
 * Two Regions in one process: secrets in the first with replicas in the second (here: the surviving Region), and in the second
 * the functions and the table of promotions.
 */
export class LostRegion {
  readonly embedded: Embedded
  readonly dynamo: DynamoDBClient
  readonly table: PromotionTable
  /** Clients of Secrets Manager in the lost and in the surviving Region. */
  readonly lostClient: SecretsManagerClient
  readonly survivingClient: SecretsManagerClient
  /** The functions of promote and rotate in the surviving Region. */
  readonly tasks: Tasks = {}
  /** What these functions have put on the event bus. */
  events: BusEvent[] = []
  readonly #server: DynamoDbServer
  readonly #folder: string

  private constructor(embedded: Embedded, server: DynamoDbServer, folder: string) {
    this.embedded = embedded
    this.#server = server
    this.#folder = folder
    const { url } = embedded.secretsManager
    this.lostClient = new SecretsManagerClient({ endpoint: url, region: lostRegion })
    this.survivingClient = new SecretsManagerClient({ endpoint: url, region: survivingRegion })
    this.dynamo = new DynamoDBClient({ endpoint: server.url, region: survivingRegion })
    this.table = new PromotionTable(this.dynamo, 'promotions')
  }

  /** Starts both. `map` says which host replaces which in a promotion, and `trust` lists more CA files. */
  static async start({
    map = { [lostHost]: newHost } as Record<string, string>,
    trust = [] as string[],
  } = {}): Promise<LostRegion> {
    process.env.KEYTURN_PEER_REGIONS = survivingRegion
    const table = { name: 'promotions', hashKey: 'kind', rangeKey: 'credential' }
    const [server, embedded] = await Promise.all([startDynamoDb(table), startEmbedded({ trust })])
    await settleRegion(embedded.tasks)
    const folder = mkdtempSync(join(tmpdir(), 'keyturn-map-'))
    writeFileSync(join(folder, 'hosts.json'), JSON.stringify(map))
    Object.assign(process.env, {
      AWS_REGION: survivingRegion,
      AWS_ENDPOINT_URL_DYNAMODB: server.url,
      // Nothing answers at this address, so that no database counts as RDS's.
      AWS_ENDPOINT_URL_RDS: 'http://127.0.0.1:9',
      KEYTURN_PEER_REGIONS: lostRegion,
      KEYTURN_HOST_MAP: join(folder, 'hosts.json'),
      KEYTURN_PROMOTION_TABLE: table.name,
      KEYTURN_ROTATION_FUNCTION: rotationFunction,
    })
    const region = new LostRegion(embedded, server, folder)
    // Modules are loaded again, so that this Region's functions do not share clients with the lost Region's.
    vi.resetModules()
    const { loadHandler } = await import('../../local/embedded/embedded.ts')
    for (const machine of ['promote', 'rotate'] as const)
      for (const [state, file] of functionsOf(machine))
        region.tasks[state] = await loadHandler(file as FunctionName)
    await settleRegion(region.tasks)
    const bus = makeEventBusTasks(entry => region.events.push(entry))
    Object.assign(region.tasks, bus)
    return region
  }

  async stop(): Promise<void> {
    await this.embedded.stop()
    await this.#server.stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Makes Secrets Manager in the lost Region refuse connections, or answer again. */
  set isLost(lost: boolean) {
    this.embedded.secretsManager.setRegionBehaviour(lostRegion, lost ? { endpoint: 'closed' } : {})
  }

  /** Makes a secret in the lost Region, with a replica in the surviving one. @returns the replica's ARN */
  async add(name: string, { value, tags = {}, replicate = true }: NewSecret): Promise<string> {
    const Tags = Object.entries({ 'keyturn:managed': 'true', 'keyturn:home': lostRegion, ...tags }).map(
      ([Key, Value]) => ({
        Key,
        Value,
      }),
    )
    const SecretString = typeof value === 'string' ? value : JSON.stringify(value)
    const { ARN = '' } = await this.lostClient.send(
      new CreateSecretCommand({ Name: name, SecretString, Tags }),
    )
    if (replicate) await this.replicate(ARN)
    return arnInRegion(ARN, survivingRegion)
  }

  /** Makes a secret that is only in the surviving Region. @returns its ARN */
  async addHere(Name: string, value: object | string, tags: Record<string, string>): Promise<string> {
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
    const SecretString = typeof value === 'string' ? value : JSON.stringify(value)
    const { ARN = '' } = await this.survivingClient.send(
      new CreateSecretCommand({ Name, SecretString, Tags }),
    )
    return ARN
  }

  async replicate(SecretId: string): Promise<void> {
    const AddReplicaRegions = [{ Region: survivingRegion }]
    await this.lostClient.send(new ReplicateSecretToRegionsCommand({ SecretId, AddReplicaRegions }))
  }

  /** Deletes every secret and every note on a promotion. */
  async clear(): Promise<void> {
    this.isLost = false
    for (const client of [this.lostClient, this.survivingClient]) {
      const { SecretList = [] } = await client.send(new ListSecretsCommand({ MaxResults: 1000 }))
      const own = SecretList.filter(({ PrimaryRegion }) => !PrimaryRegion)
      for (const { ARN: SecretId } of own)
        await client.send(new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }))
    }
    for (const kind of ['promotion', 'rehearsal'] as const)
      for (const { credential } of await this.table.list(kind)) await this.table.forget(kind, credential)
  }

  /** @returns DescribeSecret's answer in the surviving Region, with its tags as an object */
  async describe(SecretId: string): Promise<DescribeSecretResponse & { tags: Record<string, string> }> {
    const found = await this.survivingClient.send(new DescribeSecretCommand({ SecretId }))
    return {
      ...found,
      tags: Object.fromEntries((found.Tags ?? []).map(({ Key = '', Value = '' }) => [Key, Value])),
    }
  }

  /** @returns the value that an application in the surviving Region reads */
  async readAsApplication(SecretId: string): Promise<Record<string, unknown>> {
    const { SecretString = '' } = await this.survivingClient.send(new GetSecretValueCommand({ SecretId }))
    return JSON.parse(SecretString)
  }

  /** Runs an execution of promote. `instead` replaces the functions of these states. */
  promote(
    input: object = { from: lostRegion },
    instead: Tasks = {},
    name = randomUUID(),
  ): Promise<Execution> {
    return runExecution('promote', { ...this.tasks, ...instead }, name, input)
  }

  /** Rotates a secret in the surviving Region (here) or in the lost one (there). */
  rotate(id: string, where: 'here' | 'there', name = randomUUID()): Promise<Execution> {
    const tasks = where === 'here' ? this.tasks : this.embedded.tasks
    return runExecution('rotate', tasks, name, { store: 'secrets-manager', id })
  }

  /** @returns the notes on promotions or rehearsals, by the secret's name */
  async readNoted(kind: PromotionNote['kind'] = 'promotion'): Promise<Map<string, PromotionNote>> {
    return new Map((await this.table.list(kind)).map(note => [note.name, note]))
  }
}

/**
 * Calls two functions, so that their clients take the Region of the environment: a client of the SDK reads its Region at the
 * first call and keeps it. The functions that log in to databases share one client, and the other functions another.
 */
async function settleRegion({ CreateSecret, RollbackSecret }: Tasks): Promise<void> {
  const [execution, rotation] = [randomUUID(), { store: 'secrets-manager', id: 'none' }]
  for (const task of [CreateSecret, RollbackSecret])
    await Promise.resolve(task?.({ execution, rotation })).catch(() => {})
}
