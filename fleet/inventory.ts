import type { ResourceGroupsTaggingAPIClient } from '@aws-sdk/client-resource-groups-tagging-api'
import { paginateGetResources } from '@aws-sdk/client-resource-groups-tagging-api'
import {
  paginateListSecrets,
  paginateListSecretVersionIds,
  type SecretListEntry,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { ListTagsForResourceCommand, paginateDescribeParameters, type SSMClient } from '@aws-sdk/client-ssm'
import { translate } from '../rotation/stores/awsErrors.ts'
import type { StoreName } from '../rotation/stores/store.ts'

/** A credential that is to rotate by itself. */
export type Scheduled = {
  store: StoreName
  id: string
  tags: Record<string, string>
  /** When its current version was made. */
  since: Date
  /** By when Secrets Manager means to rotate it; unset if that has no schedule for it. */
  nextByService?: Date
}

/** The tag that makes a credential rotate by itself. */
const EVERY = 'keyturn:every'
/** As many names as DescribeParameters takes in one filter. */
const NAMES = 50

/**
 * The credentials of this account and Region, without their values. Every method may throw NotPermitted, Throttled or
 * StoreFailed.
 */
export class Inventory {
  readonly #ssm: SSMClient
  readonly #secrets: SecretsManagerClient
  readonly #tagging: ResourceGroupsTaggingAPIClient
  readonly #rotationFunction: string
  /** When a version was made, by its id; that never changes. */
  readonly #made = new Map<string, Date>()

  /** `rotationFunction` is the ARN of this stack's rotateSecret. */
  constructor(
    clients: { ssm: SSMClient; secrets: SecretsManagerClient; tagging: ResourceGroupsTaggingAPIClient },
    rotationFunction: string,
  ) {
    this.#ssm = clients.ssm
    this.#secrets = clients.secrets
    this.#tagging = clients.tagging
    this.#rotationFunction = rotationFunction
  }

  /** Parameters and secrets with the tag keyturn:every, and the secrets that Secrets Manager rotates by this stack. */
  async scheduled(): Promise<Scheduled[]> {
    const [parameters, secrets] = await Promise.all([this.#parameters(), this.#scheduledSecrets()])
    return [...parameters, ...secrets]
  }

  /** Tags of one parameter, and when its newest version was made. Undefined if there is no such parameter. */
  async parameter(id: string): Promise<Scheduled | undefined> {
    const [since] = (await this.#describe([id])).values()
    if (!since) return undefined
    const command = new ListTagsForResourceCommand({ ResourceType: 'Parameter', ResourceId: id })
    const answer = await this.#call('Parameter Store', () => this.#ssm.send(command))
    return { store: 'parameter-store', id, tags: record(answer.TagList), since }
  }

  async #parameters(): Promise<Scheduled[]> {
    const query = {
      TagFilters: [{ Key: EVERY }],
      ResourceTypeFilters: ['ssm:parameter'],
      ResourcesPerPage: 100,
    }
    const pages = await this.#call('Resource Groups Tagging API', () =>
      Array.fromAsync(paginateGetResources({ client: this.#tagging }, query)),
    )
    const tags = new Map<string, Record<string, string>>()
    for (const { ResourceARN = '', Tags } of pages.flatMap(page => page.ResourceTagMappingList ?? []))
      for (const name of namesIn(ResourceARN)) tags.set(name, record(Tags))
    return [...(await this.#describe([...tags.keys()]))].map(([id, since]) => ({
      store: 'parameter-store',
      id,
      tags: tags.get(id) ?? {},
      since,
    }))
  }

  /** Which of these parameters there are, and when the newest version of each was made. */
  async #describe(names: string[]): Promise<Map<string, Date>> {
    const found = new Map<string, Date>()
    for (let start = 0; start < names.length; start += NAMES) {
      const filter = { Key: 'Name', Option: 'Equals', Values: names.slice(start, start + NAMES) }
      const pages = await this.#call('Parameter Store', () =>
        Array.fromAsync(
          paginateDescribeParameters({ client: this.#ssm, pageSize: NAMES }, { ParameterFilters: [filter] }),
        ),
      )
      for (const { Name, LastModifiedDate } of pages.flatMap(page => page.Parameters ?? []))
        if (Name && LastModifiedDate) found.set(Name, LastModifiedDate)
    }
    return found
  }

  async #scheduledSecrets(): Promise<Scheduled[]> {
    const pages = await this.#call('Secrets Manager', () =>
      Array.fromAsync(paginateListSecrets({ client: this.#secrets, pageSize: 100 }, {})),
    )
    const found: Scheduled[] = []
    for (const secret of pages.flatMap(page => page.SecretList ?? [])) {
      const tags = record(secret.Tags)
      const byService = secret.RotationEnabled === true
      const byUs = byService && secret.RotationLambdaARN === this.#rotationFunction
      if (!byUs && !(EVERY in tags)) continue
      const since = byService ? secret.LastRotatedDate : await this.#currentSince(secret)
      found.push({
        store: 'secrets-manager',
        id: secret.Name ?? '',
        tags,
        since: since ?? new Date(0),
        ...(byService && { nextByService: secret.NextRotationDate ?? new Date(8.64e15) }),
      })
    }
    return found
  }

  /** LastChangedDate would not do: a new tag counts as a change there. */
  async #currentSince({ ARN, SecretVersionsToStages = {} }: SecretListEntry): Promise<Date | undefined> {
    const [current] =
      Object.entries(SecretVersionsToStages).find(([, stages]) => stages.includes('AWSCURRENT')) ?? []
    if (!current) return undefined
    if (!this.#made.has(current)) {
      const pages = await this.#call('Secrets Manager', () =>
        Array.fromAsync(
          paginateListSecretVersionIds({ client: this.#secrets, pageSize: 100 }, { SecretId: ARN }),
        ),
      )
      for (const { VersionId = '', CreatedDate } of pages.flatMap(page => page.Versions ?? []))
        if (CreatedDate) this.#made.set(VersionId, CreatedDate)
    }
    return this.#made.get(current)
  }

  async #call<T>(service: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (error) {
      throw translate(service, error)
    }
  }
}

/** The parameters `foo` and `/foo` have the same ARN. */
function namesIn(arn: string): string[] {
  const name = arn.slice(arn.indexOf(':parameter/') + ':parameter'.length)
  return name.lastIndexOf('/') === 0 ? [name, name.slice(1)] : [name]
}

function record(
  tags: { Key?: string | undefined; Value?: string | undefined }[] = [],
): Record<string, string> {
  return Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [Key, Value]))
}
