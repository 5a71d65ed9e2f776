import type { StackResource } from '../../../fleet/stackResources.ts'
import { AwsError } from '../awsError.ts'
import type { Stack } from './accountState.ts'
import type { Action, CallContext } from './request.ts'
import { element, elements } from './xml.ts'

/** AWS CloudFormation: Keyturn's stack and its roles. */
export const cloudFormation: Record<string, Action> = {
  DescribeStacks: ({ StackName }, context) => {
    const stack = stackIn(context)
    if (StackName !== undefined) find(StackName, context)
    return elements('Stacks', stack ? [stackXml(stack)] : [])
  },

  ListStackResources: ({ StackName, NextToken }, context) => {
    const { roles } = find(StackName, context)
    return resourcesXml(roles.map(resourceOf), NextToken, 100)
  },
}

/** Amazon SNS: the subscriptions of the stack's alarm topic. */
export const sns: Record<string, Action> = {
  ListSubscriptionsByTopic: ({ TopicArn }, context) => {
    const stack = stackIn(context)
    if (TopicArn !== stack?.outputs.AlarmTopicArn) throw new AwsError('NotFound', 'Topic does not exist', 404)
    return elements(
      'Subscriptions',
      (stack?.subscriptions ?? []).map(
        arn =>
          element('TopicArn', `${TopicArn}`) +
          element('Protocol', 'email') +
          element('SubscriptionArn', arn) +
          element('Owner', context.accountState.account) +
          element('Endpoint', 'somebody@example.com'),
      ),
    )
  },
}

const stackIn = ({ accountState, region }: CallContext) => accountState.regions.get(region)?.stack

/** The Region's stack. @throws AwsError ValidationError if it does not have this name */
function find(name: unknown, context: CallContext): Stack {
  const stack = stackIn(context)
  if (!stack || stack.name !== name)
    throw new AwsError('ValidationError', `Stack with id ${name} does not exist`)
  return stack
}

const outputXml = ([key, value]: [string, string]) =>
  element('OutputKey', key) + element('OutputValue', value)

/** A stack as DescribeStacks answers it, in XML. */
export const stackXml = ({ name, outputs }: Pick<Stack, 'name' | 'outputs'>): string =>
  element('StackName', name) +
  element('CreationTime', '2026-01-01T00:00:00Z') +
  element('StackStatus', 'UPDATE_COMPLETE') +
  elements('Outputs', Object.entries(outputs).map(outputXml))

const resourceOf = (role: string): StackResource => ({
  logicalId: role.replaceAll(/\W/g, ''),
  type: 'AWS::IAM::Role',
  id: role,
})

/**
 * A page of ListStackResources, in XML.
 * @param token the token of this page, if it is not the first
 * @param most how many resources a page has at most
 */
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
