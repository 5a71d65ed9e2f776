import { setTimeout as sleep } from 'node:timers/promises'
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import type { Tags } from '../../rotation/tags.ts'
import type { Context } from '../context.ts'
import { type FoundSecret, toFoundSecret } from '../credential.ts'
import { listedReplica } from './copies.ts'

/**
 * Milliseconds from one change to the next, which makes twenty a second. Secrets Manager allows fifty for an account and Region:
 * the rest is left to other callers.
 * @see https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
 */
const CALL_INTERVAL_MS = 50

/** Whether a KMS key is aws/secretsmanager, which encrypts a replica unless another key is given. */
export const isDefaultKey = (key: string) => /(^|:)alias\/aws\/secretsmanager$/.test(key)

/**
 * The calls by which the command changes the replicas and tags of secrets, at most twenty a second, and the one that describes a
 * secret. None of them has Secrets Manager overwrite a secret that has the replica's name in the other Region: that secret may
 * have been promoted.
 */
export class SecretCalls {
  readonly #client: SecretsManagerClient
  /** When the next change may be made, in milliseconds of Date.now(). */
  #next = 0

  private constructor(client: SecretsManagerClient) {
    this.#client = client
  }

  /** Makes the calls for the context's Region. */
  static async of({ clients }: Context): Promise<SecretCalls> {
    return new SecretCalls(await clients.secrets())
  }

  /** Describes a secret. @param SecretId its ARN or name */
  async find(SecretId: string): Promise<FoundSecret> {
    const { DescribeSecretCommand } = await import('@aws-sdk/client-secrets-manager')
    return toFoundSecret(await this.#client.send(new DescribeSecretCommand({ SecretId })))
  }

  /** Starts to replicate a secret to a Region, or starts again if it has a replica there. */
  async replicate(SecretId: string, Region: string, key: string | undefined): Promise<void> {
    const { ReplicateSecretToRegionsCommand } = await import('@aws-sdk/client-secrets-manager')
    const AddReplicaRegions = [{ Region, ...(key && !isDefaultKey(key) && { KmsKeyId: key }) }]
    await this.#waitForSlot()
    await this.#client.send(new ReplicateSecretToRegionsCommand({ SecretId, AddReplicaRegions }))
  }

  /**
   * Deletes the replica in a Region, at once and for good. If the call fails but the replica is gone, only the answer was lost,
   * and that is a success.
   */
  async remove(SecretId: string, region: string): Promise<void> {
    const { RemoveRegionsFromReplicationCommand } = await import('@aws-sdk/client-secrets-manager')
    const command = new RemoveRegionsFromReplicationCommand({ SecretId, RemoveReplicaRegions: [region] })
    await this.#waitForSlot()
    try {
      await this.#client.send(command)
    } catch (error) {
      const found = await this.find(SecretId).catch(() => undefined)
      if (!found || listedReplica(found.secret, region)) throw error
    }
  }

  /** Sets these tags, and leaves the others. */
  async tag(SecretId: string, tags: Tags): Promise<void> {
    const { TagResourceCommand } = await import('@aws-sdk/client-secrets-manager')
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
    await this.#waitForSlot()
    await this.#client.send(new TagResourceCommand({ SecretId, Tags }))
  }

  /** Removes the tags with these keys. */
  async untag(SecretId: string, ...TagKeys: string[]): Promise<void> {
    const { UntagResourceCommand } = await import('@aws-sdk/client-secrets-manager')
    await this.#waitForSlot()
    await this.#client.send(new UntagResourceCommand({ SecretId, TagKeys }))
  }

  /** Waits until the next change may be made. */
  async #waitForSlot(): Promise<void> {
    const now = Date.now()
    const at = Math.max(now, this.#next)
    this.#next = at + CALL_INTERVAL_MS
    if (at > now) await sleep(at - now)
  }
}
