import type { RotationRulesType } from '@aws-sdk/client-secrets-manager'
import type { Tags } from '../../rotation/tags.ts'
import type { Context } from '../context.ts'
import type { FoundCredential, FoundSecret } from '../credential.ts'
import { SecretCalls } from '../replicas/calls.ts'
import { rotateSecret } from '../rotateSecret.ts'

/** How Secrets Manager is to rotate a secret: by which function, by which rules, and whether now too. */
export type ServiceRotation = {
  function: string
  rules?: RotationRulesType | undefined
  now: boolean
  token?: string
}

/** The calls that change how a credential rotates; every one that enrolling and its opposite make is made here. */
export class CredentialCalls {
  readonly #context: Context
  readonly #secrets: SecretCalls

  private constructor(context: Context, secrets: SecretCalls) {
    this.#context = context
    this.#secrets = secrets
  }

  static async of(context: Context): Promise<CredentialCalls> {
    return new CredentialCalls(context, await SecretCalls.of(context))
  }

  /** A secret as it is now. */
  find(arn: string): Promise<FoundSecret> {
    return this.#secrets.find(arn)
  }

  async tag({ store, arn, name }: FoundCredential, tags: Tags): Promise<void> {
    if (store === 'secrets-manager') return this.#secrets.tag(arn, tags)
    const { AddTagsToResourceCommand } = await import('@aws-sdk/client-ssm')
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
    const client = await this.#context.clients.parameters()
    await client.send(new AddTagsToResourceCommand({ ResourceType: 'Parameter', ResourceId: name, Tags }))
  }

  async untag({ store, arn, name }: FoundCredential, keys: string[]): Promise<void> {
    if (store === 'secrets-manager') return this.#secrets.untag(arn, ...keys)
    const { RemoveTagsFromResourceCommand } = await import('@aws-sdk/client-ssm')
    const client = await this.#context.clients.parameters()
    const about = { ResourceType: 'Parameter', ResourceId: name, TagKeys: keys } as const
    await client.send(new RemoveTagsFromResourceCommand(about))
  }

  /**
   * Has Secrets Manager rotate a secret by a function. Success as well if it does so though the call failed: the answer may
   * be lost.
   * @throws Unsure if the call failed, and the secret cannot be asked; what AWS throws if nothing was changed
   */
  async rotateBy(
    found: FoundSecret,
    { function: RotationLambdaARN, rules, now, token }: ServiceRotation,
  ): Promise<void> {
    try {
      await rotateSecret(this.#context, found, {
        ...{ RotationLambdaARN, RotateImmediately: now },
        ...(rules && { RotationRules: rules }),
        ...(token && { ClientRequestToken: token }),
      })
    } catch (error) {
      await this.#unless(error, found, isTurned => isTurned === RotationLambdaARN)
    }
  }

  /** Ends Secrets Manager's rotation of a secret. @throws as `rotateWithTasks` does */
  async cancelRotation(found: FoundSecret): Promise<void> {
    const { CancelRotateSecretCommand } = await import('@aws-sdk/client-secrets-manager')
    const client = await this.#context.clients.secrets()
    try {
      await client.send(new CancelRotateSecretCommand({ SecretId: found.arn }))
    } catch (error) {
      await this.#unless(error, found, turned => turned === undefined)
    }
  }

  /** @throws the error, unless the secret is turned as it should be by now; Unsure if that cannot be told */
  async #unless(
    error: unknown,
    { arn, secret: before }: FoundSecret,
    isDone: (by: string | undefined) => boolean,
  ) {
    const now = await this.find(arn).catch(() => undefined)
    if (!now) throw new Unsure(error)
    const by = ({ RotationEnabled, RotationLambdaARN }: FoundSecret['secret']) =>
      RotationEnabled ? RotationLambdaARN : undefined
    if (!isDone(by(now.secret)) || by(now.secret) === by(before)) throw error
  }
}

/** A call failed, and nobody can tell whether it was done all the same. */
export class Unsure extends Error {
  override readonly name = 'Unsure'
  constructor(cause: unknown) {
    super('a call failed, and whether it was done is not known', { cause })
  }
}
