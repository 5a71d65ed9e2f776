import type { StoreName } from '../rotation/stores/store.ts'
import { digest, shuffledByRun } from './digest.ts'
import { earlierTokens, evaluateSchedule } from './due.ts'
import type { ScheduledCredential } from './inventory.ts'
import { type AdminByCredential, turnsOf } from './turns.ts'

/** A credential whose rotation may begin, and the token of that rotation. Its window closes at `until`, if it has one. */
export type DueRotation = { credential: ScheduledCredential; token: string; until?: Date }

/**
 * When rotations have begun lately, in milliseconds since 1970, by their token. All rotations that began after `knownSince`, also
 * in milliseconds since 1970, are among them.
 */
export type RecentRotations = { startTimes: Map<string, number>; knownSince: number }

/** What a run finds to do. Its state may have no room for all of that. */
export type DuePlan = {
  /** The rotations that may begin, in the order in which they are to be started. */
  due: DueRotation[]
  /** The credentials, as `store id`, whose rotation is overdue, or never comes with the tags that they have. */
  late: string[]
  /**
   * The credentials with the tag keyturn:every that cannot rotate by it, or whose attempt that is due was made already, as
   * `store id: reason`.
   */
  skipped: string[]
}

/** The run's name, when it looks, and how many milliseconds lie between two runs. */
type RunTime = { run: string; now: Date; interval: number }

/**
 * Finds out which credentials are due, in an order in which each of them gets its turn, whatever other rotations fail:
 *
 * 1. credentials without an attempt since they became due; the one that has been due for longest comes first;
 * 2. credentials whose next attempt is due; the one with the oldest attempt comes first;
 * 3. credentials of which nobody can tell whether the attempt that is due has begun already, as more rotations have begun since
 *    than `recent` has. These come alternately with (2), in an order that differs from run to run.
 *
 * A credential whose latest attempt has begun, and whose next one is not due yet, is left out.
 */
export function planDue(
  credentials: ScheduledCredential[],
  recent: RecentRotations,
  { run, now, interval }: RunTime,
): DuePlan {
  const ranked: Record<Precedence, RankedRotation[]> = { 1: [], 2: [], 3: [] }
  const late: string[] = []
  const skipped: string[] = []
  const attempted: string[] = []
  for (const credential of credentials) {
    const name = storeAndIdOf(credential)
    const verdict = evaluateSchedule(credential, now, interval)
    if (verdict.late) late.push(name)
    if (verdict.state === 'skipped') skipped.push(`${name}: ${verdict.reason}`)
    if (verdict.state !== 'due') continue

    const { token, until, rank } = verdict
    if (recent.startTimes.has(token)) {
      attempted.push(`${name}: it was tried already; the next try comes later`)
      continue
    }
    const [lastAttempt] = earlierTokens(credential, rank.attempt).flatMap(
      token => recent.startTimes.get(token) ?? [],
    )
    const dueSince = now.getTime() - rank.dueForMs
    const attemptDueSince = now.getTime() - rank.attemptDueForMs
    const precedence = precedenceOf(lastAttempt, dueSince, attemptDueSince, recent.knownSince)
    const due = { credential, token, ...(until && { until }) }
    ranked[precedence].push({ due, since: lastAttempt ?? dueSince, sortKey: digest(`${run} ${name}`) })
  }
  const first = ranked[1].sort(byWaitingTime)
  const again = ranked[2].sort(byWaitingTime)
  const unknown = ranked[3].sort((a, b) => (a.sortKey < b.sortKey ? -1 : 1))
  return {
    due: [...first, ...alternate(again, unknown)].map(({ due }) => due),
    late: late.sort(),
    // The end of the list may be cut off. A person has to mend the skipped ones, so these come first.
    skipped: [...skipped, ...attempted],
  }
}

/** Of how many credentials one run finds out, at most, on which server they rotate. */
const MAX_LOOKED_AT_COUNT = 2000

