import { DescribeRuleCommand, EnableRuleCommand, type EventBridgeClient } from '@aws-sdk/client-eventbridge'
import { type Check, type CheckFix, type ExaminedStack, okCheck } from './check.ts'

/** Checks whether a rule is enabled. @param id its physical id: the rule's name, or `bus|name` for a rule of a custom event bus */
export async function lookAtRule(
  events: EventBridgeClient,
  id: string,
  place: ExaminedStack,
): Promise<Check[]> {
  const [about = '', busInId] = id.split('|').toReversed()
  const bus = busInId ?? (await busOf(events, about, place))
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

/** The bus of a rule whose id names none: undefined for the default bus, if the rule is there, or else the stack's own bus. */
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

/** Enables a rule. @throws what AWS throws */
export async function enableRule(
  events: EventBridgeClient,
  { rule, bus }: Extract<CheckFix, { rule: string }>,
) {
  await events.send(new EnableRuleCommand({ Name: rule, EventBusName: bus }))
}
