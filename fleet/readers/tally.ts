import type { ReadTarget } from './readTarget.ts'

/** What one principal did about one target. It is JSON: what a sweep keeps of reads. Times are ISO 8601 in UTC. */
export type ReadRow = {
  target: ReadTarget
  principal: string
  result: 'read' | 'forwarded' | 'denied'
  count: number
  first: string
  last: string
  /** The newest sessions, the newest first: each with when it was last seen. */
  sessions: [name: string, last: string][]
}

/** Sessions that are kept of a principal. */
const MAX_SESSION_COUNT = 5

/** Reads, added up: so it needs memory by how many ask for how many things, and not by how often. */
export class ReadTally {
  readonly #rows = new Map<string, ReadRow>()

  /** In any order, and added up before or not: it comes to the same. */
  add(row: ReadRow): void {
    const key = JSON.stringify([row.target, row.principal, row.result])
    const before = this.#rows.get(key)
    this.#rows.set(key, before ? addRows(before, row) : row)
  }

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

/** The newest of several lists of sessions. */
export function newestSessions(sessions: ReadRow['sessions']): ReadRow['sessions'] {
  const last = new Map<string, string>()
  for (const [name, at] of sessions) if (at > (last.get(name) ?? '')) last.set(name, at)
  return [...last]
    .sort(([name, at], [other, then]) => (at === then ? compare(name, other) : compare(then, at)))
    .slice(0, MAX_SESSION_COUNT)
}

const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b))
