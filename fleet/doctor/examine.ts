import { all } from '../pool.ts'
import type { StackResource } from '../stackResources.ts'
import { type Check, type DoctorClients, type Fix, looked, type Place } from './check.ts'
import { lookAtErrors, lookAtFunction, lookAtReader } from './functions.ts'
import { lookAtQueue } from './queues.ts'
import { enableRule, lookAtRule } from './rules.ts'
import { enableSchedule, lookAtSchedule } from './schedules.ts'
import { lookAtAlarms, lookAtTopic, lookAtWebhook } from './telling.ts'

/** Calls at once: some of these services take few. */
const AT_ONCE = 3

/** Looks at each resource of a stack, and changes nothing. What could not be read is among what it finds. */
export async function examine(
  clients: DoctorClients,
  resources: StackResource[],
  place: Place,
): Promise<Check[]> {
  const named = (type: string) => resources.filter(resource => resource.type === type)
  const ids = (type: string) => named(type).map(({ id }) => id)
  const functions = ids('AWS::Lambda::Function')
  const alarms = ids('AWS::CloudWatch::Alarm')
  const raiseAlarm = named('AWS::Lambda::Function').find(({ logicalId }) =>
    logicalId.startsWith('RaiseAlarm'),
  )
  const { events, scheduler, lambda, sns, sqs, cloudWatch } = clients
  const looks = [
    ...ids('AWS::Events::Rule').map(
      id => () => looked('rule', lastOf(id, '|'), place, () => lookAtRule(events, id, place)),
    ),
    ...ids('AWS::Scheduler::Schedule').map(
      id => () => looked('schedule', id, place, () => lookAtSchedule(scheduler, id, place)),
    ),
    ...ids('AWS::Lambda::EventSourceMapping').map(
      id => () => looked('reader', id, place, () => lookAtReader(lambda, id, place)),
    ),
    ...functions.map(id => () => looked('function', id, place, () => lookAtFunction(lambda, id, place))),
    ...(functions.length
      ? [() => looked('errors', 'metrics', place, () => lookAtErrors(cloudWatch, functions, place))]
      : []),
    ...named('AWS::SQS::Queue').map(
      queue => () => looked('queue', lastOf(queue.id, '/'), place, () => lookAtQueue(sqs, queue, place)),
    ),
    ...ids('AWS::SNS::Topic').map(
      id => () => looked('topic', lastOf(id, ':'), place, () => lookAtTopic(sns, id, place)),
    ),
    ...(raiseAlarm
      ? [() => looked('webhook', 'parameter', place, () => lookAtWebhook(clients, raiseAlarm.id, place))]
      : []),
    ...(alarms.length
      ? [() => looked('alarm', 'states', place, () => lookAtAlarms(cloudWatch, alarms, place))]
      : []),
  ]
  return (await all(looks, AT_ONCE, look => look())).flat()
}

const lastOf = (id: string, sign: string) => id.slice(id.lastIndexOf(sign) + 1)

/** Enables a rule or a schedule. @throws what AWS throws */
export const mend = ({ events, scheduler }: DoctorClients, fix: Fix): Promise<void> =>
  'rule' in fix ? enableRule(events, fix) : enableSchedule(scheduler, fix.schedule)
