import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  paginateListSecretVersionIds,
  type SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager'
import { isAwsManagedKey, isReplica } from '../arn.ts'
import { callAws, type ErrorHandlers } from '../callAws.ts'
import { Credential, type ValueParser } from '../credential.ts'
import { InvalidCredential, RotationInProgress, Superseded, TokenReused } from '../errors.ts'
import { replicasIn } from '../replicas.ts'
import { tagsIn } from '../tags.ts'
import { type Description, olderTokenMessage, type Stage, type Store, type Version } from './store.ts'

/** Secrets Manager's name for each stage. */
const STAGING_LABELS = { current: 'AWSCURRENT', pending: 'AWSPENDING', previous: 'AWSPREVIOUS' } as const

/**
 * The store for AWS Secrets Manager. Most methods make one call, and more only after a call that failed or was repeated. `promote` makes two
 * with `mustStillBePending`, and `listTokens` makes one for each page of its list.
 */
export class SecretsManager implements Store {
  readonly #client: SecretsManagerClient
  readonly #rotationToken: string | undefined
  readonly #parse: ValueParser

  /**
   * @param rotationToken the RotationToken that Secrets Manager sends to its rotation function. It proves that a value is written
   *   by the service's own rotation, which a secret of another account requires. It is sensitive.
   *   https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
   */
  constructor(client: SecretsManagerClient, rotationToken?: string, parse: ValueParser = Credential.parse) {
    this.#client = client
    this.#rotationToken = rotationToken
    this.#parse = parse
  }

