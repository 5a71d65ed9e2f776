import type { CloudFormationClient, Stack as Described } from '@aws-sdk/client-cloudformation'

/** A stack of Keyturn in one account and Region. */
export type Stack = {
  name: string
  stage: string
  /** The version of Keyturn that was deployed; '' if the stack is of a release that did not tell it. */
  version: string
  outputs: Record<string, string>
}

/** The peer Regions that a stack was deployed with; undefined if the stack is of a release without that output. */
export const peerRegionsOf = ({ outputs }: Stack): string[] | undefined =>
  outputs.PeerRegions?.split(',').filter(Boolean)

/**
 * How many pages of stacks are read at most. By default an account has at most 2000 stacks in a Region.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
 */
const MAX_PAGE_COUNT = 100

/**
 * Every stack of Keyturn in the client's Region. A stack of a release that did not tell its stage gets the stage from its name.
 * @throws what AWS throws
 */
export async function listStacks(client: CloudFormationClient): Promise<Stack[]> {
  const { paginateDescribeStacks } = await import('@aws-sdk/client-cloudformation')
  const found: Stack[] = []
  let pages = 0
  for await (const { Stacks = [] } of paginateDescribeStacks({ client }, {})) {
    found.push(...Stacks.flatMap(toStack))
    if (++pages === MAX_PAGE_COUNT) break
  }
  return found
}

/** One stack, or none if it is not Keyturn's. */
function toStack({ StackName: name = '', Outputs = [] }: Described): Stack[] {
  const outputs = Object.fromEntries(
    Outputs.map(({ OutputKey = '', OutputValue = '' }) => [OutputKey, OutputValue]),
  )
  if (!outputs.RotateStateMachineArn || !outputs.RotateSecretFunctionArn) return []
  const { Stage: stage = name.replace(/^keyturn-/, ''), Version: version = '' } = outputs
  return [{ name, stage, version, outputs }]
}
