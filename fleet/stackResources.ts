import { type CloudFormationClient, paginateListStackResources } from '@aws-sdk/client-cloudformation'
import { readAllPages } from './wholeList.ts'

/** A resource that a stack made. `id` is what the service knows it by: a name, an ARN or a URL, as the type has it. */
export type StackResource = { logicalId: string; type: string; id: string }

/** What a stack of Keyturn consists of, as CloudFormation lists it. @throws what AWS throws */
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

/** The names of the roles among them. */
export const roleNamesIn = (resources: StackResource[]): string[] =>
  resources.filter(({ type }) => type === 'AWS::IAM::Role').map(({ id }) => id)
