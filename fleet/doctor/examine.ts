import { mapConcurrently } from '../concurrency.ts'
import type { StackResource } from '../stackResources.ts'
import { type Check, type CheckFix, type DoctorClients, type ExaminedStack, runCheck } from './check.ts'
import { lookAtErrors, lookAtEventSourceMapping, lookAtFunction } from './functions.ts'
import { lookAtAlarms, lookAtTopic, lookAtWebhook } from './notifications.ts'
import { lookAtQueue } from './queues.ts'
import { enableRule, lookAtRule } from './rules.ts'
import { enableSchedule, lookAtSchedule } from './schedules.ts'

/** How many checks run at the same time: some of these services allow few calls a second. */
const CONCURRENT_CHECK_COUNT = 3

/** Checks each resource of a stack, and changes nothing. A resource that could not be read has a check that is `unread`. */
export async function examineStack(
  clients: DoctorClients,
  resources: StackResource[],
  place: ExaminedStack,
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
      id => () => runCheck('rule', partAfterLast(id, '|'), place, () => lookAtRule(events, id, place)),
    ),
    ...ids('AWS::Scheduler::Schedule').map(
      id => () => runCheck('schedule', id, place, () => lookAtSchedule(scheduler, id, place)),
    ),
    ...ids('AWS::Lambda::EventSourceMapping').map(
      id => () => runCheck('reader', id, place, () => lookAtEventSourceMapping(lambda, id, place)),
    ),
    ...functions.map(id => () => runCheck('function', id, place, () => lookAtFunction(lambda, id, place))),
    ...(functions.length
      ? [() => runCheck('errors', 'metrics', place, () => lookAtErrors(cloudWatch, functions, place))]
      : []),
    ...named('AWS::SQS::Queue').map(
      queue => () =>
        runCheck('queue', partAfterLast(queue.id, '/'), place, () => lookAtQueue(sqs, queue, place)),
    ),
    ...ids('AWS::SNS::Topic').map(
      id => () => runCheck('topic', partAfterLast(id, ':'), place, () => lookAtTopic(sns, id, place)),
    ),
    ...(raiseAlarm
      ? [() => runCheck('webhook', 'parameter', place, () => lookAtWebhook(clients, raiseAlarm.id, place))]
      : []),
    ...(alarms.length
      ? [() => runCheck('alarm', 'states', place, () => lookAtAlarms(cloudWatch, alarms, place))]
      : []),
  ]
  return (await mapConcurrently(looks, CONCURRENT_CHECK_COUNT, look => look())).flat()
}

const partAfterLast = (id: string, sign: string) => id.slice(id.lastIndexOf(sign) + 1)

/** Enables a rule or a schedule. @throws what AWS throws */
export const applyFix = ({ events, scheduler }: DoctorClients, fix: CheckFix): Promise<void> =>
  'rule' in fix ? enableRule(events, fix) : enableSchedule(scheduler, fix.schedule)
