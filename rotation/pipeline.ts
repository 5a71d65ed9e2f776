import { readAdminOf } from './admin.ts'
import { Credential } from './credential.ts'
import type { Engine } from './engines/engine.ts'
import type { EngineName } from './engines/traits.ts'
import { InvalidCredential } from './errors.ts'
import type { Options, ValueFormat } from './options.ts'
import type { RdsCalls } from './rds.ts'
import type { Store, Version } from './stores/store.ts'
import type { Change, StoredValue } from './strategies/strategy.ts'
import type { StrategyName } from './strategies/strategyNames.ts'

/** What the steps work with that ask no database. */
export type StorePipeline = {
  store: Store
  /** Reads the parameter that the tag `keyturn:connection` names. */
  readConnection(name: string): Promise<string>
  /** Whether the rotation with this token is at work: its execution runs and has not announced how it ended. */
  isRotating(token: string): Promise<boolean>
  /** Whether its execution runs, be it that it waits until what was replaced is closed. */
  isExecutionRunning(token: string): Promise<boolean>
  /**
   * Whether no execution with this token can have changed a database: each error of its setSecret says so (see
   * changedNothingMark.ts). False if that is not known.
   */
  hasChangedNothing(token: string): Promise<boolean>
  /** Whether an execution with this token has set its value: a try of its setSecret went well. Left out, nobody knows. */
  wasSet?(token: string): Promise<boolean>
  /** The deployment's defaults. */
  defaults: Options
}

/** What the steps work with. */
export type Pipeline = StorePipeline & {
  loadEngine(name: EngineName): Promise<Engine>
  /** Reads the admin's value that `masterarn` names. */
  readAdmin(arn: string): Promise<Credential>
  /** What RDS tells about its databases. */
  rds(): Promise<RdsCalls>
}

/** Names one rotation: `token` is the id of the version it makes. */
export type RotationId = { id: string; token: string }

/**
 * With `moveBack`, this is the way back from a temporary clone, whatever the tags say by now. It is believed only under the
 * token that follows from the current version's, and while the application is on the clone.
 */
export type RotationStart = RotationId & { moveBack?: true | undefined }

/** What createSecret found out and the later steps need. Anybody may read it: no secret value is in it. */
export type Rotation = RotationId & {
  /** What the store calls the secret, whichever of its names `id` is; unset where the store does not tell. */
  name?: string
  arn?: string
  /** With `connection`, what the stored values are: see Kind. */
  engine: EngineName
  connection?: string
  /** Empty, as are the users, for an opaque value. */
  host: string
  /** Its host and port, by which the record of the rotation tells the database server. No step reads it here. */
  address?: string
  strategy: StrategyName
  /** The user of the version that is replaced, and of the one that takes over. */
  user: string
  nextUser: string
  /** ARN of the admin's secret that the value names. No step reads it here: it is told, and kept in the record. */
  admin?: string
  /** The version that was current when the rotation began. */
  replaces: string
  /** The Regions that had a replica of the secret when the rotation began; unset if there was none. */
  replicas?: string[]
  /** Seconds until what was replaced is closed; unset if it never is. */
  grace?: number
  /** What becomes of a temporary clone. */
  clone?: 'drop' | 'keep'
  /** Another rotation has to follow when the grace time is over: see Strategy. */
  halfway?: true
  testQuery?: string
  /** What is said of a pooler in between: see Options. */
  pooler?: 'auth-query'
  /** Current will not log in for a moment, so the steps after setSecret are rehearsed before it: see rehearse.ts. */
  rehearse?: true
  /** What stops no rotation, and somebody should know of it, a sentence each. */
  warnings?: string[]
}

/** The store, reading values as what they are. @throws InvalidCredential if the connection is of no use */
export async function openStore(
  pipeline: Pick<StorePipeline, 'store' | 'readConnection'>,
  { engine, connection }: ValueFormat,
): Promise<Store> {
  const { store } = pipeline
  if (!connection) return engine === 'opaque' ? store.withParser(Credential.parseOpaque) : store
  const text = await pipeline.readConnection(connection)
  try {
    return store.withParser(Credential.passwordOnlyParser(text))
  } catch (error) {
    if (!(error instanceof InvalidCredential)) throw error
    throw new InvalidCredential('keyturn:connection', `in parameter ${connection}, ${error.message}`)
  }
}

/** How many stored versions are looked at when neither current nor pending tells who set a password. */
const MAX_OTHER_VERSIONS_COUNT = 10

/** The newest versions but these. */
export async function readOtherTokens(store: Store, id: string, ...known: Version[]): Promise<string[]> {
  const tokens = await store.listTokens(id)
  return tokens
    .filter(token => known.every(version => version.token !== token))
    .slice(0, MAX_OTHER_VERSIONS_COUNT)
}

/** The values of a change, as a strategy gets them. `replaced` are users that the admin may not be. */
export function makeChange(
  pipeline: Pipeline,
  id: string,
  current: Version,
  pending: Version,
  replaced: string[] = [],
): Change {
  const { store, isRotating } = pipeline
  async function* stored(): AsyncIterable<StoredValue> {
    for (const token of await readOtherTokens(store, id, current, pending)) {
      const version = await readIfParsable(store, id, { token })
      if (!version?.credential.hasSameLogin(current.credential)) continue
      yield {
        credential: withDatabaseOf(current, version.credential),
        // In this order: it becomes current before its rotation ends.
        isInUse: async () =>
          (await isRotating(token)) || (await store.read(id, { stage: 'current' }))?.token === token,
      }
    }
  }
  return {
    current: current.credential,
    pending: pending.credential,
    readPrevious: async () => (await readIfParsable(store, id, { stage: 'previous' }))?.credential,
    storedValues: stored,
    readAdmin: () => readAdminOf(pipeline, current.credential, replaced),
    rds: pipeline.rds,
  }
}

/** A stored value as it is tried: in current's database, as the one that it names may be gone. */
export const withDatabaseOf = ({ credential: { dbname } }: Version, stored: Credential) =>
  stored.with({ dbname })

/** A value that cannot be parsed was never set in a database by Keyturn: there is nothing to undo. */
export async function readIfParsable(
  store: Store,
  id: string,
  which: { token: string } | { stage: 'previous' },
): Promise<Version | undefined> {
  try {
    return await store.read(id, which)
  } catch (error) {
    if (error instanceof InvalidCredential) return undefined
    throw error
  }
}
