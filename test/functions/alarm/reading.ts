import type { StateName } from '../../../fleet/states.ts'
import type { Alarm } from '../../../functions/alarm/alarm.ts'
import { readEvent } from '../../../functions/alarm/event.ts'
import { readAlarm } from '../../../functions/alarm/readAlarm.ts'
import type { Verdict, VerifiedEvent } from '../../../functions/alarm/verifyEvent.ts'

export const runbook = 'docs/runbook.md'
export const guide = { runbook, stage: 'prod', region: 'eu-west-1' }

/** An event, and the result of its verification: true by default. */
export const weighed = (
  event: unknown,
  worth: Verdict = 'proven',
  more: Partial<VerifiedEvent> = {},
): VerifiedEvent => ({
  event: readEvent(event),
  verdict: worth,
  ...more,
})

/** @returns the alarm for an event */
export function read(event: unknown, worth: Verdict = 'proven', more: Partial<VerifiedEvent> = {}): Alarm {
  const alarm = readAlarm(weighed(event, worth, more), guide)
  if (!alarm) throw new Error('nobody would be told')
  return alarm
}

/** @returns the state in which an execution ended, as from its history; it may be another release's */
export const endedIn = (
  state: string,
  input: unknown = { store: 'secrets-manager', id: 'shop/database' },
) => ({
  lastState: { state: state as StateName, input, at: Date.parse('2026-11-21T10:00:00Z') },
})
