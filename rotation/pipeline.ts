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

/** What the steps that connect to no database get: createSecret, finishSecret and awaitReplicas. */
export type StorePipeline = {
  store: Store
  /** Reads the parameter that the tag `keyturn:connection` names: AWS's JSON without the password. */
  readConnection(name: string): Promise<string>
  /** Whether the rotation with this token is at work: its execution runs and has not announced its success. */
  isRotating(token: string): Promise<boolean>
  /** Whether the execution with this token runs at all. Unlike `isRotating`, this is also true during the grace time. */
  isExecutionRunning(token: string): Promise<boolean>
  /**
   * Whether it is certain that no execution with this token changed a database: every error of its setSecret is marked so (see
   * changedNothingMark.ts). False if that is not known.
   */
  hasChangedNothing(token: string): Promise<boolean>
  /** Whether it is certain that setSecret of an execution with this token went well. Left out, as in tests, it counts as unknown. */
  wasSet?(token: string): Promise<boolean>
  /** The deployment's defaults. */
  defaults: Options
}

/** What every step gets that connects to a database. */
export type Pipeline = StorePipeline & {
  /** Loads the driver of an engine when it is first used. */
  loadEngine(name: EngineName): Promise<Engine>
  /** Reads the value of an admin's secret, by the ARN in `masterarn`. */
  readAdmin(arn: string): Promise<Credential>
  /** Loads the client of RDS when it is first used. */
  rds(): Promise<RdsCalls>
}

/** Names one rotation: `id` is the secret's name or ARN, `token` the id of the version that the rotation makes. */
export type RotationId = { id: string; token: string }

/**
 * The input of createSecret. `moveBack` asks for the rotation that moves the application back from a temporary clone, whatever
 * the tags say now. createSecret ignores it unless the token is the one derived from the current version (see `isMoveBackOf` in
 * steps.ts) and the application is on the clone.
 */
export type RotationStart = RotationId & { moveBack?: true | undefined }

/** The state of an execution: what createSecret found out and the later steps need. It holds no secret value. */
export type Rotation = RotationId & {
  /** The store's own name for the secret, where the store tells one. `id` may be that name or the ARN. */
  name?: string
  arn?: string
  /** Says together with `connection` how stored values are read: see ValueFormat. */
  engine: EngineName
  connection?: string
  /** Host of the database server. An opaque value has none: then the host and both users are empty. */
  host: string
  /** `host:port` of the database server, for the record of the rotation. The steps do not read it. */
  address?: string
  strategy: StrategyName
  /** The user of the version that is replaced. */
  user: string
  /** The user of the version that becomes current. */
  nextUser: string
  /** ARN of the admin's secret that the value names, for events and the record. The steps do not read it. */
  admin?: string
  /** The version that was current when the rotation began. */
  replaces: string
  /** The Regions that had a replica of the secret when the rotation began; unset if there was none. */
  replicas?: string[]
  /** The grace time: seconds until what was replaced is closed; unset if it is never closed. */
  grace?: number
  /** What becomes of a temporary clone after the grace time. */
  clone?: 'drop' | 'keep'
  /** Set if the application moves to a temporary clone, so that a second rotation has to move it back: see Strategy.isOnClone. */
  halfway?: true
  /** A statement that the new credential must be able to run. */
  testQuery?: string
  /** Set if a connection pooler may stand in between: see Options. */
  pooler?: 'auth-query'
  /** Set if the current password will be refused for a moment, so that the later steps are rehearsed first: see rehearse.ts. */
  rehearse?: true
  /** Sentences about what does not stop the rotation but should be known. */
  warnings?: string[]
}

/**
 * The store, set to read values in their format.
 * @throws InvalidCredential if the parameter that `connection` names cannot be used
 */
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

/** How many stored versions are tried at most when neither the current nor the pending value logs in. */
const MAX_OTHER_VERSIONS_COUNT = 10

/** The tokens of the newest stored versions, without the `known` ones, newest first. At most ten. */
export async function readOtherTokens(store: Store, id: string, ...known: Version[]): Promise<string[]> {
  const tokens = await store.listTokens(id)
  return tokens
    .filter(token => known.every(version => version.token !== token))
    .slice(0, MAX_OTHER_VERSIONS_COUNT)
}

/** The values of a change as a strategy gets them. `rotatedUsers` are the names of the users that rotate, which the admin may not be. */
export function makeChange(
  pipeline: Pipeline,
  id: string,
  current: Version,
  pending: Version,
  rotatedUsers: string[] = [],
): Change {
  const { store, isRotating } = pipeline
  async function* storedValues(): AsyncIterable<StoredValue> {
    for (const token of await readOtherTokens(store, id, current, pending)) {
      const version = await readIfParsable(store, id, { token })
      if (!version?.credential.hasSameLogin(current.credential)) continue
      yield {
        credential: withDatabaseOf(current, version.credential),
        // The order matters: a version becomes current before its rotation ends, so no moment is missed.
        isInUse: async () =>
          (await isRotating(token)) || (await store.read(id, { stage: 'current' }))?.token === token,
      }
    }
  }
  return {
    current: current.credential,
    pending: pending.credential,
    readPrevious: async () => (await readIfParsable(store, id, { stage: 'previous' }))?.credential,
    storedValues,
    readAdmin: () => readAdminOf(pipeline, current.credential, rotatedUsers),
    rds: pipeline.rds,
  }
}

/** A stored value with the database name of the current version, as the database that the stored value names may be dropped. */
export const withDatabaseOf = ({ credential: { dbname } }: Version, stored: Credential) =>
  stored.with({ dbname })

/**
 * Reads a version for a rollback.
 * @returns undefined if there is no such version, and for a value that cannot be parsed: Keyturn never set such a value in a
 *   database, so there is nothing to undo
 */
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
