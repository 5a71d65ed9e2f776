import { randomUUID } from 'node:crypto'
import { digest } from '../../../fleet/digest.ts'
import { AwsError } from '../awsError.ts'
import type { Parameter } from './accountState.ts'
import { type Action, type CallContext, pageOf, sortForListing, tagList, toEpochSeconds } from './request.ts'

type Filter = { Key: string; Option?: string; Values?: string[] }

/** Parameter Store, without the calls that read or write a value. */
export const parameterStore: Record<string, Action> = {
  DescribeParameters: ({ NextToken, MaxResults, ParameterFilters, Filters }, context) => {
    const [filter, more] = (ParameterFilters ?? []) as Filter[]
    if (Filters || more || (filter && (filter.Key !== 'Name' || filter.Option !== 'Equals')))
      throw new AwsError('InvalidFilterKey', 'Only whole names are played here.')
    if (filter) {
      const named = listed(context).filter(({ name }) => filter.Values?.includes(name))
      return { Parameters: named.map(metadataOf) }
    }
    // A page may be empty and not be the last one, so the first page here is empty.
    // https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeParameters.html
    const all = [...Array.from({ length: 50 }, () => undefined), ...listed(context)]
    const { page, next } = pageOf(all, { start: NextToken, wanted: MaxResults, most: 50 })
    return {
      Parameters: page.flatMap(parameter => (parameter ? metadataOf(parameter) : [])),
      NextToken: next,
    }
  },

  ListTagsForResource: ({ ResourceId }, context) => ({
    TagList: tagList(listed(context).find(({ name }) => name === ResourceId)?.tags),
  }),

  GetResourcePolicies: ({ ResourceArn, NextToken, MaxResults }, context) => {
    const found = listed(context).find(({ arn }) => arn === ResourceArn)
    if (!found) throw new AwsError('ResourceNotFoundException', 'The parameter could not be found.')
    const all = found.resourcePolicies ?? []
    const { page, next } = pageOf(all, { start: NextToken, wanted: MaxResults, most: 1 })
    const Policies = page.map(policy => {
      const Policy = typeof policy === 'object' ? JSON.stringify(policy) : policy
      return { PolicyId: randomUUID(), PolicyHash: digest(Policy), Policy }
    })
    return { Policies, NextToken: next }
  },
}

/** The Resource Groups Tagging API, for parameters only. */
export const tagging: Record<string, Action> = {
  GetResources: ({ PaginationToken, ResourcesPerPage, ResourceTypeFilters, TagFilters }, context) => {
    if (TagFilters || `${ResourceTypeFilters}` !== 'ssm:parameter')
      throw new AwsError('InvalidParameterException', 'Only ssm:parameter is played here.')
    const tagged = listed(context).filter(({ tags = {} }) => Object.keys(tags).length)
    const { page, next } = pageOf(tagged, { start: PaginationToken, wanted: ResourcesPerPage, most: 100 })
    const ResourceTagMappingList = page.map(({ arn, tags }) => ({ ResourceARN: arn, Tags: tagList(tags) }))
    return { ResourceTagMappingList, PaginationToken: next ?? '' }
  },
}

/** The Region's parameters, in the order of lists. */
const listed = (context: CallContext): Parameter[] =>
  sortForListing(context.accountState.regions.get(context.region)?.parameters ?? [], context)

function metadataOf(parameter: Parameter): object {
  const { name, arn, type = 'SecureString', tier = 'Standard', keyId, changed, policies = [] } = parameter
  return {
    Name: name,
    ARN: arn,
    Type: type,
    Tier: tier,
    DataType: 'text',
    Version: 1,
    KeyId: type === 'SecureString' ? (keyId ?? 'alias/aws/ssm') : undefined,
    LastModifiedDate: toEpochSeconds(changed),
    LastModifiedUser: 'arn:aws:iam::123456789012:user/somebody',
    Policies: policies.map(PolicyType => ({ PolicyType, PolicyText: '{}', PolicyStatus: 'Pending' })),
  }
}
