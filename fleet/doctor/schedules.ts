import { GetScheduleCommand, type SchedulerClient, UpdateScheduleCommand } from '@aws-sdk/client-scheduler'
import { type Check, type ExaminedStack, okCheck } from './check.ts'

/** Whether a schedule is enabled. */
export async function lookAtSchedule(
  scheduler: SchedulerClient,
  about: string,
  { stage, region }: ExaminedStack,
): Promise<Check[]> {
  const { State } = await scheduler.send(new GetScheduleCommand({ Name: about }))
  if (State !== 'DISABLED') return [okCheck('schedule', about)]
  return [
    {
      kind: 'schedule',
      about,
      state: 'failed',
      says: 'is disabled',
      remedy: `keyturn doctor --fix --stage ${stage} --region ${region}`,
      fix: { schedule: about },
    },
  ]
}

/** Enables a schedule and leaves all else of it as it is: the service takes a schedule only as a whole. */
export async function enableSchedule(scheduler: SchedulerClient, Name: string): Promise<void> {
  const found = await scheduler.send(new GetScheduleCommand({ Name }))
  const { Arn, CreationDate, LastModificationDate, $metadata, ...schedule } = found
  const { ScheduleExpression, FlexibleTimeWindow, Target } = schedule
  await scheduler.send(
    new UpdateScheduleCommand({
      ...schedule,
      Name,
      ScheduleExpression,
      FlexibleTimeWindow,
      Target,
      State: 'ENABLED',
    }),
  )
}
