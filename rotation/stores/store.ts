import type { Credential, ValueParser } from '../credential.ts'
import type { Replica } from '../replicas.ts'
import type { Tags } from '../tags.ts'

/** The stores that an execution's input may name. */
export const STORE_NAMES = ['secrets-manager', 'parameter-store'] as const
export type StoreName = (typeof STORE_NAMES)[number]

/** The staging labels of Secrets Manager, by what they mean to a reader. */
export type Stage = 'current' | 'pending' | 'previous'

/**
 * One stored version; `token` is its id, given by the rotation that made it. `created` is when that was, in milliseconds, where
 * the store tells.
 */
export type Version = { token: string; credential: Credential; created?: number }

/** What TokenReused says of a token whose value is older than current's. */
export const olderTokenMessage = (token: string) =>
  `version ${token} is older than the current one, which has replaced it`

/** What can be known of a secret without reading a value. A label that sits on current too counts as gone. */
export type Description = {
  current: string | undefined
  pending: string | undefined
  previous: string | undefined
  tags: Tags
  /** The AWS service that made this secret and rotates it by itself, such as `rds`. */
  owner?: string | undefined
  /** Why the store would not let a rotation come to a good end, if that is known: which property of it, and what is wrong. */
  obstacle?: { field: string; problem: string } | undefined
  /** The KMS key of its values, as the service names it: an id, an ARN or an alias. Unset for AWS's own. */
  key?: string | undefined
  /** ARN of the function by which Secrets Manager rotates it, on its own schedule. */
  rotatedBy?: string | undefined
  /** What the service itself calls the secret, whichever of its names `id` is. */
  name?: string | undefined
  arn?: string | undefined
  /** Of a replica, the Region of its primary, which alone can be changed. */
  primaryRegion?: string | undefined
  /** Of a primary, its replicas in other Regions, as the service in its own Region has them. */
  replicas?: Replica[] | undefined
}

/**
 * Where versions live. `id` is whatever the service takes: a name or an ARN. Every method may throw NotPermitted,
 * Throttled, or InvalidCredential for a value that cannot be read.
 */
export interface Store {
  /** The same store, for values that are read in another format than AWS's JSON. */
  withParser(format: ValueParser): Store

  /** Labels and tags. A secret that does not exist is InvalidCredential. */
  describe(id: string): Promise<Description>

  /**
   * One version: by stage, by token, or by token provided that it holds the stage. Undefined if there is
   * no such version, it does not hold the stage, or it has no value yet.
   */
  read(id: string, which: { token?: string; stage?: Stage }): Promise<Version | undefined>

  /**
   * Writes `credential` as pending under `token`. A token that already has a value keeps it, and is made pending
   * again: so a lost answer or a second try is success, and so is one after a rollback.
   * @throws TokenReused if the kept value is for another user or server than `credential`, or older than current: it
   *   would bring back a password that was replaced.
   * @throws RotationInProgress if another version is pending. A store that cannot compare (Secrets Manager) throws it
   *   for a kept value alone; a new one takes the label, and steps.ts copes.
   */
  propose(id: string, token: string, credential: Credential): Promise<void>

  /**
   * What `propose` would refuse of a new token's value before it writes anything.
   * @throws InvalidCredential
   */
  wouldPropose?(id: string, token: string, credential: Credential): Promise<void>

  /**
   * Compare-and-set: `token` becomes current if `replacing` still is. Current already: success.
   * @throws Superseded if another version became current meanwhile; `late`, also if `token` is not pending any more. A
   *   store that needs no further call for that (all but Secrets Manager) always looks.
   */
  promote(id: string, token: string, replacing: string, late?: boolean): Promise<void>

  /** Reads what `promote` would read, also `late`, and changes nothing. */
  rehearsePromote(id: string, token: string): Promise<void>

  /**
   * `token` is no longer pending. Not pending, or no such version: success. The value stays readable by token for a
   * day at least: a step that was thought dead may have set it after all.
   */
  discard(id: string, token: string): Promise<void>

  /** The tokens of every version that is still stored, labelled or not, newest first. */
  listTokens(id: string): Promise<string[]>
}
