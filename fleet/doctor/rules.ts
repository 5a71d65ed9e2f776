import { DescribeRuleCommand, EnableRuleCommand, type EventBridgeClient } from '@aws-sdk/client-eventbridge'
import { type Check, type CheckFix, type ExaminedStack, okCheck } from './check.ts'

/** Whether a rule is enabled. @param id as CloudFormation has it: of a bus other than the default one, `bus|name` */
export async function lookAtRule(
  events: EventBridgeClient,
  id: string,
  place: ExaminedStack,
): Promise<Check[]> {
  const [about = '', inId] = id.split('|').toReversed()
  const bus = inId ?? (await busOf(events, about, place))
  const { State } = await events.send(new DescribeRuleCommand({ Name: about, EventBusName: bus }))
  if (State !== 'DISABLED') return [okCheck('rule', about)]
  const onBus = bus ? ` --event-bus-name ${bus}` : ''
  return [
    {
      kind: 'rule',
      about,
      state: 'failed',
      says: 'is disabled',
      remedy: `aws events enable-rule --name ${about}${onBus} --region ${place.region}`,
      fix: { rule: about, ...(bus && { bus }) },
    },
  ]
}

/** A rule whose id names no bus is on the default one, or else on the stack's. */
async function busOf(
  events: EventBridgeClient,
  Name: string,
  { outputs }: ExaminedStack,
): Promise<string | undefined> {
  const own = /:event-bus\/(.+)$/.exec(outputs.EventBusArn ?? '')?.[1]
  if (own === undefined || own === 'default') return undefined
  const found = await events.send(new DescribeRuleCommand({ Name })).catch(error => {
    if (error.name !== 'ResourceNotFoundException') throw error
    return undefined
  })
  return found ? undefined : own
}

export async function enableRule(
  events: EventBridgeClient,
  { rule, bus }: Extract<CheckFix, { rule: string }>,
) {
  await events.send(new EnableRuleCommand({ Name: rule, EventBusName: bus }))
}
