import { type CloudFormationClient, paginateListStackResources } from '@aws-sdk/client-cloudformation'
import { readAllPages } from './wholeList.ts'

/** A resource of a stack. `id` is its physical id: a name, an ARN or a URL, depending on `type`, such as `AWS::IAM::Role`. */
export type StackResource = { logicalId: string; type: string; id: string }

/** The resources of a stack, as CloudFormation lists them. @throws what AWS throws; EndlessList */
export async function listStackResources(
  client: CloudFormationClient,
  StackName: string,
): Promise<StackResource[]> {
  const found: StackResource[] = []
  const pages = readAllPages(paginateListStackResources({ client }, { StackName }))
  for await (const { StackResourceSummaries = [] } of pages)
    for (const { LogicalResourceId = '', ResourceType = '', PhysicalResourceId } of StackResourceSummaries)
      if (PhysicalResourceId)
        found.push({ logicalId: LogicalResourceId, type: ResourceType, id: PhysicalResourceId })
  return found
}

/** The names of the IAM roles among the resources. */
export const roleNamesIn = (resources: StackResource[]): string[] =>
  resources.filter(({ type }) => type === 'AWS::IAM::Role').map(({ id }) => id)
