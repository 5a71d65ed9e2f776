import {
  paginateGetResources,
  type ResourceGroupsTaggingAPIClient,
} from '@aws-sdk/client-resource-groups-tagging-api'
import {
  paginateListSecrets,
  paginateListSecretVersionIds,
  type SecretListEntry,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import type { SSMClient } from '@aws-sdk/client-ssm'
import { callAws } from '../rotation/callAws.ts'
import { Throttled } from '../rotation/errors.ts'
import { scheduleTagValue } from '../rotation/promotion/serviceSchedule.ts'
import type { StoreName } from '../rotation/stores/store.ts'
import {
  EVERY_TAG,
  homeIn,
  isManaged,
  isScheduled,
  MANAGED_TAG,
  type Tags,
  tagsIn,
} from '../rotation/tags.ts'
import { findModificationDates } from './parameters.ts'
import { currentVersionIn, pendingVersionIn } from './versionLabels.ts'

/** A credential that is to rotate by itself. */
export type ScheduledCredential = {
  store: StoreName
  id: string
  /** Of a secret, by which others name it as their admin's. */
  arn?: string
  tags: Tags
  /** When its current version was made. */
  currentSince: Date
  /** By when Secrets Manager means to rotate it; unset if that has no schedule for it. */
  nextByService?: Date
  /** The schedule of a secret that Secrets Manager rotates by this stack, as a tag keeps it. */
  serviceSchedule?: string
  /** The versions of a secret that are current, and pending and not current. */
  current?: string
  pending?: string
}

type Clients = { ssm: SSMClient; secrets: SecretsManagerClient; tagging: ResourceGroupsTaggingAPIClient }

/** For a schedule that names no next date. */
export const NO_NEXT_DATE = new Date(8.64e15)

/** The credentials of this account and Region that are to rotate by themselves, without their values. */
export class Inventory {
  readonly #clients: Clients
  readonly #rotationFunction: string
  /** When a secret's version was made, by its id. That never changes, so it is asked for once. */
  readonly #made = new Map<string, Date>()

  /** `rotationFunction` is the ARN of this stack's rotateSecret. */
  constructor(clients: Clients, rotationFunction: string) {
    this.#clients = clients
    this.#rotationFunction = rotationFunction
  }

  /**
   * Parameters and secrets with the tag keyturn:every, and the secrets that Secrets Manager rotates by this stack.
   * @throws NotPermitted, Throttled, StoreFailed
   */
  async listScheduled(): Promise<ScheduledCredential[]> {
    return (await Promise.all([this.#parameters(EVERY_TAG), this.#secrets(isScheduled)])).flat()
  }

  /**
   * The same, and those that Keyturn may rotate though nothing says when.
   * @throws NotPermitted, Throttled, StoreFailed
   */
  async listRotatable(): Promise<ScheduledCredential[]> {
    const lots = await Promise.all([
      this.#parameters(EVERY_TAG),
      this.#parameters(MANAGED_TAG),
      this.#secrets(tags => isScheduled(tags) || isManaged(tags)),
    ])
    return [...new Map(lots.flat().map(found => [`${found.store} ${found.id}`, found])).values()]
  }

  /**
   * The secrets whose tag keyturn:home says this Region, as those with replicas have it: what Keyturn may rotate, whoever
   * says when.
   * @throws NotPermitted, Throttled, StoreFailed
   */
  async listAtHome(): Promise<ScheduledCredential[]> {
    const region = await this.#clients.secrets.config.region()
    const found = await this.#secrets(tags => isManaged(tags) && homeIn(tags) === region)
    return found.filter(({ tags }) => homeIn(tags) === region)
  }

  async #parameters(tag: string): Promise<ScheduledCredential[]> {
    const { ssm, tagging } = this.#clients
    const query = { TagFilters: [{ Key: tag }], ResourceTypeFilters: ['ssm:parameter'] }
    const pages = paginateGetResources({ client: tagging, pageSize: 100 }, query)
    const found = await callAws('Resource Groups Tagging API', () => Array.fromAsync(pages))
    const tags = new Map<string, Tags>()
    for (const { ResourceARN = '', Tags } of found.flatMap(page => page.ResourceTagMappingList ?? []))
      for (const name of parameterNamesIn(ResourceARN)) tags.set(name, tagsIn(Tags))
    const changes = await findModificationDates(ssm, [...tags.keys()])
    return [...changes].map(([id, since]) => ({
      store: 'parameter-store',
      id,
      tags: tags.get(id) ?? {},
      currentSince: since,
    }))
  }

  async #secrets(wanted: (tags: Tags) => boolean): Promise<ScheduledCredential[]> {
    const { secrets } = this.#clients
    const region = await secrets.config.region()
    const pages = paginateListSecrets({ client: secrets, pageSize: 100 }, {})
    const found: ScheduledCredential[] = []
    for (const { SecretList = [] } of await callAws('Secrets Manager', () => Array.fromAsync(pages))) {
      // A replica has its primary's tags, and only the primary can rotate.
      const primaries = SecretList.filter(({ PrimaryRegion = region }) => PrimaryRegion === region)
      const some = primaries.filter(secret => this.#isRotatedByUs(secret) || wanted(tagsIn(secret.Tags)))
      found.push(...(await Promise.all(some.map(secret => this.toScheduledCredential(secret)))))
    }
    return found
  }

  #isRotatedByUs = ({ RotationEnabled, RotationLambdaARN }: SecretListEntry) =>
    RotationEnabled === true && RotationLambdaARN === this.#rotationFunction

  /** A secret as the service lists it. */
  async toScheduledCredential(secret: SecretListEntry): Promise<ScheduledCredential> {
    const { Name: id = '', ARN: arn = '', RotationEnabled, NextRotationDate = NO_NEXT_DATE } = secret
    const since = RotationEnabled ? secret.LastRotatedDate : await this.#currentSince(secret)
    const serviceSchedule = this.#isRotatedByUs(secret) ? scheduleTagValue(secret.RotationRules) : undefined
    const [current, pending] = [
      currentVersionIn(secret.SecretVersionsToStages),
      pendingVersionIn(secret.SecretVersionsToStages),
    ]
    return {
      store: 'secrets-manager',
      id,
      arn,
      tags: tagsIn(secret.Tags),
      currentSince: since ?? new Date(0),
      ...(RotationEnabled && { nextByService: NextRotationDate }),
      ...(serviceSchedule && { serviceSchedule }),
      ...(current && { current }),
      ...(pending && { pending }),
    }
  }

  /**
   * LastChangedDate is later, as a new tag counts as a change there. It has to do for a secret whose versions we may not
   * list, or that is gone since it was listed: one secret does not stop the others.
   */
  async #currentSince(secret: SecretListEntry): Promise<Date | undefined> {
    const { ARN, LastChangedDate, SecretVersionsToStages = {} } = secret
    const current = currentVersionIn(SecretVersionsToStages) ?? ''
    if (!this.#made.has(current)) {
      const client = this.#clients.secrets
      const pages = paginateListSecretVersionIds({ client, pageSize: 100 }, { SecretId: ARN })
      try {
        for (const { Versions = [] } of await callAws('Secrets Manager', () => Array.fromAsync(pages)))
          for (const { VersionId = '', CreatedDate } of Versions)
            if (CreatedDate) this.#made.set(VersionId, CreatedDate)
      } catch (error) {
        if (error instanceof Throttled) throw error
      }
    }
    return this.#made.get(current) ?? LastChangedDate
  }
}

/** The parameters `foo` and `/foo` have the same ARN. */
function parameterNamesIn(arn: string): string[] {
  const name = arn.slice(arn.indexOf(':parameter/') + ':parameter'.length)
  return name.lastIndexOf('/') === 0 ? [name, name.slice(1)] : [name]
}
