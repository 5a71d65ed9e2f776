import type { EngineName } from './engines/traits.ts'
import type { StrategyName } from './strategies/strategyNames.ts'

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
  /** The Regions whose replicas the rotation waits for: all that had one when it began, but for those given up. Unset if none. */
  replicas?: string[]
  /** The grace time: seconds until what was replaced is closed; unset if nothing is closed, by the tag or by the strategy. */
  grace?: number
  /** What becomes of a temporary clone after the grace time; unset for other strategies. */
  clone?: 'drop' | 'keep'
  /** Set if the application moves to a temporary clone, so that a second rotation has to move it back: see Strategy.isOnClone. */
  halfway?: true
  /** A statement that the new credential must be able to run. */
  testQuery?: string
  /** Set if a connection pooler may stand in between: see Options. */
  pooler?: 'auth-query'
  /**
   * Set if the current password will be refused until FinishSecret, so that the later steps are rehearsed first: see rehearse.ts.
   */
  rehearse?: true
  /** Sentences about what does not stop the rotation but should be known. */
  warnings?: string[]
}
