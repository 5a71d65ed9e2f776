import { CRITICAL_HEADLINES, type Headline } from './headlines.ts'

/** What an event says of a failure, in the same form for all kinds of events. */
export type Failure = {
  headline: Headline
  /** The store of the credential. */
  store?: string | undefined
  /** The credential's name or ARN. */
  id?: string | undefined
  /** ARN of the execution. */
  execution?: string | undefined
  /** Name of the error. */
  error?: string | undefined
  /** The step or the state that failed. */
  step?: string | undefined
  /** The error's message. */
  cause?: string | undefined
  /** How the rollback ended; the table in docs/events.md explains the words. */
  rollback?: string | undefined
  /** The error that made the rollback necessary, if the rollback failed too. */
  firstError?: string | undefined
  /** The key of the alarm, if the execution's name does not name the failure. */
  key?: string | undefined
  /** What failed, if it is not the rotation of one credential. */
  whatFailed?: string | undefined
  moreFacts?: [label: string, value: string][]
  /** A sentence that replaces the headline's own. */
  sentence?: string | undefined
  /** Whether the failure is critical. Without this field, the headline decides. */
  critical?: boolean
  /** Whether the report of a run tells of this failure too, if a run started the rotation. */
  reportedByRun?: boolean
  /** Names a lockout that was there before the rotation, by credential, current version and what was found. */
  preexistingKey?: string | undefined
  /** Names of what the alarm tells of. The alarm is sent only if one of them was not told on that day. */
  findings?: string[]
  /** Names that count as told once the alarm is sent. */
  coveredFindings?: string[]
  /** Whether the findings are told once, and not once a day, as long as events report them at least every week. */
  toldOnlyOnce?: boolean
  /** Whether the failure lasts until a person mends it, and is told once a day. The day then counts as its time. */
  toldDaily?: boolean
  /** Whether the topic has this alarm already. */
  topicTold?: boolean
}

/** A credential that was rotated. `replicasFollowed` is set if the event says that its replicas have followed. */
export type Success = { store: string; id: string; execution: string; replicasFollowed?: true }

/** Whether the application may be unable to log in, or nobody can tell whether it is. */
export const isCritical = (failure: Failure) =>
  failure.critical ?? CRITICAL_HEADLINES.includes(failure.headline)
