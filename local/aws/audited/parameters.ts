import { randomUUID } from 'node:crypto'
import { digest } from '../../../fleet/digest.ts'
import { AwsError } from '../awsError.ts'
import type { Parameter } from './accountState.ts'
import { type Action, type CallContext, pageOf, sortForListing, tagList, toEpochSeconds } from './request.ts'

type Filter = { Key: string; Option?: string; Values?: string[] }

/** What the list tells of Parameter Store: no value can be read here. */
export const parameterStore: Record<string, Action> = {
  DescribeParameters: ({ NextToken, MaxResults, ParameterFilters, Filters }, where) => {
    const [filter, more] = (ParameterFilters ?? []) as Filter[]
    if (Filters || more || (filter && (filter.Key !== 'Name' || filter.Option !== 'Equals')))
      throw new AwsError('InvalidFilterKey', 'Only whole names are played here.')
    if (filter) {
      const named = listed(where).filter(({ name }) => filter.Values?.includes(name))
      return { Parameters: named.map(metadataOf) }
    }
    // A page may be empty and yet not be the last: the first one here is.
    const all = [...Array.from({ length: 50 }, () => undefined), ...listed(where)]
    const { page, next } = pageOf(all, { start: NextToken, most: MaxResults, least: 50 })
    return {
      Parameters: page.flatMap(parameter => (parameter ? metadataOf(parameter) : [])),
      NextToken: next,
    }
  },

  ListTagsForResource: ({ ResourceId }, where) => ({
    TagList: tagList(listed(where).find(({ name }) => name === ResourceId)?.tags),
  }),

  GetResourcePolicies: ({ ResourceArn, NextToken, MaxResults }, where) => {
    const found = listed(where).find(({ arn }) => arn === ResourceArn)
    if (!found) throw new AwsError('ResourceNotFoundException', 'The parameter could not be found.')
    const all = found.resourcePolicies ?? []
    const { page, next } = pageOf(all, { start: NextToken, most: MaxResults, least: 1 })
    const Policies = page.map(policy => {
      const Policy = typeof policy === 'object' ? JSON.stringify(policy) : policy
      return { PolicyId: randomUUID(), PolicyHash: digest(Policy), Policy }
    })
    return { Policies, NextToken: next }
  },
}

/** The Resource Groups Tagging API, as far as parameters go. */
export const tagging: Record<string, Action> = {
  GetResources: ({ PaginationToken, ResourcesPerPage, ResourceTypeFilters, TagFilters }, where) => {
    if (TagFilters || `${ResourceTypeFilters}` !== 'ssm:parameter')
      throw new AwsError('InvalidParameterException', 'Only ssm:parameter is played here.')
    const tagged = listed(where).filter(({ tags = {} }) => Object.keys(tags).length)
    const { page, next } = pageOf(tagged, { start: PaginationToken, most: ResourcesPerPage, least: 100 })
    const ResourceTagMappingList = page.map(({ arn, tags }) => ({ ResourceARN: arn, Tags: tagList(tags) }))
    return { ResourceTagMappingList, PaginationToken: next ?? '' }
  },
}

const listed = (where: CallContext): Parameter[] =>
  sortForListing(where.accountState.regions.get(where.region)?.parameters ?? [], where)

function metadataOf(parameter: Parameter): object {
  const { name, arn, type = 'SecureString', tier = 'Standard', keyId, changed, policies = [] } = parameter
  return {
    ...{ Name: name, ARN: arn, Type: type, Tier: tier, DataType: 'text', Version: 1 },
    KeyId: type === 'SecureString' ? (keyId ?? 'alias/aws/ssm') : undefined,
    LastModifiedDate: toEpochSeconds(changed),
    LastModifiedUser: 'arn:aws:iam::123456789012:user/somebody',
    Policies: policies.map(PolicyType => ({ PolicyType, PolicyText: '{}', PolicyStatus: 'Pending' })),
  }
}
