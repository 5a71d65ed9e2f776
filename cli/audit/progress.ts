import type { CallPlan, CollectProgress } from '../../fleet/audit/collect.ts'
import { formatCount, formatNumber } from '../../fleet/formatCount.ts'
import type { Output } from '../output.ts'

/** Milliseconds between two lines where nothing can change in place, and between two changes where it can. */
const [LINE_INTERVAL_MS, REDRAW_INTERVAL_MS] = [15_000, 100]
const BAR_WIDTH = 30

/** Shows how far an audit is: as a bar on a terminal, and elsewhere in a line now and then. It never goes back. */
export class AuditProgress {
  readonly #output: Output
  readonly #live: boolean
  readonly #now: () => number
  #next = 0
  #part: CollectProgress['part'] = 'lists'
  #done = 0

  constructor(output: Output, { live = output.isInteractive, now = () => performance.now() } = {}) {
    this.#output = output
    this.#live = live
    this.#now = now
  }

  /** Says what is to be asked, and how long that takes. */
  showPlan(plan: CallPlan): void {
    this.#output.note(planText(plan))
  }

  showProgress(progress: CollectProgress): void {
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
    this.#next = now + (this.#live ? REDRAW_INTERVAL_MS : LINE_INTERVAL_MS)
    if (this.#live) this.#output.progress(barOf(progress))
    else if (!last) this.#output.note(progressText(progress))
  }
}

const progressText = (progress: CollectProgress) =>
  progress.part === 'lists'
    ? `${formatCount(progress.done, 'page')} of lists read`
    : `${progress.done} of ${progress.of} answers`

function barOf(progress: CollectProgress): string {
  if (progress.part === 'lists') return progressText(progress)
  const share = progress.of === 0 ? 1 : progress.done / progress.of
  const full = Math.floor(share * BAR_WIDTH)
  return `[${'#'.repeat(full)}${'.'.repeat(BAR_WIDTH - full)}] ${progressText(progress)}`
}

/** In one line: how many calls, over which limits, and how long the slowest of these takes. */
export function planText({ calls, seconds }: CallPlan): string {
  const sums = new Map<string, { calls: number; perSecond: number }>()
  for (const { service, operation, calls: some, perSecond } of calls) {
    const name = `${service} ${operation}`
    sums.set(name, { calls: (sums.get(name)?.calls ?? 0) + some, perSecond })
  }
  const told = [...sums].map(
    ([name, { calls, perSecond }]) =>
      `${formatNumber(calls)} ${name} (${formatNumber(perSecond)} a second in a Region)`,
  )
  if (told.length === 0) return 'The lists have told all that there is to ask.'
  return `To ask: ${told.join(', ')}. That takes about ${durationText(seconds)}.`
}

const durationText = (seconds: number) =>
  seconds < 60
    ? formatCount(Math.max(1, Math.ceil(seconds)), 'second')
    : formatCount(Math.ceil(seconds / 60), 'minute')
