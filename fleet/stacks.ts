import type { CloudFormationClient, Stack as Described } from '@aws-sdk/client-cloudformation'

/** A stack of Keyturn in one account and Region. */
export type Stack = {
  name: string
  stage: string
  /** The version of Keyturn that was deployed. */
  version: string
  outputs: Record<string, string>
}

/** The other Regions that a stack was deployed with; undefined if it is older than that output. */
export const peerRegionsOf = ({ outputs }: Stack): string[] | undefined =>
  outputs.PeerRegions?.split(',').filter(Boolean)

/** As many pages of stacks are read: an account has 2000 stacks, unless it asked for more. */
const MAX_PAGE_COUNT = 100

/** Every stack of Keyturn. One from before stacks told their stage has that of its name, and no version. */
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

function toStack({ StackName: name = '', Outputs = [] }: Described): Stack[] {
  const outputs = Object.fromEntries(
    Outputs.map(({ OutputKey = '', OutputValue = '' }) => [OutputKey, OutputValue]),
  )
  if (!outputs.RotateStateMachineArn || !outputs.RotateSecretFunctionArn) return []
  const { Stage: stage = name.replace(/^keyturn-/, ''), Version: version = '' } = outputs
  return [{ name, stage, version, outputs }]
}
