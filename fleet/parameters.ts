import { ListTagsForResourceCommand, paginateDescribeParameters, type SSMClient } from '@aws-sdk/client-ssm'
import { answered } from '../rotation/stores/awsErrors.ts'
import { tagsIn } from '../rotation/stores/tags.ts'

/** As many names as DescribeParameters takes in one filter. */
const NAMES = 50

/**
 * When the newest version of each of these parameters was made; one that does not exist is left out.
 * @throws NotPermitted, Throttled, StoreFailed
 */
export async function changesOf(ssm: SSMClient, names: string[]): Promise<Map<string, Date>> {
  const found = new Map<string, Date>()
  for (let start = 0; start < names.length; start += NAMES) {
    const filter = { Key: 'Name', Option: 'Equals', Values: names.slice(start, start + NAMES) }
    const pages = paginateDescribeParameters({ client: ssm, pageSize: NAMES }, { ParameterFilters: [filter] })
    for (const { Parameters = [] } of await answered('Parameter Store', Array.fromAsync(pages)))
      for (const { Name, LastModifiedDate } of Parameters)
        if (Name && LastModifiedDate) found.set(Name, LastModifiedDate)
  }
  return found
}

/** The tags of a parameter that exists. @throws NotPermitted, Throttled, StoreFailed */
export async function tagsOf(ssm: SSMClient, name: string): Promise<Record<string, string>> {
  const command = new ListTagsForResourceCommand({ ResourceType: 'Parameter', ResourceId: name })
  return tagsIn((await answered('Parameter Store', ssm.send(command))).TagList)
}
