import { GetResourcesCommand } from '@aws-sdk/client-resource-groups-tagging-api'
import {
  DescribeParametersCommand,
  type ParameterMetadata,
  paginateGetResourcePolicies,
} from '@aws-sdk/client-ssm'
import { parameterArn } from '../../../rotation/arn.ts'
import { LOCK_NAME, PENDING_PATH, pendingPathOf } from '../../../rotation/stores/parameterNames.ts'
import { type Tags, tagsIn } from '../../../rotation/tags.ts'
import { isToken } from '../../token.ts'
import { isCustomerKey } from '../customerKey.ts'
import type { Fact, ParameterFacts } from '../facts.ts'
import { factOf } from './awsReader.ts'
import { rateLimitedClients } from './clients.ts'
import { askOnce, type Collector } from './collector.ts'
import { readPages } from './pages.ts'
import { NOT_ASKED } from './secrets.ts'

/** What Keyturn stores beside a parameter: when the newest pending or discarded version was made, and whether there is a lock. */
type PendingPlace = { newest?: string; isLocked?: true }

/**
 * Lists the parameters of a Region into `found`, by name and without their tags. The parameters in which Keyturn stores pending
 * versions and locks are not among them.
 */
export async function listParameters(
  collector: Collector,
  region: string,
  account: string,
  found: Map<string, ParameterFacts>,
): Promise<Fact<'all'>> {
  const client = await rateLimitedClients(collector, region).parameters()
  const page = async (NextToken: string | undefined) => {
    const answer = await client.send(new DescribeParametersCommand({ MaxResults: 50, NextToken }))
    const items = (answer.Parameters ?? []).map(each => parameterIn(each, region, account))
    return { items, next: answer.NextToken }
  }
  /** By the path under which Keyturn stores the pending versions of a parameter. */
  const places = new Map<string, PendingPlace>()
  const kind = { service: 'ssm', operation: 'DescribeParameters', region } as const
  const all = await readPages(collector, kind, page, parameter => {
    if (!parameter.name.startsWith(`${PENDING_PATH}/`)) found.set(parameter.name, parameter)
    else notePending(parameter, places)
  })
  for (const parameter of found.values()) {
    const { newest, isLocked } = places.get(pendingPathOf(parameter.name)) ?? {}
    // Without a lock, the stored versions are discarded ones.
    const since = isLocked && newest
    parameter.pendingSince = 'is' in all || since ? { is: since } : all
  }
  return all
}

/**
 * Notes a parameter in which Keyturn stores a pending version or a lock. Discarded versions are stored there for a day at least, so
 * the newest version counts.
 */
function notePending({ name, changed }: ParameterFacts, places: Map<string, PendingPlace>): void {
  const [, path = '', token = ''] = /^(.+)\/([^/]+)$/.exec(name) ?? []
  const place = places.get(path) ?? {}
  places.set(path, place)
  if (token === LOCK_NAME) place.isLocked = true
  if (isToken(token) && changed && (place.newest ?? '') < changed) place.newest = changed
}

function parameterIn(metadata: ParameterMetadata, region: string, account: string): ParameterFacts {
  const {
    Name: name = '',
    Type = 'String',
    Tier = 'Standard',
    KeyId,
    LastModifiedDate,
    Policies = [],
  } = metadata
  const changed = LastModifiedDate?.toISOString()
  return {
    store: 'parameter-store',
    region,
    name,
    type: Type,
    tier: Tier,
    arn: metadata.ARN ?? parameterArn(name, `arn:aws:ssm:${region}:${account}:`),
    tags: { is: {} },
    policy: Tier === 'Standard' ? { is: undefined } : NOT_ASKED,
    history: NOT_ASKED,
    readers: [],
    ...(changed && { current: { at: changed, by: 'version' }, changed }),
    ...(isCustomerKey(KeyId) && { keyId: KeyId }),
    policies: Policies.flatMap(({ PolicyType }) => PolicyType ?? []).sort(),
    pendingSince: { is: undefined },
  }
}

/**
 * Lists the tags of all parameters of a Region.
 * @returns a function that gives the tags of a parameter; one that is not in the list has none
 */
export async function readParameterTags(
  collector: Collector,
  region: string,
): Promise<(parameter: ParameterFacts) => Fact<Tags>> {
  const client = await rateLimitedClients(collector, region).tagging()
  const page = async (PaginationToken: string | undefined) => {
    const query = { ResourceTypeFilters: ['ssm:parameter'], ResourcesPerPage: 100, PaginationToken }
    const answer = await client.send(new GetResourcesCommand(query))
    const items = (answer.ResourceTagMappingList ?? []).map(({ ResourceARN: arn = '', Tags }) => ({
      arn,
      tags: tagsIn(Tags),
    }))
    return { items, next: answer.PaginationToken }
  }
  const tags = new Map<string, Tags>()
  const kind = { service: 'tagging', operation: 'GetResources', region } as const
  const all = await readPages(collector, kind, page, found => tags.set(found.arn, found.tags))
  return ({ arn }) => {
    const found = tags.get(arn)
    return 'is' in all || found ? { is: found ?? {} } : all
  }
}

/**
 * Whether a parameter can have a resource policy. Only advanced parameters can be shared with other accounts:
 * https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-shared-parameters.html
 */
export const isSharable = ({ tier }: ParameterFacts): boolean => tier !== 'Standard'

/** Reads the resource policy of a parameter into its facts. A parameter that was deleted since it was listed has none. */
export async function readParameterPolicy(collector: Collector, parameter: ParameterFacts): Promise<void> {
  const { arn, region } = parameter
  const kind = { service: 'ssm', operation: 'GetResourcePolicies', region } as const
  const call = async () => {
    const client = await rateLimitedClients(collector, region).parameters()
    const found: string[] = []
    for await (const { Policies = [] } of paginateGetResourcePolicies({ client }, { ResourceArn: arn }))
      found.push(...Policies.flatMap(({ Policy }) => Policy ?? []))
    return found
  }
  parameter.policy = await factOf(askOnce(collector, kind, arn, call, []).then(joinPolicies))
  collector.reportProgress('answer', 1)
}

/** Several policies as one with all of their statements. If one is not JSON, it is their texts, which rules report as unclear. */
function joinPolicies(policies: string[]): string | undefined {
  if (policies.length < 2) return policies[0]
  try {
    return JSON.stringify({ Statement: policies.flatMap(policy => JSON.parse(policy).Statement) })
  } catch {
    return policies.join('\n')
  }
}
