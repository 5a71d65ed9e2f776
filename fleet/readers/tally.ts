import type { Target } from './target.ts'

/** What one principal did about one target. It is JSON: what a sweep keeps of reads. Times are ISO 8601 in UTC. */
export type Row = {
  target: Target
  principal: string
  result: 'read' | 'forwarded' | 'denied'
  count: number
  first: string
  last: string
  /** The newest sessions, the newest first: each with when it was last seen. */
  sessions: [name: string, last: string][]
}

/** Sessions that are kept of a principal. */
const SESSIONS = 5

/** Reads, added up: so it needs memory by how many ask for how many things, and not by how often. */
export class Tally {
  readonly #rows = new Map<string, Row>()

  /** In any order, and added up before or not: it comes to the same. */
  add(row: Row): void {
    const key = JSON.stringify([row.target, row.principal, row.result])
    const before = this.#rows.get(key)
    this.#rows.set(key, before ? sum(before, row) : row)
  }

  rows(): Row[] {
    return [...this.#rows.values()]
  }
}

const sum = (a: Row, b: Row): Row => ({
  ...a,
  count: a.count + b.count,
  first: a.first < b.first ? a.first : b.first,
  last: a.last > b.last ? a.last : b.last,
  sessions: newest([...a.sessions, ...b.sessions]),
})

/** The newest of several lists of sessions. */
export function newest(sessions: Row['sessions']): Row['sessions'] {
  const last = new Map<string, string>()
  for (const [name, at] of sessions) if (at > (last.get(name) ?? '')) last.set(name, at)
  return [...last]
    .sort(([name, at], [other, then]) => (at === then ? compare(name, other) : compare(then, at)))
    .slice(0, SESSIONS)
}

const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b))
