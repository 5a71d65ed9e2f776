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

/** The stack of the stage in a Region, and when CloudFormation said so, by its own clock. */
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

/** What a stack is to an audit: roles are those that CloudFormation made for it. */
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

/** How many have confirmed that they want the alarms. */
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
 * The secrets that Access Analyzer says are open to others, with whom it names. An analyzer of another type, as of unused access,
 * does not tell of these. ListFindings names the principal, and ListFindingsV2 does not.
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

const principalIn = ({ isPublic, principal = {} }: FindingSummary) =>
  isPublic ? 'everybody' : Object.values(principal).sort().join(', ') || 'others'

/** A rotation function, asked for in its own Region; undefined: there is none. */
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
