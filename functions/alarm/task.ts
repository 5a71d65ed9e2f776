import type { Alarm, StackInfo } from './alarm.ts'
import type { EventBridgeEvent } from './event.ts'
import type { Histories } from './histories.ts'
import type { Claim, Ledger } from './ledger.ts'

/** An event that may raise an alarm. `redelivered`: SQS delivers it for at least the second time. */
export type IncomingEvent = { event: EventBridgeEvent; redelivered: boolean }

/** What telling works with. All times are in milliseconds. */
export type TellingContext = {
  /** The ledger. The calls of one step of telling may take `timeLimitsMs.ledger` in all. */
  ledger: Pick<Ledger, 'withTimeout'>
  histories: Pick<Histories, 'lastEntered'>
  /** Publishes an alarm to the topic. @throws whatever SNS throws */
  publish(alarm: Alarm): Promise<void>
  /**
   * Posts alarms to the webhook until `deadline`, and calls `told` with the alarms of each message that was accepted.
   * @returns the error of each alarm that was not accepted
   */
  post(
    alarms: Alarm[],
    deadline: number,
    told: (alarms: Alarm[]) => Promise<void>,
  ): Promise<Map<Alarm, Error>>
  stack: StackInfo
  log: { error(message: string, details: { error: unknown }): void }
  /** See TIME_LIMITS_MS of raiseAlarm.ts. */
  timeLimitsMs: { secondHandDelay: number; look: number; ledger: number; retry: number }
  /** The time, in milliseconds since 1970, after which nothing is sent any more. */
  deadline: number
}

/** What telling did with an event. `key` and `subject` are those of its alarm. */
export type TellResult = {
  item: IncomingEvent
  status: 'told' | 'had been told' | 'nothing to tell' | 'failed'
  key?: string | undefined
  subject?: string
  error?: Error
}

/** An alarm that may have to be sent. */
export type AlarmTask = {
  alarm: Alarm
  /** The events that tell of it. */
  items: IncomingEvent[]
  /** The right to send the alarm, with the outlets that have it already. */
  claim?: Claim | undefined
  /**
   * False if a later rotation of the credential has succeeded before the failure was told: then its recovery is sent right after
   * it. It is set once `decide` has asked the ledger, and true for a failure of no single credential.
   */
  open: boolean
}

/** The result of each event of a task. */
export const resultsOf = (
  { items, alarm: { key, subject } }: AlarmTask,
  status: TellResult['status'],
  error?: Error,
): TellResult[] => items.map(item => ({ item, status, key, subject, ...(error && { error }) }))
