import type { Event, LookupEventsCommandInput, LookupEventsCommandOutput } from '@aws-sdk/client-cloudtrail'
import { isTemporary } from '../../rotation/callAws.ts'
import type { SweepFacts } from '../audit/facts.ts'
import { callerOf } from './principal.ts'
import { mayHaveRead, READ_EVENT_NAMES, type ReadEventName, readEventIn, readResultOf } from './readEvent.ts'
import { readTargetsOf } from './readTarget.ts'
import { type ReadRow, ReadTally } from './tally.ts'

/**
 * Asks CloudTrail in one Region. It answers two calls a second of an account there, with 50 events each, the newest first:
 * whoever gives this function keeps to that.
 */
export type LookupEvents = (
  query: LookupEventsCommandInput,
) => Promise<Pick<LookupEventsCommandOutput, 'Events' | 'NextToken'>>

/** What a page of events came to. It is JSON: kept, it lets a sweep go on where it stopped. */
export type SweepPage = {
  name: ReadEventName
  /** The second of its oldest event, and the ids of all events of that second that have been seen. */
  until: string
  seen: string[]
  /** Whether it was the last of its name. */
  done: boolean
  events: number
  /** Events of which it cannot be told what they were about. */
  unreadable: number
  /** Those of them that may have been reads that went well. */
  lost: number
  rows: ReadRow[]
}

export type SweepOptions = {
  /** The end of the window, by AWS's clock. ISO 8601, UTC, as all times here. */
  moment: string
  since: string
  /** By performance.now(): no call is made after it. */
  deadline: number
  /** What is looked for: all reads, if nothing else is said. */
  names?: readonly ReadEventName[]
  /** The pages of a sweep with the same moment that was stopped: this one goes on behind them. */
  pages?: Iterable<SweepPage>
  onPage?: (page: SweepPage) => void | Promise<void>
}

export type SweepResult = {
  facts: SweepFacts
  tally: ReadTally
  unreadable: number
  /** Why it ended before the window did, in a line. */
  stopped?: string
}

/** Milliseconds for which CloudTrail remembers what was called. */
export const CLOUDTRAIL_RETENTION_MS = 90 * 24 * 3_600_000
const EVENTS_PER_PAGE = 50

/**
 * Who read what in one Region: a sweep over CloudTrail by the name of the event, as one by each credential would take longer and
 * miss those who ask by another name. It goes back in time with all names at once, as far as the deadline lets it. What was
 * read in the last minutes may be missing: CloudTrail tells of a call within about a quarter of an hour.
 * @throws what `lookup` throws, unless that may pass by itself
 */
export async function sweepCloudTrail(lookup: LookupEvents, options: SweepOptions): Promise<SweepResult> {
  const { moment, since, deadline, names = READ_EVENT_NAMES, pages = [], onPage } = options
  const tracks = names.map(name => new EventNameSweep(name, moment, since))
  const tally = new ReadTally()
  let events = 0
  let unreadable = 0
  let lost = 0
  const take = (page: SweepPage) => {
    tracks.find(({ name }) => name === page.name)?.moveBehind(page)
    for (const row of page.rows) tally.add(row)
    events += page.events
    unreadable += page.unreadable
    lost += page.lost
  }
  for (const page of pages) take(page)
  const end = (stopped?: string): SweepResult => {
    const completeSince =
      tracks
        .map(track => track.completeSince)
        .sort()
        .at(-1) ?? since
    return {
      facts: { completeSince, wantedSince: since, events, ...(lost && { unreadable: lost }) },
      tally,
      unreadable,
      ...(stopped && { stopped }),
    }
  }
  for (;;) {
    const [track] = tracks
      .filter(({ done }) => !done)
      .sort((a, b) => Date.parse(b.until) - Date.parse(a.until))
    if (!track) return end()
    if (performance.now() >= deadline) return end('its time was over')
    try {
      const page = await track.fetchPage(lookup)
      await onPage?.(page)
      take(page)
    } catch (error) {
      if (!(error instanceof Error) || !isTemporary(error)) throw error
      return end(`CloudTrail did not answer any more (${error.name})`)
    }
  }
}

/** How far back a sweep has come with one name. */
class EventNameSweep {
  readonly name: ReadEventName
  readonly #moment: string
  readonly #since: string
  until: string
  done = false
  #seen = new Set<string>()
  #end: string
  #token: string | undefined

  constructor(name: ReadEventName, moment: string, since: string) {
    this.name = name
    this.#moment = moment
    this.#since = since
    this.until = moment
    this.#end = moment
  }

  /** The rest of the second that it stopped in has not been seen. */
  get completeSince(): string {
    const oldest = new Date(Date.parse(this.#moment) - CLOUDTRAIL_RETENTION_MS).toISOString()
    if (this.done) return oldest > this.#since ? oldest : this.#since
    const next = new Date(Date.parse(this.until) + 1000).toISOString()
    return next < this.#moment ? next : this.#moment
  }

  async fetchPage(lookup: LookupEvents): Promise<SweepPage> {
    const { Events = [], NextToken } = await this.#ask(lookup)
    this.#token = NextToken
    const fresh = Events.filter(({ EventId = '' }) => !this.#seen.has(EventId))
    const until =
      [this.until, ...fresh.flatMap(({ EventTime }) => EventTime?.toISOString() ?? [])].sort()[0] ?? ''
    const ofThatSecond = fresh.filter(({ EventTime }) => EventTime?.toISOString() === until)
    const before = until === this.until ? this.#seen : []
    return {
      name: this.name,
      until,
      seen: [...before, ...ofThatSecond.flatMap(({ EventId }) => EventId ?? [])],
      done: NextToken === undefined,
      events: fresh.length,
      ...rowsIn(fresh),
    }
  }

  moveBehind({ until, seen, done }: SweepPage): void {
    this.until = until
    this.#seen = new Set(seen)
    this.done = done
    // What goes on after a stop begins anew, at the second in which it stopped.
    if (!this.#token) this.#end = until
  }

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
