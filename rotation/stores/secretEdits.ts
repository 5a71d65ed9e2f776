import {
  DescribeSecretCommand,
  PutSecretValueCommand,
  type SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'
import { callAws } from '../callAws.ts'
import { InvalidCredential, RotationInProgress, Superseded, TokenReused } from '../errors.ts'
import type { Edit, Edits } from './edits.ts'

/** The staging label of a version that an edit has written and not made current yet. Rotations ignore this label. */
export const EDIT_LABEL = 'keyturn-edit'

/** The tokens of the versions that have the labels AWSCURRENT, AWSPENDING and EDIT_LABEL. */
type Labels = Record<'current' | 'pending' | 'edited', string | undefined>

/**
 * Edits in Secrets Manager. They use a label of their own, as AWSPENDING would look like a rotation. If a rotation begins at the
 * same moment, only one of the two can move AWSCURRENT, as that is a compare-and-set; the loser undoes what it did.
 * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
 */
export class SecretEdits implements Edits {
  readonly #client: SecretsManagerClient

  constructor(client: SecretsManagerClient) {
    this.#client = client
  }

  async findUnfinished(id: string): Promise<string | undefined> {
    const { edited, current } = await this.#labels(id)
    return edited === current ? undefined : edited
  }

  async make({ id, token, replacing, text }: Edit): Promise<void> {
    const command = new PutSecretValueCommand({
      SecretId: id,
      ClientRequestToken: token,
      SecretString: text,
      VersionStages: [EDIT_LABEL],
    })
    await callAws('Secrets Manager', () => this.#client.send(command), {
      ResourceExistsException() {
        throw new TokenReused(
          `version ${token} already has another value, which nobody but a person can have stored`,
        )
      },
    })
    const { current } = await this.#clearPending(id, token)
    if (current !== token) await this.#promote({ id, token, replacing })
    await this.finish({ id, token })
  }

  /**
   * Takes AWSPENDING off the current version, where a successful rotation leaves it. Once another version is current, the label
   * would look like a rotation under way, and Secrets Manager would refuse to start the next one.
   * https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
   * @returns the labels as they were before
   * @throws RotationInProgress if another version is pending
   */
  async #clearPending(id: string, token: string): Promise<Labels> {
    const found = await this.#labels(id)
    const { current, pending } = found
    if (!pending) return found
    if (pending === current)
      try {
        await this.#move('AWSPENDING', { id, from: current })
        return found
      } catch (error) {
        const { pending } = await this.#labels(id)
        if (!pending) return found
        if (pending === current) throw error
      }
    await this.finish({ id, token })
    throw new RotationInProgress('a rotation has begun meanwhile')
  }

  /** Moves AWSCURRENT from `replacing` to `token`. @throws Superseded if another version is current */
  async #promote({ id, token, replacing }: Omit<Edit, 'text'>): Promise<void> {
    try {
      await this.#move('AWSCURRENT', { id, to: token, from: replacing })
    } catch (error) {
      const { current } = await this.#labels(id)
      if (current === token) return
      if (current === replacing) throw error
      await this.finish({ id, token })
      throw new Superseded(`current is version ${current}, no longer ${replacing}`)
    }
  }

  async finish({ id, token }: Pick<Edit, 'id' | 'token'>): Promise<boolean> {
    if ((await this.#labels(id)).edited !== token) return false
    try {
      await this.#move(EDIT_LABEL, { id, from: token })
    } catch (error) {
      if ((await this.#labels(id)).edited === token) throw error
    }
    return true
  }

  async #labels(id: string): Promise<Labels> {
    const command = new DescribeSecretCommand({ SecretId: id })
    const secret = await callAws('Secrets Manager', () => this.#client.send(command), {
      ResourceNotFoundException() {
        throw new InvalidCredential('id', `there is no secret ${id} in this account and Region`)
      },
    })
    const versions = Object.entries(secret.VersionIdsToStages ?? {})
    const holder = (label: string) => versions.find(([, stages]) => stages.includes(label))?.[0]
    return { current: holder('AWSCURRENT'), pending: holder('AWSPENDING'), edited: holder(EDIT_LABEL) }
  }

  async #move(label: string, { id, to, from }: { id: string; to?: string; from: string }): Promise<void> {
    const command = new UpdateSecretVersionStageCommand({
      SecretId: id,
      VersionStage: label,
      MoveToVersionId: to,
      RemoveFromVersionId: from,
    })
    await callAws('Secrets Manager', () => this.#client.send(command))
  }
}