  withParser(parse: ValueParser): SecretsManager {
    return new SecretsManager(this.#client, this.#rotationToken, parse)
  }

  /** The same store, which writes values with the RotationToken that Secrets Manager sent (see the constructor). */
  withRotationToken(rotationToken: string): SecretsManager {
    return new SecretsManager(this.#client, rotationToken, this.#parse)
  }

  async describe(id: string): Promise<Description> {
    const command = new DescribeSecretCommand({ SecretId: id })
    const secret = await callAws('Secrets Manager', () => this.#client.send(command), absentHandlers(id))
    if (secret.DeletedDate) throw new InvalidCredential('id', `secret ${id} is scheduled for deletion`)
    const versions = Object.entries(secret.VersionIdsToStages ?? {})
    const holder = (stage: Stage) =>
      versions.find(([, stages]) => stages.includes(STAGING_LABELS[stage]))?.[0]
    const [current, pending, previous] = [holder('current'), holder('pending'), holder('previous')]
    const tags = tagsIn(secret.Tags)
    const replicas = replicasIn(secret.ReplicationStatus, tags)
    // A rotation that went well leaves AWSPENDING on the version that has become current. That version does not count as pending.
    return {
      current,
      pending: pending === current ? undefined : pending,
      previous,
      tags,
      owner: secret.OwningService,
      name: secret.Name,
      arn: secret.ARN,
      ...(secret.KmsKeyId && !isAwsManagedKey(secret.KmsKeyId) && { key: secret.KmsKeyId }),
      ...(secret.RotationEnabled && { rotatedBy: secret.RotationLambdaARN }),
      ...(replicas.length && { replicas }),
      ...(isReplica(secret) && { primaryRegion: secret.PrimaryRegion }),
    }
  }

  async read(
    id: string,
    { token, stage }: { token?: string; stage?: Stage },
  ): Promise<(Version & { created: number }) | undefined> {
    const which = { VersionId: token, VersionStage: stage && STAGING_LABELS[stage] }
    const command = new GetSecretValueCommand({ SecretId: id, ...which })
    const value = await callAws('Secrets Manager', () => this.#client.send(command), {
      // There is no such version, it has no value, or another version has the label.
      ResourceNotFoundException: () => undefined,
      InvalidRequestException: () => undefined,
    })
    if (!value) return undefined
    if (value.SecretString === undefined)
      throw new InvalidCredential('value', 'is SecretBinary; Keyturn rotates what is in SecretString')
    return {
      token: value.VersionId ?? '',
      credential: this.#parse(value.SecretString),
      created: Number(value.CreatedDate),
    }
  }

  async propose(id: string, token: string, credential: Credential): Promise<void> {
    const command = new PutSecretValueCommand({
      SecretId: id,
      ClientRequestToken: token,
      SecretString: credential.serialize(),
      VersionStages: [STAGING_LABELS.pending],
      RotationToken: this.#rotationToken,
    })
    const put = await callAws('Secrets Manager', () => this.#client.send(command), {
      ...absentHandlers(id),
      ResourceExistsException: () => undefined,
    })
    // If the token has this value already, the service ignores the call, so it does not move the label either.
    // https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
    if (!put?.VersionStages?.includes(STAGING_LABELS.pending)) await this.#proposeKept(id, token, credential)
  }

  /**
   * Makes a token pending that has a value, from an earlier try or from a rotation that was rolled back.
   * @throws TokenReused, RotationInProgress as `propose`
   */
  async #proposeKept(id: string, token: string, credential: Credential): Promise<void> {
    const kept = await this.read(id, { token })
    if (!kept?.credential.equalsExceptPassword(credential))
      throw new TokenReused(`version ${token} already has a value that no longer fits`)
    const { current, pending } = await this.describe(id)
    if (pending === token) return
    const newest = current && (await this.read(id, { token: current }))
    if (newest && kept.created < newest.created) throw new TokenReused(olderTokenMessage(token))
    if (pending) throw new RotationInProgress(`version ${pending} is pending`)
    const InvalidParameterException = () => {
      throw new RotationInProgress('another version is pending')
    }
    // If AWSPENDING stayed on the current version, one call moves it from there. To take it off and then set it would be two moves
    // in a row, which can stop the replication of the secret for good.
    const moved = current && (await this.#tryMove('pending', { id, to: token, from: current }))
    if (!moved) await this.#move('pending', { id, to: token }, { InvalidParameterException })
  }

  async promote(id: string, token: string, replacing: string, mustStillBePending = false): Promise<void> {
    if (mustStillBePending) {
      const { current, pending } = await this.describe(id)
      if (current !== token && pending !== token)
        throw new Superseded(`version ${token} is not pending any more`)
    }
    try {
      await this.#move('current', { id, to: token, from: replacing })
    } catch (error) {
      const { current } = await this.describe(id)
      if (current === token) return
      if (current !== replacing) throw new Superseded(`current is version ${current}, no longer ${replacing}`)
      throw error
    }
  }

  async rehearsePromote(id: string): Promise<void> {
    await this.describe(id)
  }

  async discard(id: string, token: string): Promise<void> {
    try {
      await this.#move('pending', { id, from: token })
    } catch (error) {
      const { pending } = await this.describe(id)
      if (pending === token) throw error
    }
  }

  async listTokens(id: string): Promise<string[]> {
    const query = { SecretId: id, IncludeDeprecated: true }
    const pages = paginateListSecretVersionIds({ client: this.#client, pageSize: 100 }, query)
    const found = await callAws('Secrets Manager', () => Array.fromAsync(pages), absentHandlers(id))
    return found
      .flatMap(({ Versions = [] }) => Versions)
      .toSorted((a, b) => Number(b.CreatedDate) - Number(a.CreatedDate))
      .flatMap(({ VersionId }) => VersionId ?? [])
  }

  /** Moves a label from one version to another. @returns false if version `from` does not have it */
  #tryMove(stage: Stage, { id, to, from }: { id: string; to: string; from: string }): Promise<boolean> {
    const InvalidParameterException = () => false
    return this.#move(stage, { id, to, from }, { InvalidParameterException }).then(found => found !== false)
  }

  /**
   * Moves a label. Without `to` it is removed, without `from` attached.
   * @returns what a handler of an error returned, or undefined
   */
  async #move<Else = never>(
    stage: Stage,
    { id, to, from }: { id: string; to?: string; from?: string },
    handlers?: ErrorHandlers<Else>,
  ): Promise<Else | undefined> {
    const command = new UpdateSecretVersionStageCommand({
      SecretId: id,
      VersionStage: STAGING_LABELS[stage],
      MoveToVersionId: to,
      RemoveFromVersionId: from,
    })
    return callAws(
      'Secrets Manager',
      async () => {
        await this.#client.send(command)
        return undefined
      },
      handlers,
    )
  }
}

/** The handlers for a call that needs the secret to exist. */
const absentHandlers = (id: string) => ({
  ResourceNotFoundException: () => {
    throw new InvalidCredential('id', `there is no secret ${id} in this account and Region`)
  },
})
