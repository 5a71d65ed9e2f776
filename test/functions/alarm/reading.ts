import type { StateName } from '../../../fleet/states.ts'
import { type Alarm, readAlarm } from '../../../functions/alarm/alarm.ts'
import { readEvent } from '../../../functions/alarm/event.ts'
import type { Verdict, VerifiedEvent } from '../../../functions/alarm/verifyEvent.ts'

export const runbook = 'docs/runbook.md'
export const guide = { runbook, stage: 'prod', region: 'eu-west-1' }

/** An event, and what is known of its worth; by default that it is true. */
export const weighed = (
  event: unknown,
  worth: Verdict = 'proven',
  more: Partial<VerifiedEvent> = {},
): VerifiedEvent => ({
  event: readEvent(event),
  verdict: worth,
  ...more,
})

/** The alarm that an event is. */
export function read(event: unknown, worth: Verdict = 'proven', more: Partial<VerifiedEvent> = {}): Alarm {
  const alarm = readAlarm(weighed(event, worth, more), guide)
  if (!alarm) throw new Error('nobody would be told')
  return alarm
}

/** The state that an execution ended in, as its history has it: one of ours, or of another release. */
export const endedIn = (
  state: string,
  input: unknown = { store: 'secrets-manager', id: 'shop/database' },
) => ({
  lastState: { state: state as StateName, input, at: Date.parse('2026-11-21T10:00:00Z') },
})
