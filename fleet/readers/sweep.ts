import type { Event, LookupEventsCommandInput, LookupEventsCommandOutput } from '@aws-sdk/client-cloudtrail'
import { isTemporary } from '../../rotation/callAws.ts'
import { DAY_MS } from '../../rotation/timeUnits.ts'
import type { SweepFacts } from '../audit/facts.ts'
import { callerOf } from './principal.ts'
import { mayHaveRead, READ_EVENT_NAMES, type ReadEventName, readEventIn, readResultOf } from './readEvent.ts'
import { readTargetsOf } from './readTarget.ts'
import { type ReadRow, ReadTally } from './tally.ts'

/**
 * A call of LookupEvents in one Region. CloudTrail answers it with at most 50 events, the newest first, and takes two calls a
 * second of an account in a Region, a limit that this function has to keep to:
 * https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
 */
export type LookupEvents = (
  query: LookupEventsCommandInput,
) => Promise<Pick<LookupEventsCommandOutput, 'Events' | 'NextToken'>>

/** The result of one page of events. It can be stored as JSON, so that a sweep that was stopped goes on behind it. */
export type SweepPage = {
  name: ReadEventName
  /** The time of its oldest event; CloudTrail's times are whole seconds. */
  until: string
  /** The ids of all events at that time that have been seen. */
  seen: string[]
  /** Whether it is the last page of this event name. */
  done: boolean
  /** How many of its events were not on an earlier page. */
  events: number
  /** How many events could not be parsed, or do not tell what was asked for. */
  unreadable: number
  /** How many of the unreadable events may be successful reads. */
  lost: number
  rows: ReadRow[]
}

/** What a sweep looks for, and for how long. Times are ISO 8601 in UTC. */
export type SweepOptions = {
  /** The end of the time that is looked at, by AWS's clock. */
  moment: string
  /** The beginning of the time that is looked at. */
  since: string
  /** When the sweep makes no further call, by performance.now(). */
  deadline: number
  /** The event names that are looked for; all reads by default. */
  names?: readonly ReadEventName[]
  /** The pages of a stopped sweep with the same `moment`. This sweep goes on behind them. */
  pages?: Iterable<SweepPage>
  /** Called for each page, before the next one is asked for. */
  onPage?: (page: SweepPage) => void | Promise<void>
}

/** What a sweep found. */
export type SweepResult = {
  facts: SweepFacts
  tally: ReadTally
  /** How many events could not be parsed, or do not tell what was asked for. The `lost` of the facts are some of them. */
  unreadable: number
  /** Why the sweep ended before it reached `since`, in a line. */
  stopped?: string
}

/** For how long LookupEvents knows events. https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html */
export const CLOUDTRAIL_RETENTION_MS = 90 * DAY_MS
const EVENTS_PER_PAGE = 50

/** Why a sweep ended whose deadline came, in SweepResult.stopped. */
export const TIME_WAS_OVER = 'its time was over'

/**
 * Finds out who read what in one Region, by CloudTrail. It looks for the names of the events: to look for each credential would
 * take longer, and miss the callers that use another name for it. It goes back in time, evenly for all event names, until the
 * deadline. Reads of the last fifteen minutes may be missing, as CloudTrail does not have them yet.
 * @throws the errors of `lookup`, except temporary ones, which stop the sweep
 */
export async function sweepCloudTrail(lookup: LookupEvents, options: SweepOptions): Promise<SweepResult> {
  const { moment, since, deadline, names = READ_EVENT_NAMES, pages = [], onPage } = options
  const sweeps = names.map(name => new EventNameSweep(name, moment, since))
  const tally = new ReadTally()
  let events = 0
  let unreadable = 0
  let lost = 0
  const addPage = (page: SweepPage) => {
    sweeps.find(({ name }) => name === page.name)?.moveBehind(page)
    for (const row of page.rows) tally.add(row)
    events += page.events
    unreadable += page.unreadable
    lost += page.lost
  }
  for (const page of pages) addPage(page)

  const resultOf = (stopped?: string): SweepResult => {
    const completeSince =
      sweeps
        .map(sweep => sweep.completeSince)
        .sort()
        .at(-1) ?? since
    return {
      facts: { completeSince, wantedSince: since, events, ...(lost && { lost }) },
      tally,
      unreadable,
      ...(stopped && { stopped }),
    }
  }

  for (;;) {
    const [latest] = sweeps
      .filter(({ done }) => !done)
      .sort((a, b) => Date.parse(b.until) - Date.parse(a.until))
    if (!latest) return resultOf()
    if (performance.now() >= deadline) return resultOf(TIME_WAS_OVER)
    try {
      const page = await latest.fetchPage(lookup)
      await onPage?.(page)
      addPage(page)
    } catch (error) {
      if (!(error instanceof Error) || !isTemporary(error)) throw error
      return resultOf(`CloudTrail did not answer any more (${error.name})`)
    }
  }
}

