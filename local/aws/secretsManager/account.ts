import { markedForDeletionError, replicaIsReadOnlyError, resourceNotFoundError } from './errors.ts'
import type { Secret } from './secret.ts'

/** The secrets of one account, in every Region. */
export class Account {
  readonly #regions = new Map<string, Map<string, Secret>>()
  readonly #clock: () => number
  /** The last timestamp, in milliseconds. */
  #lastTimestampMs = 0

  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** A Region's secrets, by name; also those that are marked for deletion. */
  secretsIn(region: string): Map<string, Secret> {
    const secrets = this.#regions.get(region) ?? new Map<string, Secret>()
    this.#regions.set(region, secrets)
    return secrets
  }

  /** The secrets of all Regions. */
  allSecrets(): Secret[] {
    return [...this.#regions.values()].flatMap(secrets => [...secrets.values()])
  }

  /** Finds a secret by its name or its ARN, also an ARN without the random end. @throws AwsError ResourceNotFoundException */
  find(region: string, id = ''): Secret {
    for (const secret of this.secretsIn(region).values())
      if ([secret.name, secret.arn, secret.arn.slice(0, -7)].includes(id)) return secret
    throw resourceNotFoundError('secret')
  }

  /** Like `find`. @throws AwsError if the secret is marked for deletion */
  findLive(region: string, id: string | undefined): Secret {
    const secret = this.find(region, id)
    if (secret.deleted) throw markedForDeletionError()
    return secret
  }

  /** Like `findLive`. @throws AwsError if the secret is a replica */
  findPrimary(region: string, id: string | undefined): Secret {
    const secret = this.findLive(region, id)
    if (secret.primaryRegion) throw replicaIsReadOnlyError()
    return secret
  }

  /** The time now, in milliseconds since 1970. */
  nowMs(): number {
    return this.#clock()
  }

  /** The time now, in seconds since 1970, and at least a millisecond after the last one: so dates tell the order. */
  nextTimestamp(): number {
    this.#lastTimestampMs = Math.max(this.#clock(), this.#lastTimestampMs + 1)
    return this.#lastTimestampMs / 1000
  }
}
