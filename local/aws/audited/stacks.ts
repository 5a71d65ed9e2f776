import type { StackResource } from '../../../fleet/stackResources.ts'
import { AwsError } from '../awsError.ts'
import type { Stack } from './accountState.ts'
import type { Action, CallContext } from './request.ts'
import { element, elements } from './xml.ts'

/** What CloudFormation tells of Keyturn's stack. */
export const cloudFormation: Record<string, Action> = {
  DescribeStacks: ({ StackName }, where) => {
    const stack = stackIn(where)
    if (StackName !== undefined) find(StackName, where)
    return elements('Stacks', stack ? [stackXml(stack)] : [])
  },

  ListStackResources: ({ StackName, NextToken }, where) => {
    const { roles } = find(StackName, where)
    return resourcesXml(roles.map(resourceOf), NextToken, 100)
  },
}

/** The subscriptions of the stack's alarm topic. */
export const sns: Record<string, Action> = {
  ListSubscriptionsByTopic: ({ TopicArn }, where) => {
    const stack = stackIn(where)
    if (TopicArn !== stack?.outputs.AlarmTopicArn) throw new AwsError('NotFound', 'Topic does not exist', 404)
    return elements(
      'Subscriptions',
      (stack?.subscriptions ?? []).map(
        arn =>
          element('TopicArn', `${TopicArn}`) +
          element('Protocol', 'email') +
          element('SubscriptionArn', arn) +
          element('Owner', where.accountState.account) +
          element('Endpoint', 'somebody@example.com'),
      ),
    )
  },
}

const stackIn = ({ accountState, region }: CallContext) => accountState.regions.get(region)?.stack

function find(name: unknown, where: CallContext): Stack {
  const stack = stackIn(where)
  if (!stack || stack.name !== name)
    throw new AwsError('ValidationError', `Stack with id ${name} does not exist`)
  return stack
}

const outputXml = ([key, value]: [string, string]) =>
  element('OutputKey', key) + element('OutputValue', value)

/** A stack as DescribeStacks tells it. */
export const stackXml = ({ name, outputs }: Pick<Stack, 'name' | 'outputs'>): string =>
  element('StackName', name) +
  element('CreationTime', '2026-01-01T00:00:00Z') +
  element('StackStatus', 'UPDATE_COMPLETE') +
  elements('Outputs', Object.entries(outputs).map(outputXml))

const resourceOf = (role: string): StackResource => ({
  ...{ logicalId: role.replaceAll(/\W/g, ''), type: 'AWS::IAM::Role', id: role },
})

/** What ListStackResources answers: at most so many, from where a token says. */
export function resourcesXml(resources: StackResource[], token: unknown, most: number): string {
  const from = Number(token ?? 0)
  const page = resources.slice(from, from + most)
  const next = from + most < resources.length ? element('NextToken', `${from + most}`) : ''
  return elements('StackResourceSummaries', page.map(resourceXml)) + next
}

const resourceXml = ({ logicalId, type, id }: StackResource) =>
  element('LogicalResourceId', logicalId) +
  element('PhysicalResourceId', id) +
  element('ResourceType', type) +
  element('ResourceStatus', 'CREATE_COMPLETE') +
  element('LastUpdatedTimestamp', '2026-01-01T00:00:00Z')
