import { isDeepStrictEqual } from 'node:util'
import { announcing } from '../../fleet/announcing.ts'
import type { StateName } from '../../fleet/states.ts'
import { type Event, readDetail } from './event.ts'
import { type Entered, type Histories, NotLooked } from './histories.ts'

/**
 * What an event is worth. AWS's own events are authentic; those of source `keyturn` can be put on the bus by whoever
 * may, so the history of the execution that they name has to bear them out: `proven`, or `denied`. Whether `unknown`
 * could not be found out; `early` asks for another look in a minute.
 */
export type Worth = 'proven' | 'denied' | 'unknown' | 'early'

/** An event, with `detail` as the history has it. `last` is the state that an execution ended in. */
export type Weighed = { event: Event; worth: Worth; last?: Entered; why?: string }

/** The states that announce something, and what each of them announces of its input. */
const announcements: Record<string, { states: StateName[]; detail(entered: Entered): object }> = {
  // No prototype, as the name comes from the event.
  __proto__: null as never,
  'Credential Rotation Failed': {
    states: announcing['Credential Rotation Failed'],
    detail: ({ state, input }) => ({
      severity: state === 'AnnounceLockout' ? 'critical' : 'error',
      rotation: input,
    }),
  },
  'Credential Retirement Failed': {
    states: announcing['Credential Retirement Failed'],
    detail: ({ input }) => ({ severity: 'error', rotation: input, state: (input as Names)?.failedState }),
  },
  'Credential Replicas Behind': {
    states: announcing['Credential Replicas Behind'],
    detail: ({ input }) => ({ severity: 'error', rotation: input }),
  },
  'Credential Replicated': {
    states: announcing['Credential Replicated'],
    detail: named,
  },
  'Credential Rotated': {
    states: announcing['Credential Rotated'],
    detail: named,
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
function named({ input }: Entered): object {
  const { store, id } = (input ?? {}) as NonNullable<Names>
  return { store, id }
}

/** What an event says, as the history of the execution that it names has it. */
export async function weigh(
  event: Event,
  histories: Pick<Histories, 'last'>,
  signal: AbortSignal,
): Promise<Weighed> {
  const { source, detail = {} } = event
  try {
    if (source === 'keyturn') return await weighAnnouncement(event, histories, signal)
    const { executionArn } = detail
    if (source !== 'aws.states' || !executionArn) return { event, worth: 'proven' }
    const last = await histories.last(executionArn, () => true, signal)
    return typeof last === 'object'
      ? { event, worth: 'proven', last }
      : { event, worth: 'proven', why: 'its history is empty' }
  } catch (error) {
    if (!(error instanceof NotLooked)) throw error
    return { event, worth: source === 'keyturn' ? 'unknown' : 'proven', why: error.message }
  }
}

async function weighAnnouncement(
  event: Event,
  histories: Pick<Histories, 'last'>,
  signal: AbortSignal,
): Promise<Weighed> {
  const announced = announcements[event['detail-type'] ?? '']
  const { execution, late } = event.detail ?? {}
  if (!announced || !execution) return { event, worth: 'denied' }
  const said = (entered: Entered) => readDetail({ execution, ...announced.detail(entered) })
  const found = await histories.last(
    execution,
    // A list may be announced in parts. Else the history's word is taken, whatever the event's is.
    entered =>
      announced.states.includes(entered.state) && (!late || isDeepStrictEqual(said(entered).late, late)),
    signal,
  )
  if (found === 'running') return { event, worth: 'early' }
  if (found === 'none') return { event, worth: 'denied' }
  if (found.input === undefined) return { event, worth: 'unknown', why: 'the history withholds it' }
  return { event: { ...event, time: new Date(found.at).toISOString(), detail: said(found) }, worth: 'proven' }
}