/** The part of a sweep that looks for one event name. It goes back in time page by page. */
class EventNameSweep {
  readonly name: ReadEventName
  readonly #moment: string
  readonly #since: string
  /** The time of the oldest event so far. */
  until: string
  /** Whether there is no further page. */
  done = false
  /** The ids of the events at `until` that have been seen. */
  #seen = new Set<string>()
  /** The end of the time that the current query looks at. */
  #end: string
  /** CloudTrail's token for the next page of that query. */
  #token: string | undefined

  constructor(name: ReadEventName, moment: string, since: string) {
    this.name = name
    this.#moment = moment
    this.#since = since
    this.until = moment
    this.#end = moment
  }

  /**
   * The time since which all events have been seen. Before the last page it is a second after `until`, as other events of that
   * second may be missing.
   */
  get completeSince(): string {
    const oldest = new Date(Date.parse(this.#moment) - CLOUDTRAIL_RETENTION_MS).toISOString()
    if (this.done) return oldest > this.#since ? oldest : this.#since
    const next = new Date(Date.parse(this.until) + 1000).toISOString()
    return next < this.#moment ? next : this.#moment
  }

  /** Asks for the next page. The sweep stays where it is until moveBehind is called. */
  async fetchPage(lookup: LookupEvents): Promise<SweepPage> {
    const { Events = [], NextToken } = await this.#ask(lookup)
    this.#token = NextToken
    const newEvents = Events.filter(({ EventId = '' }) => !this.#seen.has(EventId))
    const until =
      [this.until, ...newEvents.flatMap(({ EventTime }) => EventTime?.toISOString() ?? [])].sort()[0] ?? ''
    const newAtUntil = newEvents.filter(({ EventTime }) => EventTime?.toISOString() === until)
    const seenBefore = until === this.until ? this.#seen : []
    return {
      name: this.name,
      until,
      seen: [...seenBefore, ...newAtUntil.flatMap(({ EventId }) => EventId ?? [])],
      done: NextToken === undefined,
      events: newEvents.length,
      ...rowsIn(newEvents),
    }
  }

  /** Goes on behind a page, so that the next one follows on it. */
  moveBehind({ until, seen, done }: SweepPage): void {
    this.until = until
    this.#seen = new Set(seen)
    this.done = done
    // Without a token, as after a stop, the next query ends at the second in which this page ended.
    if (!this.#token) this.#end = until
  }

  /** Asks CloudTrail. A token that it does not take any more is replaced by a new query for the rest of the time. */
  async #ask(lookup: LookupEvents) {
    const query = {
      LookupAttributes: [{ AttributeKey: 'EventName' as const, AttributeValue: this.name }],
      StartTime: new Date(this.#since),
      EndTime: new Date(this.#end),
      MaxResults: EVENTS_PER_PAGE,
    }
    if (!this.#token) return lookup(query)
    try {
      return await lookup({ ...query, NextToken: this.#token })
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'InvalidNextTokenException') throw error
      this.#end = this.until
      return lookup({ ...query, EndTime: new Date(this.#end) })
    }
  }
}

/** The reads in a page of events, added up, and how many events could not be used. */
function rowsIn(events: Event[]): Pick<SweepPage, 'rows' | 'unreadable' | 'lost'> {
  const tally = new ReadTally()
  let unreadable = 0
  let lost = 0
  for (const { CloudTrailEvent, EventTime } of events) {
    const event = readEventIn(CloudTrailEvent)
    const result = event && readResultOf(event)
    const targets = event && readTargetsOf(event)
    if (!event || !EventTime || (result && !targets)) {
      unreadable++
      if (mayHaveRead(CloudTrailEvent)) lost++
    }
    if (!event || !EventTime || !result) continue
    const at = EventTime.toISOString()
    const { principal, session } = callerOf(event)
    const sessions: ReadRow['sessions'] = session ? [[session, at]] : []
    for (const target of targets ?? [])
      tally.add({ target, principal, result, count: 1, first: at, last: at, sessions })
  }
  return { rows: tally.rows(), unreadable, lost }
}
