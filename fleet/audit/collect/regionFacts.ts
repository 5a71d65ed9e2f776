import {
  type FindingSummary,
  paginateListAnalyzers,
  paginateListFindings,
} from '@aws-sdk/client-accessanalyzer'
import { GetFunctionConfigurationCommand } from '@aws-sdk/client-lambda'
import { regionIn } from '../../../rotation/arn.ts'
import { watchClock } from '../../awsClock.ts'
import { listStackResources, roleNamesIn } from '../../stackResources.ts'
import { listStacks, type Stack } from '../../stacks.ts'
import { countSubscriptions } from '../../subscriptions.ts'
import { readAllPages } from '../../wholeList.ts'
import type { Fact, FunctionFacts, RegionFacts, StackFacts } from '../facts.ts'
import { factOf } from './awsReader.ts'
import { rateLimitedClients } from './clients.ts'
import { askOnce, type Collector, readOnce } from './collector.ts'

const SECRET_RESOURCE_TYPE = 'AWS::SecretsManager::Secret'

/** The stack of the stage in a Region, if it has one. `at` is the time of the answer by AWS's clock, in ISO 8601. */
export async function readStack(
  collector: Collector,
  region: string,
  stage: string,
): Promise<{ stack?: Stack; at: string }> {
  const kind = { service: 'cloudformation', operation: 'DescribeStacks', region } as const
  return askOnce(collector, kind, region, async () => {
    const client = await rateLimitedClients(collector, region).cloudFormation()
    const clock = watchClock(client)
    const stack = (await listStacks(client)).find(each => each.stage === stage)
    return { ...(stack && { stack }), at: clock() }
  })
}

/** The facts of a stack. Its roles are those that CloudFormation made for it. */
export async function readStackFacts(
  collector: Collector,
  region: string,
  stack: Stack,
): Promise<StackFacts> {
  const { name, version, outputs } = stack
  const kind = { service: 'cloudformation', operation: 'ListStackResources', region } as const
  const roles = await askOnce(collector, kind, region, async () => {
    const client = await rateLimitedClients(collector, region).cloudFormation()
    return roleNamesIn(await listStackResources(client, name)).sort()
  })
  const { RotateSecretFunctionArn: rotateSecret = '', DueSchedule: dueSchedule } = outputs
  return { name, version, rotateSecret, roles, ...(dueSchedule && { dueSchedule }) }
}

/** How many subscriptions of the alarms' topic are confirmed. */
export function countSubscribers(collector: Collector, region: string, stack: Stack): Promise<Fact<number>> {
  const TopicArn = stack.outputs.AlarmTopicArn
  const kind = { service: 'sns', operation: 'ListSubscriptionsByTopic', region } as const
  const asked = askOnce(collector, kind, region, async () => {
    const client = await rateLimitedClients(collector, region).sns()
    return (await countSubscriptions(client, TopicArn)).confirmed
  })
  return factOf(asked)
}

/**
 * The secrets that IAM Access Analyzer finds open to others, by ARN, each with the names of these others. Only an analyzer of
 * external access is asked: those of other types, such as unused access, do not find that. ListFindings names the principals,
 * ListFindingsV2 does not: https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_FindingSummary.html
 */
export function readExposedSecrets(collector: Collector, region: string): Promise<RegionFacts['exposed']> {
  const asked = readOnce(collector, `ListFindings ${region}`, async () => {
    const client = await rateLimitedClients(collector, region).accessAnalyzer()
    const kind = { service: 'access-analyzer', region } as const
    const analyzerArn = await collector.reader.read({ ...kind, operation: 'ListAnalyzers' }, async () => {
      for await (const { analyzers = [] } of readAllPages(paginateListAnalyzers({ client }, {})))
        for (const { arn, type, status } of analyzers)
          if (status === 'ACTIVE' && (type === 'ACCOUNT' || type === 'ORGANIZATION')) return arn
      return undefined
    })
    // Kept as JSON, which has no undefined.
    if (!analyzerArn) return null
    return collector.reader.read({ ...kind, operation: 'ListFindings' }, async () => {
      const filter = { status: { eq: ['ACTIVE'] }, resourceType: { eq: [SECRET_RESOURCE_TYPE] } }
      const found: Record<string, string[]> = {}
      const pages = readAllPages(paginateListFindings({ client, pageSize: 100 }, { analyzerArn, filter }))
      for await (const page of pages)
        for (const finding of page.findings ?? []) {
          const { resource = '' } = finding
          found[resource] = [...(found[resource] ?? []), principalIn(finding)]
        }
      return Object.fromEntries(
        Object.entries(found)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([arn, names]) => [arn, [...new Set(names)].sort().join(', ')]),
      )
    })
  })
  return factOf(asked.then(found => found ?? undefined))
}

/** Who has access by a finding. */
const principalIn = ({ isPublic, principal = {} }: FindingSummary) =>
  isPublic ? 'everybody' : Object.values(principal).sort().join(', ') || 'others'

/** A rotation function; undefined if it does not exist. It is asked for in the Region that its ARN names. */
export async function readFunction(
  collector: Collector,
  arn: string,
): Promise<Fact<FunctionFacts | undefined>> {
  const region = regionIn(arn) ?? ''
  const kind = { service: 'lambda', operation: 'GetFunctionConfiguration', region } as const
  const call = async (): Promise<FunctionFacts | null> => {
    const client = await rateLimitedClients(collector, region).lambda()
    const command = new GetFunctionConfigurationCommand({ FunctionName: arn })
    const { Runtime, State, LastModified } = await client.send(command)
    const modified = LastModified && new Date(LastModified).toISOString()
    return {
      ...(Runtime && { runtime: Runtime }),
      ...(State && { state: State }),
      ...(modified && { lastModified: modified }),
    }
  }
  const asked = askOnce(collector, kind, arn, call, null)
  const found = await factOf(asked.then(found => found ?? undefined))
  collector.reportProgress('answer', 1)
  return found
}
