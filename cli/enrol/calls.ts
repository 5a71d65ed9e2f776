import type { RotationRulesType } from '@aws-sdk/client-secrets-manager'
import type { Tags } from '../../rotation/tags.ts'
import type { Context } from '../context.ts'
import type { FoundCredential, FoundSecret } from '../credential.ts'
import { SecretCalls } from '../replicas/calls.ts'
import { rotateSecret } from '../rotateSecret.ts'

/** How Secrets Manager is to rotate a secret. */
export type ServiceRotation = {
  /** The ARN of the rotation function. */
  function: string
  /** The schedule. Unset: the secret keeps the one it has. */
  rules?: RotationRulesType | undefined
  /** Whether to rotate at once as well. */
  now: boolean
  /** The id of the version that the rotation at once makes. */
  token?: string
}

/** The calls by which `enrol` and `unenrol` change the tags of a credential, and how Secrets Manager rotates it. */
export class CredentialCalls {
  readonly #context: Context
  readonly #secrets: SecretCalls

  private constructor(context: Context, secrets: SecretCalls) {
    this.#context = context
    this.#secrets = secrets
  }

  /** An object that makes the calls in the Region of this context. */
  static async of(context: Context): Promise<CredentialCalls> {
    return new CredentialCalls(context, await SecretCalls.of(context))
  }

  /** The secret as it is now. */
  find(arn: string): Promise<FoundSecret> {
    return this.#secrets.find(arn)
  }

  /** Sets these tags, and leaves the others. */
  async tag({ store, arn, name }: FoundCredential, tags: Tags): Promise<void> {
    if (store === 'secrets-manager') return this.#secrets.tag(arn, tags)
    const { AddTagsToResourceCommand } = await import('@aws-sdk/client-ssm')
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
    const client = await this.#context.clients.parameters()
    await client.send(new AddTagsToResourceCommand({ ResourceType: 'Parameter', ResourceId: name, Tags }))
  }

  /** Removes the tags with these keys. */
  async untag({ store, arn, name }: FoundCredential, keys: string[]): Promise<void> {
    if (store === 'secrets-manager') return this.#secrets.untag(arn, ...keys)
    const { RemoveTagsFromResourceCommand } = await import('@aws-sdk/client-ssm')
    const client = await this.#context.clients.parameters()
    const about = { ResourceType: 'Parameter', ResourceId: name, TagKeys: keys } as const
    await client.send(new RemoveTagsFromResourceCommand(about))
  }

  /**
   * Has Secrets Manager rotate a secret with a function. If the call fails, but the secret has that function afterwards and had
   * another before, only the answer was lost: that counts as a success.
   * @throws Unsure if the call failed and the secret cannot be read; else what AWS throws. A secret that had that function before
   *   shows nothing about the call, so then the error is thrown too
   */
  async rotateBy(
    found: FoundSecret,
    { function: RotationLambdaARN, rules, now, token }: ServiceRotation,
  ): Promise<void> {
    try {
      await rotateSecret(this.#context, found, {
        RotationLambdaARN,
        RotateImmediately: now,
        ...(rules && { RotationRules: rules }),
        ...(token && { ClientRequestToken: token }),
      })
    } catch (error) {
      await this.#throwUnlessDone(error, found, rotatedBy => rotatedBy === RotationLambdaARN)
    }
  }

  /** Ends Secrets Manager's rotation of a secret. @throws as `rotateBy` does */
  async cancelRotation(found: FoundSecret): Promise<void> {
    const { CancelRotateSecretCommand } = await import('@aws-sdk/client-secrets-manager')
    const client = await this.#context.clients.secrets()
    try {
      await client.send(new CancelRotateSecretCommand({ SecretId: found.arn }))
    } catch (error) {
      await this.#throwUnlessDone(error, found, rotatedBy => rotatedBy === undefined)
    }
  }

  /**
   * Reads a secret after a call has failed, and returns if the call was done all the same.
   * @param isDone gets the function that rotates the secret after the failure (undefined: none), and tells whether this proves
   *   that the call was done
   * @throws the error if nothing proves that the call was done; Unsure if the secret cannot be read
   */
  async #throwUnlessDone(
    error: unknown,
    { arn, secret: before }: FoundSecret,
    isDone: (rotatingFunction: string | undefined) => boolean,
  ) {
    const now = await this.find(arn).catch(() => undefined)
    if (!now) throw new Unsure(error)
    const rotatingFunction = ({ RotationEnabled, RotationLambdaARN }: FoundSecret['secret']) =>
      RotationEnabled ? RotationLambdaARN : undefined
    if (!isDone(rotatingFunction(now.secret)) || rotatingFunction(now.secret) === rotatingFunction(before))
      throw error
  }
}

/** A call failed, and it is not known whether it was done all the same. `cause` is the call's error. */
export class Unsure extends Error {
  override readonly name = 'Unsure'
  constructor(cause: unknown) {
    super('a call failed, and whether it was done is not known', { cause })
  }
}
