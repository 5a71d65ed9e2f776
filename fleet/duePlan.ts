import type { StoreName } from '../rotation/stores/store.ts'
import { digest, shuffledByRun } from './digest.ts'
import { earlierTokens, evaluateSchedule } from './due.ts'
import type { ScheduledCredential } from './inventory.ts'
import { type AdminByCredential, turnsOf } from './turns.ts'

/** A credential whose rotation may begin, under this token; not after `until`, if there is such a time. */
export type DueRotation = { credential: ScheduledCredential; token: string; until?: Date }

/** Which rotations have begun lately: when, by their tokens. All that began after `since` are among them. */
export type RecentRotations = { startTimes: Map<string, number>; knownSince: number }

/** What a run finds to do, before it is known how much of it has room. */
export type DuePlan = {
  /** What may begin, in the order in which runs take it up. */
  due: DueRotation[]
  /** The names of what should have rotated long ago, or never will as its tags are. */
  late: string[]
  /** What has the tag, but is not for this run to rotate, each with the reason. */
  skipped: string[]
}

/** The run's name, when it looks, and how many milliseconds lie between two runs. */
type RunTime = { run: string; now: Date; interval: number }

/**
 * What is due, in an order in which nothing starves, whatever fails:
 *
 * 1. what was never tried, what has been due for longest first;
 * 2. what is to be tried again, what was tried longest ago first.
 *
 * What was tried and waits for its next try takes no place. 3. Where so many rotations have begun since a try became due
 * that nobody knows whether it was one of them, its credential takes turns with (2), in another order in each run.
 */
export function planDue(
  credentials: ScheduledCredential[],
  tried: RecentRotations,
  { run, now, interval }: RunTime,
): DuePlan {
  const found: Record<Precedence, RankedRotation[]> = { 1: [], 2: [], 3: [] }
  const late: string[] = []
  const skipped: string[] = []
  const done: string[] = []
  for (const credential of credentials) {
    const name = storeAndIdOf(credential)
    const verdict = evaluateSchedule(credential, now, interval)
    if (verdict.late) late.push(name)
    if (verdict.state === 'skipped') skipped.push(`${name}: ${verdict.reason}`)
    if (verdict.state !== 'due') continue
    const { token, until, rank } = verdict
    if (tried.startTimes.has(token)) {
      done.push(`${name}: it was tried already; the next try comes later`)
      continue
    }
    const [last] = earlierTokens(credential, rank.attempt).flatMap(token => tried.startTimes.get(token) ?? [])
    const due = { credential, token, ...(until && { until }) }
    const dueSince = now.getTime() - rank.dueForMs
    const order = precedenceOf(last, dueSince, now.getTime() - rank.attemptDueForMs, tried.knownSince)
    found[order].push({ due, since: last ?? dueSince, lot: digest(`${run} ${name}`) })
  }
  const again = found[2].sort(byWaitingTime)
  const unknown = found[3].sort((a, b) => (a.lot < b.lot ? -1 : 1))
  return {
    due: [...found[1].sort(byWaitingTime), ...alternate(again, unknown)].map(({ due }) => due),
    late: late.sort(),
    // What a person has to mend comes first.
    skipped: [...skipped, ...done],
  }
}

/** Credentials that one run looks at, to learn where they rotate. */
const MAX_LOOKED_AT_COUNT = 2000

/**
 * In which order a run looks at what is due. Where that is more than it looks at, all behind the first `room` come by lot,
 * other ones in each run: else what is due on servers that are taken or down could hide the rest for good.
 */
export function orderForLookup(due: DueRotation[], room: number, run: string): DueRotation[] {
  if (due.length <= MAX_LOOKED_AT_COUNT) return due
  const others = shuffledByRun(due.slice(room), run, ({ credential }) => storeAndIdOf(credential))
  return [...due.slice(0, room), ...others].slice(0, MAX_LOOKED_AT_COUNT)
}

/**
 * What of it may begin, by its server: on a server that is taken, nothing. On one that did not answer last time, one, by
 * which that is found out; the others are `parked`, and come into a run only where that has room left.
 */
export function splitByServer(
  due: DueRotation[],
  serverOf: (due: DueRotation) => { id: string; taken: boolean; down: boolean },
): { open: DueRotation[]; parked: DueRotation[] } {
  const probed = new Set<string>()
  const [open, parked]: [DueRotation[], DueRotation[]] = [[], []]
  for (const one of due) {
    const { id, taken, down } = serverOf(one)
    if (taken) continue
    if (down && probed.has(id)) parked.push(one)
    else open.push(one)
    probed.add(id)
  }
  return { open, parked }
}

/** One rotation to start; not after `until`, if there is such a time. */
export type PlannedRotation = { store: StoreName; id: string; token: string; until: string | null }

/**
 * The rotations on one database server. `name` is this group's alone. `turns` are the same rotations where some have to
 * end before others begin, as they are of the others' admins; `rotations` is then in this order.
 */
export type ServerGroup = {
  name: string
  host: string
  rotations: PlannedRotation[]
  turns?: PlannedRotation[][]
}

/** Where each rotates, who is whose admin, and how much the groups may be as JSON. */
type GroupingOptions = {
  run: string
  hostOf: (credential: ScheduledCredential) => string
  admins: AdminByCredential<ScheduledCredential>
  bytes: number
}

/** What is planned, by its database server: the first of it, as much as there is room for. */
export function groupByServer(
  due: DueRotation[],
  { run, hostOf, admins, bytes }: GroupingOptions,
): ServerGroup[] {
  const inTurns = new Set([...admins.keys()].map(hostOf))
  let room = bytes
  const planned = due.flatMap(({ credential, token, until }) => {
    const { store, id } = credential
    const rotation = { store, id, token, until: until?.toISOString() ?? null }
    const host = hostOf(credential)
    // As much again for what a host of its own would need, and for what is told twice.
    room -= (inTurns.has(host) ? 3 : 2) * JSON.stringify({ ...rotation, host }).length
    return room > 0 ? [{ host, credential, rotation }] : []
  })
  return [...Map.groupBy(planned, ({ host }) => host)].map(([host, members]) => {
    const rotations = new Map(members.map(({ credential, rotation }) => [credential, rotation]))
    const turns = turnsOf([...rotations.keys()], admins).map(turn =>
      turn.flatMap(credential => rotations.get(credential) ?? []),
    )
    const name = `${run} ${host}`
    return { name, host, rotations: turns.flat(), ...(turns.length > 1 && { turns }) }
  })
}

/** `since` is when it was last tried, or became due. */
type RankedRotation = { due: DueRotation; since: number; lot: string }
type Precedence = 1 | 2 | 3

/** `last` is when it was last tried, as far as that is known: what began before `known` may have been forgotten. */
function precedenceOf(
  last: number | undefined,
  dueSince: number,
  thisTrySince: number,
  known: number,
): Precedence {
  if (last !== undefined) return 2
  if (dueSince > known) return 1
  return thisTrySince > known ? 2 : 3
}

const byWaitingTime = (a: RankedRotation, b: RankedRotation) => a.since - b.since

function alternate<T>(some: T[], others: T[]): T[] {
  const pairs = Array.from({ length: Math.max(some.length, others.length) }, (_, n) => n)
  return pairs.flatMap(n => [...some.slice(n, n + 1), ...others.slice(n, n + 1)])
}

/** By which a credential is told. */
export const storeAndIdOf = ({ store, id }: ScheduledCredential) => `${store} ${id}`
