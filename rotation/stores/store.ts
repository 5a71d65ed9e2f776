import type { Credential, ValueParser } from '../credential.ts'
import type { Replica } from '../replicas.ts'
import type { Tags } from '../tags.ts'

/** The names of the stores, as the input of an execution has them. */
export const STORE_NAMES = ['secrets-manager', 'parameter-store'] as const
/** The name of a store. */
export type StoreName = (typeof STORE_NAMES)[number]

/** What a version is at the moment. In Secrets Manager these are the labels AWSCURRENT, AWSPENDING and AWSPREVIOUS. */
export type Stage = 'current' | 'pending' | 'previous'

/**
 * One stored version. `token` is its id, which the rotation that made it has chosen. `created` is when the version was made, in
 * milliseconds since 1970, where the store tells.
 */
export type Version = { token: string; credential: Credential; created?: number }

/** The message of TokenReused for a token whose value is older than the current one. */
export const olderTokenMessage = (token: string) =>
  `version ${token} is older than the current one, which has replaced it`

/** What a store tells about a secret or parameter without its values. */
export type Description = {
  /** The token of the current version. */
  current: string | undefined
  /** The token of the pending version; undefined also if the label is on the current version, where a rotation may leave it. */
  pending: string | undefined
  /** The token of the previous version. */
  previous: string | undefined
  tags: Tags
  /** The AWS service that made this secret and rotates it by itself, such as `rds`. */
  owner?: string | undefined
  /**
   * Set if a rotation could not end well in this store: `field` is the property that stands in the way, `problem` what is wrong.
   */
  obstacle?: { field: string; problem: string } | undefined
  /** The customer managed KMS key that encrypts the values, as the service names it: an id, an ARN or an alias. */
  key?: string | undefined
  /** ARN of the rotation function, if Secrets Manager rotates the secret on its own schedule. */
  rotatedBy?: string | undefined
  /** The service's own name for the secret. `id` may be that name or the ARN. */
  name?: string | undefined
  arn?: string | undefined
  /** Set for a replica: the Region of its primary. Only the primary can be changed. */
  primaryRegion?: string | undefined
  /** Set for a primary: its replicas in other Regions, with the status that the service in the primary's Region reports. */
  replicas?: Replica[] | undefined
}

/**
 * A store of versions. `id` is a name, or an ARN where the service takes one. Every method may throw NotPermitted, Throttled,
 * StoreFailed, and InvalidCredential for a secret that does not exist or a value that cannot be parsed.
 */
export interface Store {
  /** The same store, for values in another format than AWS's JSON. */
  withParser(parse: ValueParser): Store

  /** Reads the labels and the tags, and no value. */
  describe(id: string): Promise<Description>

  /**
   * Reads one version: the one that holds the stage, the one with the token, or, with both, the one with the token provided that it
   * holds the stage.
   * @returns undefined if there is no such version, it does not hold the stage, or it has no value yet; from Secrets Manager also
   *   if there is no such secret
   */
  read(id: string, which: { token?: string; stage?: Stage }): Promise<Version | undefined>

  /**
   * Writes `credential` as the pending version `token`. If the token already has a value, that value stays and is made pending
   * again. So a repeated call is success, whether its first answer was lost or the rotation was rolled back.
   * @throws TokenReused if the value that the token has is for another user or server than `credential`, or is older than the
   *   current one, so that it would bring back a replaced password; in Parameter Store also if it has been current
   * @throws RotationInProgress if another version is pending. Secrets Manager cannot compare before it writes: there this is
   *   thrown only for a token that has a value. A new value takes the pending label from the other version, whose rotation then
   *   ends at its next step (see steps.ts).
   */
  propose(id: string, token: string, credential: Credential): Promise<void>

  /**
   * Checks what `propose` would refuse of a new value before it writes anything. Left out by a store that refuses none.
   * @throws InvalidCredential
   */
  wouldPropose?(id: string, token: string, credential: Credential): Promise<void>

  /**
   * Makes `token` current, provided that `replacing` is current still (compare-and-set). If `token` is current already, that is
   * success.
   * @param mustStillBePending whether `token` must also be pending still. Secrets Manager needs one call more for that, so it is
   *   checked there only if this is true; the other stores always check it.
   * @throws Superseded if another version is current, or `token` is not pending as it must be
   */
  promote(id: string, token: string, replacing: string, mustStillBePending?: boolean): Promise<void>

  /** Reads what `promote` with `mustStillBePending` would read, and changes nothing. */
  rehearsePromote(id: string, token: string): Promise<void>

  /**
   * Makes sure that `token` is not pending. It is success if the token was not pending before, or does not exist. The value stays
   * readable by its token for at least a day, as a step that was believed dead may still set it in the database. Secrets Manager
   * keeps every version for 24 hours: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
   */
  discard(id: string, token: string): Promise<void>

  /** The tokens of all versions that are stored, with or without a label, newest first. */
  listTokens(id: string): Promise<string[]>
}
