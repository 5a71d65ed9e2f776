import { setTimeout as sleep } from 'node:timers/promises'
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import type { Tags } from '../../rotation/tags.ts'
import type { Context } from '../context.ts'
import { type FoundSecret, toFoundSecret } from '../credential.ts'
import { listedReplica } from './copies.ts'

/** Milliseconds from one change to the next: Secrets Manager takes 50 a second, and others need some of these. */
const CALL_INTERVAL_MS = 50

/** Whether a key is the service's own, which stands for a replica that was given none. */
export const isDefaultKey = (key: string) => /(^|:)alias\/aws\/secretsmanager$/.test(key)

/**
 * The calls that change a secret's replicas, and its tags; every one that the command makes is made here, no more than
 * twenty a second. A secret that stands in a replica's way is never overwritten: it may be one that was promoted.
 */
export class SecretCalls {
  readonly #client: SecretsManagerClient
  #next = 0

  private constructor(client: SecretsManagerClient) {
    this.#client = client
  }

  static async of({ clients }: Context): Promise<SecretCalls> {
    return new SecretCalls(await clients.secrets())
  }

  /** A secret as it is now. */
  async find(SecretId: string): Promise<FoundSecret> {
    const { DescribeSecretCommand } = await import('@aws-sdk/client-secrets-manager')
    return toFoundSecret(await this.#client.send(new DescribeSecretCommand({ SecretId })))
  }

  /** Begins a replica in a Region, or begins anew with the one that is there. */
  async replicate(SecretId: string, Region: string, key: string | undefined): Promise<void> {
    const { ReplicateSecretToRegionsCommand } = await import('@aws-sdk/client-secrets-manager')
    const AddReplicaRegions = [{ Region, ...(key && !isDefaultKey(key) && { KmsKeyId: key }) }]
    await this.#turn()
    await this.#client.send(new ReplicateSecretToRegionsCommand({ SecretId, AddReplicaRegions }))
  }

  /**
   * Deletes the replica in a Region, at once and for good. Success as well if it is gone though the call failed: the answer
   * may be lost, and another try is then refused.
   */
  async remove(SecretId: string, region: string): Promise<void> {
    const { RemoveRegionsFromReplicationCommand } = await import('@aws-sdk/client-secrets-manager')
    const command = new RemoveRegionsFromReplicationCommand({ SecretId, RemoveReplicaRegions: [region] })
    await this.#turn()
    try {
      await this.#client.send(command)
    } catch (error) {
      const found = await this.find(SecretId).catch(() => undefined)
      if (!found || listedReplica(found.secret, region)) throw error
    }
  }

  async tag(SecretId: string, tags: Tags): Promise<void> {
    const { TagResourceCommand } = await import('@aws-sdk/client-secrets-manager')
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
    await this.#turn()
    await this.#client.send(new TagResourceCommand({ SecretId, Tags }))
  }

  async untag(SecretId: string, ...TagKeys: string[]): Promise<void> {
    const { UntagResourceCommand } = await import('@aws-sdk/client-secrets-manager')
    await this.#turn()
    await this.#client.send(new UntagResourceCommand({ SecretId, TagKeys }))
  }

  async #turn(): Promise<void> {
    const now = Date.now()
    const at = Math.max(now, this.#next)
    this.#next = at + CALL_INTERVAL_MS
    if (at > now) await sleep(at - now)
  }
}
