import { GetResourcesCommand } from '@aws-sdk/client-resource-groups-tagging-api'
import {
  DescribeParametersCommand,
  type ParameterMetadata,
  paginateGetResourcePolicies,
} from '@aws-sdk/client-ssm'
import { parameterArn } from '../../../rotation/arn.ts'
import { PENDING_PATH, pendingPathOf } from '../../../rotation/stores/parameterNames.ts'
import { type Tags, tagsIn } from '../../../rotation/tags.ts'
import { isToken } from '../../token.ts'
import { isCustomerKey } from '../customerKey.ts'
import type { Fact, ParameterFacts } from '../facts.ts'
import { factOf } from './awsReader.ts'
import { rateLimitedClients } from './clients.ts'
import { askOnce, type Collector } from './collector.ts'
import { readPages } from './pages.ts'
import { NOT_ASKED } from './secrets.ts'

/** The parameters of a Region, and since when something is pending of one, by the path below which that lies. */
export type ListedParameters = { found: Map<string, ParameterFacts>; pending: Map<string, string> }

/**
 * The parameters of a Region by name, without tags. What Keyturn keeps in parameters of its own is no credential: it tells what is
 * pending of others.
 */
export async function listParameters(
  collector: Collector,
  region: string,
  account: string,
  { found, pending }: ListedParameters,
): Promise<Fact<'all'>> {
  const client = await rateLimitedClients(collector, region).parameters()
  const page = async (NextToken: string | undefined) => {
    const answer = await client.send(new DescribeParametersCommand({ MaxResults: 50, NextToken }))
    const items = (answer.Parameters ?? []).map(each => parameterIn(each, region, account))
    return { items, next: answer.NextToken }
  }
  const kind = { service: 'ssm', operation: 'DescribeParameters', region } as const
  const all = await readPages(collector, kind, page, parameter => {
    if (!parameter.name.startsWith(`${PENDING_PATH}/`)) found.set(parameter.name, parameter)
    else notePending(parameter, pending)
  })
  for (const parameter of found.values()) {
    const since = pending.get(pendingPathOf(parameter.name))
    parameter.pendingSince = 'is' in all || since ? { is: since } : all
  }
  return all
}

/** A discarded value stays for a day beside the one that is pending: the newest counts. */
function notePending({ name, changed }: ParameterFacts, pending: Map<string, string>): void {
  const [, path = '', token = ''] = /^(.+)\/([^/]+)$/.exec(name) ?? []
  if (!isToken(token) || !changed) return
  const before = pending.get(path)
  if (before === undefined || before < changed) pending.set(path, changed)
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
    ...{ store: 'parameter-store', region, name, type: Type, tier: Tier },
    arn: metadata.ARN ?? parameterArn(name, `arn:aws:ssm:${region}:${account}:`),
    ...{
      tags: { is: {} },
      policy: Tier === 'Standard' ? { is: undefined } : NOT_ASKED,
      history: NOT_ASKED,
      readers: [],
    },
    ...(changed && { current: { at: changed, by: 'version' }, changed }),
    ...(isCustomerKey(KeyId) && { keyId: KeyId }),
    policies: Policies.flatMap(({ PolicyType }) => PolicyType ?? []).sort(),
    pendingSince: { is: undefined },
  }
}

/** What tells the tags of a parameter. One that was never tagged is not in the service's list, and has none. */
export async function readParameterTags(
  collector: Collector,
  region: string,
): Promise<(parameter: ParameterFacts) => Fact<Tags>> {
  const client = await rateLimitedClients(collector, region).tagging()
  const page = async (PaginationToken: string | undefined) => {
    const query = { ResourceTypeFilters: ['ssm:parameter'], ResourcesPerPage: 100, PaginationToken }
    const answer = await client.send(new GetResourcesCommand(query))
    const items = (answer.ResourceTagMappingList ?? []).map(({ ResourceARN: arn = '', Tags }) => ({
      ...{ arn, tags: tagsIn(Tags) },
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

/** Whether a parameter can have a resource policy, by which other accounts read it: only one of the advanced tier can be shared. */
export const isSharable = ({ tier }: ParameterFacts): boolean => tier !== 'Standard'

/** Asks for the resource policy of a parameter, and puts it into its facts. One that was deleted since it was listed has none. */
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

/** Several policies as one. What is none of a known form stays so. */
function joinPolicies(policies: string[]): string | undefined {
  if (policies.length < 2) return policies[0]
  try {
    return JSON.stringify({ Statement: policies.flatMap(policy => JSON.parse(policy).Statement) })
  } catch {
    return policies.join('\n')
  }
}
