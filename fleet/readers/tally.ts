import type { ReadTarget } from './readTarget.ts'

/** How often one principal asked for one target with the same result. It can be stored as JSON. Times are ISO 8601 in UTC. */
export type ReadRow = {
  target: ReadTarget
  principal: string
  result: 'read' | 'forwarded' | 'denied'
  count: number
  first: string
  last: string
  /** The newest sessions of a role, at most five, the newest first. `last` is when a session was last seen. */
  sessions: [name: string, last: string][]
}

/** How many sessions of a principal are kept. */
const MAX_SESSION_COUNT = 5

/** Adds up reads by target, principal and result, so that its memory does not grow with the number of reads. */
export class ReadTally {
  readonly #rows = new Map<string, ReadRow>()

  /** Adds a row. The order of the rows, and whether some were added up before, make no difference. */
  add(row: ReadRow): void {
    const key = JSON.stringify([row.target, row.principal, row.result])
    const before = this.#rows.get(key)
    this.#rows.set(key, before ? addRows(before, row) : row)
  }

  /** One row for each target, principal and result. */
  rows(): ReadRow[] {
    return [...this.#rows.values()]
  }
}

const addRows = (a: ReadRow, b: ReadRow): ReadRow => ({
  ...a,
  count: a.count + b.count,
  first: a.first < b.first ? a.first : b.first,
  last: a.last > b.last ? a.last : b.last,
  sessions: newestSessions([...a.sessions, ...b.sessions]),
})

/** The newest sessions, at most five, the newest first, each name once. */
export function newestSessions(sessions: ReadRow['sessions']): ReadRow['sessions'] {
  const last = new Map<string, string>()
  for (const [name, at] of sessions) if (at > (last.get(name) ?? '')) last.set(name, at)
  return [...last]
    .sort(([name, at], [other, then]) => (at === then ? compare(name, other) : compare(then, at)))
    .slice(0, MAX_SESSION_COUNT)
}

const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b))
