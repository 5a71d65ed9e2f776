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

/**
 * A credential without its value, with what decides when it rotates. Nearly all have a schedule; listRotatable and listAtHome also
 * give some that rotate only when somebody starts it.
 */
export type ScheduledCredential = {
  store: StoreName
  /** The name of the parameter or of the secret. */
  id: string
  /** The ARN of a secret. Other credentials name their admin's secret by it. */
  arn?: string
  tags: Tags
  /**
   * When its current version was made. Of a secret with a schedule of Secrets Manager, it is the service's date of the last
   * rotation.
   */
  currentSince: Date
  /** The date by which Secrets Manager is going to rotate the secret. Unset if Secrets Manager has no schedule for it. */
  nextByService?: Date
  /** The schedule by which Secrets Manager rotates the secret with this stack, in the form of the tag keyturn:service-schedule. */
  serviceSchedule?: string
  /** The id of the secret's current version. */
  current?: string
  /** The id of the secret's pending version, unless that is current as well. */
  pending?: string
}

type Clients = { ssm: SSMClient; secrets: SecretsManagerClient; tagging: ResourceGroupsTaggingAPIClient }

/** Stands for the next date of a secret whose schedule names none: the latest date that there is. */
export const NO_NEXT_DATE = new Date(8.64e15)

/** Lists the credentials of this account and Region that Keyturn rotates or may rotate, without their values. */
export class Inventory {
  readonly #clients: Clients
  readonly #rotationFunction: string
  /** When each version of a secret was made, by the version's id. The date never changes, so it is asked for once. */
  readonly #creationDates = new Map<string, Date>()

  /** @param rotationFunction ARN of this stack's function rotateSecret */
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
   * The same, and the credentials with the tag keyturn:managed=true, which Keyturn may rotate but which have no schedule.
   * @throws NotPermitted, Throttled, StoreFailed
   */
  async listRotatable(): Promise<ScheduledCredential[]> {
    const lists = await Promise.all([
      this.#parameters(EVERY_TAG),
      this.#parameters(MANAGED_TAG),
      this.#secrets(tags => isScheduled(tags) || isManaged(tags)),
    ])
    return [...new Map(lists.flat().map(found => [`${found.store} ${found.id}`, found])).values()]
  }

  /**
   * The secrets that Keyturn may rotate and whose tag keyturn:home names this Region, with or without a schedule. Secrets with
   * replicas have that tag.
   * @throws NotPermitted, Throttled, StoreFailed
   */
  async listAtHome(): Promise<ScheduledCredential[]> {
    const region = await this.#clients.secrets.config.region()
    const found = await this.#secrets(tags => isManaged(tags) && homeIn(tags) === region)
    return found.filter(({ tags }) => homeIn(tags) === region)
  }

  /** The parameters that have the tag of this key. */
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

  /** The secrets that Secrets Manager rotates by this stack, and those whose tags are `wanted`. */
  async #secrets(wanted: (tags: Tags) => boolean): Promise<ScheduledCredential[]> {
    const { secrets } = this.#clients
    const region = await secrets.config.region()
    const pages = paginateListSecrets({ client: secrets, pageSize: 100 }, {})
    const found: ScheduledCredential[] = []
    for (const { SecretList = [] } of await callAws('Secrets Manager', () => Array.fromAsync(pages))) {
      // A replica has its primary's tags, and only the primary can rotate.
      const primaries = SecretList.filter(({ PrimaryRegion = region }) => PrimaryRegion === region)
      const selected = primaries.filter(secret => this.#isRotatedByUs(secret) || wanted(tagsIn(secret.Tags)))
      found.push(...(await Promise.all(selected.map(secret => this.toScheduledCredential(secret)))))
    }
    return found
  }

  #isRotatedByUs = ({ RotationEnabled, RotationLambdaARN }: SecretListEntry) =>
    RotationEnabled === true && RotationLambdaARN === this.#rotationFunction

  /**
   * The credential of a secret as ListSecrets or DescribeSecret gives it. Asks for the date of its current version, unless Secrets
   * Manager has a schedule for the secret.
   * @throws Throttled
   */
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
   * When the current version of a secret was made. Where the versions cannot be listed, as that is not permitted or the secret was
   * deleted meanwhile, it is LastChangedDate, so that one secret does not stop the others. That date may be later: every change
   * of the secret sets it (https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_SecretListEntry.html).
   */
  async #currentSince(secret: SecretListEntry): Promise<Date | undefined> {
    const { ARN, LastChangedDate, SecretVersionsToStages = {} } = secret
    const current = currentVersionIn(SecretVersionsToStages) ?? ''
    if (!this.#creationDates.has(current)) {
      const client = this.#clients.secrets
      const pages = paginateListSecretVersionIds({ client, pageSize: 100 }, { SecretId: ARN })
      try {
        for (const { Versions = [] } of await callAws('Secrets Manager', () => Array.fromAsync(pages)))
          for (const { VersionId = '', CreatedDate } of Versions)
            if (CreatedDate) this.#creationDates.set(VersionId, CreatedDate)
      } catch (error) {
        if (error instanceof Throttled) throw error
      }
    }
    return this.#creationDates.get(current) ?? LastChangedDate
  }
}

/** The names that a parameter of this ARN may have: `foo` and `/foo` have the same ARN. */
function parameterNamesIn(arn: string): string[] {
  const name = arn.slice(arn.indexOf(':parameter/') + ':parameter'.length)
  return name.lastIndexOf('/') === 0 ? [name, name.slice(1)] : [name]
}
