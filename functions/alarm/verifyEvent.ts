import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { ANNOUNCING_STATES } from '../../fleet/announcingStates.ts'
import type { StateName } from '../../fleet/states.ts'
import { type EventBridgeEvent, readDetail } from './event.ts'
import { type EnteredState, type Histories, NotLooked } from './histories.ts'

/**
 * What an event is worth. AWS's own events are authentic; those of source `keyturn` can be put on the bus by whoever
 * may, so the history of the execution that they name has to bear them out: `proven`, or `denied`. Whether `unknown`
 * could not be found out; `early` asks for another look in a minute.
 */
export type Verdict = 'proven' | 'denied' | 'unknown' | 'early'

/** An event, with `detail` as the history has it. `last` is the state that an execution ended in. */
export type VerifiedEvent = {
  event: EventBridgeEvent
  verdict: Verdict
  lastState?: EnteredState
  why?: string
}

/** The states that announce something, and what each of them announces of its input. */
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
    detail: ({ input }) => ({ severity: 'error', rotation: input, state: (input as Names)?.failedState }),
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
    detail: ({ input }) => ({ late: (input as { late?: object })?.late ?? input }),
  },
}
/** The last release had the group's name beside the report. */
type Reported = { report?: { severity?: string }; name?: string; group?: { name?: string } }
type Names = { store?: string; id?: string; failedState?: string } | undefined

/** Of what went well only the credential matters. */
function credentialIn({ input }: EnteredState): object {
  const { store, id } = (input ?? {}) as NonNullable<Names>
  return { store, id }
}

/** What an event says, as the history of the execution that it names has it. */
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

async function verifyAnnouncement(
  event: EventBridgeEvent,
  histories: Pick<Histories, 'lastEntered'>,
  signal: AbortSignal,
): Promise<VerifiedEvent> {
  const announced = announcements[event['detail-type'] ?? '']
  const { execution, late } = event.detail ?? {}
  if (!announced || !execution) return { event, verdict: 'denied' }
  const said = (entered: EnteredState) => readDetail({ execution, ...announced.detail(entered) })
  const found = await histories.lastEntered(
    execution,
    // A list may be announced in parts. Else the history's word is taken, whatever the event's is.
    entered =>
      announced.states.includes(entered.state) && (!late || isDeepStrictEqual(said(entered).late, late)),
    signal,
  )
  if (found === 'running') return { event, verdict: 'early' }
  if (found === 'none') return { event, verdict: 'denied' }
  if (found.input === undefined) return { event, verdict: 'unknown', why: 'the history withholds it' }
  return {
    event: { ...event, time: new Date(found.at).toISOString(), detail: said(found) },
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
