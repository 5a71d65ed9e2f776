import {
  DescribeSecretCommand,
  PutSecretValueCommand,
  type SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'
import { callAws } from '../callAws.ts'
import { InvalidCredential, RotationInProgress, Superseded, TokenReused } from '../errors.ts'
import type { Edit, Edits } from './edits.ts'

/** The label of a version on its way to become current. No rotation looks at it. */
export const EDIT_LABEL = 'keyturn-edit'

/** The version that each label is on. */
type Labels = Record<'current' | 'pending' | 'edited', string | undefined>

/**
 * Edits in Secrets Manager, which has no lock: AWSPENDING stays a rotation's alone. Should one begin at the same moment, the
 * compare-and-set of AWSCURRENT lets one of both come to its end, and the other one takes back what it did.
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
   * Takes AWSPENDING off the current version, where a rotation that went well leaves it: on a version that is current no more it
   * would be a rotation that died, and the service would refuse the next one.
   * @throws RotationInProgress
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
