import { GetScheduleCommand, type SchedulerClient, UpdateScheduleCommand } from '@aws-sdk/client-scheduler'
import { type Check, type ExaminedStack, okCheck } from './check.ts'

/** Checks whether a schedule is enabled. @param about the schedule's name */
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

/**
 * Enables a schedule. All its settings are read and sent again, as UpdateSchedule sets those that are left out to their defaults:
 * https://docs.aws.amazon.com/scheduler/latest/APIReference/API_UpdateSchedule.html
 * @throws what AWS throws
 */
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
