import type { Plan, Progress } from '../../fleet/audit/collect.ts'
import { counted, grouped } from '../../fleet/counted.ts'
import type { Output } from '../output.ts'

/** Milliseconds between two lines where nothing can change in place, and between two changes where it can. */
const [LINES, CHANGES] = [15_000, 100]
const WIDTH = 30

/** Shows how far an audit is: as a bar on a terminal, and elsewhere in a line now and then. It never goes back. */
export class Shown {
  readonly #output: Output
  readonly #live: boolean
  readonly #now: () => number
  #next = 0
  #part: Progress['part'] = 'lists'
  #done = 0

  constructor(output: Output, { live = output.live, now = () => performance.now() } = {}) {
    this.#output = output
    this.#live = live
    this.#now = now
  }

  /** Says what is to be asked, and how long that takes. */
  plan(plan: Plan): void {
    this.#output.note(planned(plan))
  }

  progress(progress: Progress): void {
    const { part, done } = progress
    if (part !== this.#part) {
      if (part === 'lists') return
      this.#part = part
      this.#done = 0
      this.#next = 0
    }
    if (done < this.#done) return
    this.#done = done
    const last = progress.part === 'details' && done === progress.of
    const now = this.#now()
    if (now < this.#next && !(last && this.#live)) return
    this.#next = now + (this.#live ? CHANGES : LINES)
    if (this.#live) this.#output.passing(barOf(progress))
    else if (!last) this.#output.note(textOf(progress))
  }
}

const textOf = (progress: Progress) =>
  progress.part === 'lists'
    ? `${counted(progress.done, 'page')} of lists read`
    : `${progress.done} of ${progress.of} answers`

function barOf(progress: Progress): string {
  if (progress.part === 'lists') return textOf(progress)
  const share = progress.of === 0 ? 1 : progress.done / progress.of
  const full = Math.floor(share * WIDTH)
  return `[${'#'.repeat(full)}${'.'.repeat(WIDTH - full)}] ${textOf(progress)}`
}

/** In one line: how many calls, over which limits, and how long the slowest of these takes. */
export function planned({ calls, seconds }: Plan): string {
  const sums = new Map<string, { calls: number; perSecond: number }>()
  for (const { service, operation, calls: some, perSecond } of calls) {
    const name = `${service} ${operation}`
    sums.set(name, { calls: (sums.get(name)?.calls ?? 0) + some, perSecond })
  }
  const told = [...sums].map(
    ([name, { calls, perSecond }]) =>
      `${grouped(calls)} ${name} (${grouped(perSecond)} a second in a Region)`,
  )
  if (told.length === 0) return 'The lists have told all that there is to ask.'
  return `To ask: ${told.join(', ')}. That takes about ${lasting(seconds)}.`
}

const lasting = (seconds: number) =>
  seconds < 60
    ? counted(Math.max(1, Math.ceil(seconds)), 'second')
    : counted(Math.ceil(seconds / 60), 'minute')
