import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { ANNOUNCING_STATES } from '../../fleet/announcingStates.ts'
import type { StateName } from '../../fleet/states.ts'
import { type EventBridgeEvent, readDetail } from './event.ts'
import { type EnteredState, type Histories, NotLooked } from './histories.ts'

/**
 * Whether an event is true. Events of AWS's services are always `proven`: EventBridge refuses anyone else's events whose source
 * begins with `aws.` (NotAuthorizedForSourceException in
 * https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html). Anyone who may put events on the
 * bus can send one with the source `keyturn`, so the history of the execution that it names decides:
 *
 * - `proven`: the execution announced the event;
 * - `denied`: it did not, and will not;
 * - `early`: it has not yet, but still runs, so another look is needed later;
 * - `unknown`: the history could not be read.
 */
export type Verdict = 'proven' | 'denied' | 'unknown' | 'early'

/** An event that was checked. If it is a proven announcement, its `detail` and `time` are those of the history. */
export type VerifiedEvent = {
  event: EventBridgeEvent
  verdict: Verdict
  /** The last state that the execution entered; only of events of Step Functions. */
  lastState?: EnteredState
  /** Why the history could not be used. */
  why?: string
}

/** For each type of announcement, the states that make it, and the detail that they announce, which is taken from their input. */
const announcements: Record<string, { states: StateName[]; detail(entered: EnteredState): object }> = {
  // No prototype, as the name comes from the event.
  __proto__: null as never,
  'Credential Rotation Failed': {
    states: ANNOUNCING_STATES['Credential Rotation Failed'],
    detail: ({ state, input }) => ({
      severity: state === 'AnnounceLockout' ? 'critical' : 'error',
      rotation: input,
    }),
  },
  'Credential Retirement Failed': {
    states: ANNOUNCING_STATES['Credential Retirement Failed'],
    detail: ({ input }) => ({
      severity: 'error',
      rotation: input,
      state: (input as RotationState)?.failedState,
    }),
  },
  'Credential Replicas Behind': {
    states: ANNOUNCING_STATES['Credential Replicas Behind'],
    detail: ({ input }) => ({ severity: 'error', rotation: input }),
  },
  'Credential Replicated': {
    states: ANNOUNCING_STATES['Credential Replicated'],
    detail: credentialIn,
  },
  'Credential Rotated': {
    states: ANNOUNCING_STATES['Credential Rotated'],
    detail: credentialIn,
  },
  'Credential Rotations Failed': {
    states: ['AnnounceFailures'],
    detail: ({ input }) => {
      const { report, name, group } = (input ?? {}) as Reported
      return { severity: report?.severity, report, group: group?.name ?? name }
    },
  },
  'Promotion Finished': {
    states: ['AnnouncePromotion'],
    detail: ({ input }) => ({ promotion: input }),
  },
  'Promotion Not Ready': {
    states: ['AnnounceNotReady'],
    detail: ({ input }) => ({ promotion: input }),
  },
  'Credentials Late': {
    states: ['AnnounceLate'],
    // The input is one list. In a release without parts, it was the state of the run, with the only list under `late`.
    detail: ({ input }) => ({ late: (input as { late?: object })?.late ?? input }),
  },
}
/** The input of AnnounceFailures. In the last release, the name of the group was beside the report. */
type Reported = { report?: { severity?: string }; name?: string; group?: { name?: string } }
/** The fields of a rotation's state that announcements use. */
type RotationState = { store?: string; id?: string; failedState?: string } | undefined

/** The detail of an announced success: only the credential. */
function credentialIn({ input }: EnteredState): object {
  const { store, id } = (input ?? {}) as NonNullable<RotationState>
  return { store, id }
}

/**
 * Checks an event against the history of the execution that it names.
 * @param signal ends the look at the history
 */
export async function verifyEvent(
  event: EventBridgeEvent,
  histories: Pick<Histories, 'lastEntered'>,
  signal: AbortSignal,
): Promise<VerifiedEvent> {
  const { source, detail = {} } = event
  try {
    if (source === 'keyturn') return await verifyAnnouncement(event, histories, signal)
    const { executionArn } = detail
    if (source !== 'aws.states' || !executionArn) return { event, verdict: 'proven' }
    const last = await histories.lastEntered(executionArn, () => true, signal)
    return typeof last === 'object'
      ? { event, verdict: 'proven', lastState: last }
      : { event, verdict: 'proven', why: 'its history is empty' }
  } catch (error) {
    if (!(error instanceof NotLooked)) throw error
    return { event, verdict: source === 'keyturn' ? 'unknown' : 'proven', why: error.message }
  }
}

/** Checks an event with the source `keyturn`. @throws NotLooked */
async function verifyAnnouncement(
  event: EventBridgeEvent,
  histories: Pick<Histories, 'lastEntered'>,
  signal: AbortSignal,
): Promise<VerifiedEvent> {
  const announcement = announcements[event['detail-type'] ?? '']
  const { execution, late } = event.detail ?? {}
  if (!announcement || !execution) return { event, verdict: 'denied' }
  const detailOf = (entered: EnteredState) => readDetail({ execution, ...announcement.detail(entered) })
  const found = await histories.lastEntered(
    execution,
    // A list of late credentials is announced in parts, so the part has to be the same. For any other announcement, only the state
    // has to be there, since the detail is taken from the history.
    entered =>
      announcement.states.includes(entered.state) &&
      (!late || isDeepStrictEqual(detailOf(entered).late, late)),
    signal,
  )
  if (found === 'running') return { event, verdict: 'early' }
  if (found === 'none') return { event, verdict: 'denied' }
  if (found.input === undefined) return { event, verdict: 'unknown', why: 'the history withholds it' }
  return {
    event: { ...event, time: new Date(found.at).toISOString(), detail: detailOf(found) },
    verdict: 'proven',
  }
}

/**
 * Verifies an event, with two more looks at the history if the execution has not announced the event yet: the history may lag
 * behind the event for a moment.
 * @param pauseMs milliseconds between two looks
 */
export async function verifyWithRetries(
  event: EventBridgeEvent,
  histories: Pick<Histories, 'lastEntered'>,
  signal: AbortSignal,
  pauseMs: number,
): Promise<VerifiedEvent> {
  for (let tries = 1; ; tries++) {
    const verified = await verifyEvent(event, histories, signal)
    if (verified.verdict !== 'early' || tries === 3) return verified
    await sleep(pauseMs)
  }
}
