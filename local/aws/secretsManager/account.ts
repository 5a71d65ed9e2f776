import { markedForDeletionError, replicaIsReadOnlyError, resourceNotFoundError } from './errors.ts'
import type { Secret } from './secret.ts'

/** The secrets of one account, in every Region. */
export class Account {
  readonly #regions = new Map<string, Map<string, Secret>>()
  readonly #clock: () => number
  #lastMoment = 0

  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** A Region's secrets, by name. */
  secretsIn(region: string): Map<string, Secret> {
    const secrets = this.#regions.get(region) ?? new Map<string, Secret>()
    this.#regions.set(region, secrets)
    return secrets
  }

  allSecrets(): Secret[] {
    return [...this.#regions.values()].flatMap(secrets => [...secrets.values()])
  }

  /** By name or ARN; the random end of the ARN may be left out. */
  find(region: string, id = ''): Secret {
    for (const secret of this.secretsIn(region).values())
      if ([secret.name, secret.arn, secret.arn.slice(0, -7)].includes(id)) return secret
    throw resourceNotFoundError('secret')
  }

  findLive(region: string, id: string | undefined): Secret {
    const secret = this.find(region, id)
    if (secret.deleted) throw markedForDeletionError()
    return secret
  }

  findPrimary(region: string, id: string | undefined): Secret {
    const secret = this.findLive(region, id)
    if (secret.primaryRegion) throw replicaIsReadOnlyError()
    return secret
  }

  /** Now, in milliseconds. */
  nowMs(): number {
    return this.#clock()
  }

  /** Now, in seconds. No two are the same, so who sorts by date gets one order. */
  nextTimestamp(): number {
    this.#lastMoment = Math.max(this.#clock(), this.#lastMoment + 1)
    return this.#lastMoment / 1000
  }
}