/**
 * The order in which a run finds out on which servers its due credentials rotate, at most 2000 of them. If more are due, those
 * behind the first `room` come in an order that differs from run to run. Otherwise credentials on servers that are taken or down
 * could fill the 2000 in every run, and keep the others from rotating.
 * @param room how many rotations the run can start
 * @param run the run's name
 */
export function orderForLookup(due: DueRotation[], room: number, run: string): DueRotation[] {
  if (due.length <= MAX_LOOKED_AT_COUNT) return due
  const others = shuffledByRun(due.slice(room), run, ({ credential }) => storeAndIdOf(credential))
  return [...due.slice(0, room), ...others].slice(0, MAX_LOOKED_AT_COUNT)
}

/**
 * Parts the due rotations by the state of their servers into those that may begin (`open`) and those that are `parked`: these come
 * into the run only if it has room left. A server that an earlier run still rotates on (`isTaken`) has its rotations in neither
 * list. Of a server that did not answer last time (`isDown`), one rotation is open, to find out whether the server answers now, and
 * the others are parked.
 */
export function splitByServer(
  due: DueRotation[],
  serverOf: (due: DueRotation) => { id: string; isTaken: boolean; isDown: boolean },
): { open: DueRotation[]; parked: DueRotation[] } {
  const seen = new Set<string>()
  const [open, parked]: [DueRotation[], DueRotation[]] = [[], []]
  for (const one of due) {
    const { id, isTaken, isDown } = serverOf(one)
    if (isTaken) continue
    if (isDown && seen.has(id)) parked.push(one)
    else open.push(one)
    seen.add(id)
  }
  return { open, parked }
}

/** One rotation to start, as a run's state has it. Its window closes at `until`, in ISO 8601; null if it has none. */
export type PlannedRotation = { store: StoreName; id: string; token: string; until: string | null }

/**
 * The rotations that one run starts on one database server. `name` is unique to the group, and `host` is the server's `host:port`,
 * or '' for credentials without a server. `turns` has the same rotations as `rotations`, in the same order, and is set where some
 * credentials are admins of others: a turn begins when the one before has ended.
 */
export type ServerGroup = {
  name: string
  host: string
  rotations: PlannedRotation[]
  turns?: PlannedRotation[][]
}

/**
 * The run's name, the `host:port` on which each credential rotates, who is whose admin, and how many bytes the groups may have as
 * JSON.
 */
type GroupingOptions = {
  run: string
  hostOf: (credential: ScheduledCredential) => string
  admins: AdminByCredential<ScheduledCredential>
  bytes: number
}

/** Groups the due rotations by database server. The last ones are left out if `bytes` has no room for all of them. */
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
    // A rotation is counted twice, to leave room for the names of a group of its own; three times where `turns` repeats it.
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

/** `since` is when the last attempt began, or else when the credential became due, in milliseconds since 1970. */
type RankedRotation = { due: DueRotation; since: number; sortKey: string }

/** The numbers of the list at planDue. */
type Precedence = 1 | 2 | 3

/**
 * All parameters are milliseconds since 1970. `lastAttempt` is when the last attempt began, if it is known: attempts before
 * `knownSince` may be missing.
 */
function precedenceOf(
  lastAttempt: number | undefined,
  dueSince: number,
  attemptDueSince: number,
  knownSince: number,
): Precedence {
  if (lastAttempt !== undefined) return 2
  if (dueSince > knownSince) return 1
  return attemptDueSince > knownSince ? 2 : 3
}

const byWaitingTime = (a: RankedRotation, b: RankedRotation) => a.since - b.since

/** The first of each list, then the second of each, and so on. */
function alternate<T>(some: T[], others: T[]): T[] {
  const pairs = Array.from({ length: Math.max(some.length, others.length) }, (_, n) => n)
  return pairs.flatMap(n => [...some.slice(n, n + 1), ...others.slice(n, n + 1)])
}

/** A credential's name in lists and reasons, such as `secrets-manager app/db`. */
export const storeAndIdOf = ({ store, id }: ScheduledCredential) => `${store} ${id}`
