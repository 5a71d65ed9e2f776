import type { CallPlan, CollectProgress } from '../../fleet/audit/collect.ts'
import { formatCount, formatNumber } from '../../fleet/formatCount.ts'
import type { Output } from '../output.ts'

/** Milliseconds between two lines of progress in a pipe. */
const LINE_INTERVAL_MS = 15_000
/** Milliseconds between two changes of the bar on a terminal. */
const REDRAW_INTERVAL_MS = 100
/** Columns of the bar. */
const BAR_COLUMNS = 30

/** Shows the progress of an audit: on a terminal as a bar, in a pipe as a line now and then. The number shown never falls. */
export class AuditProgress {
  readonly #output: Output
  readonly #inPlace: boolean
  readonly #now: () => number
  /** When progress may be shown again, by the clock `now`. */
  #next = 0
  /** The part of the audit that is shown: first `lists`, then `details`. */
  #part: CollectProgress['part'] = 'lists'
  #done = 0

  constructor(output: Output, { inPlace = output.isInteractive, now = () => performance.now() } = {}) {
    this.#output = output
    this.#inPlace = inPlace
    this.#now = now
  }

  /** Prints which calls are to be made, and how long they take. */
  showPlan(plan: CallPlan): void {
    this.#output.note(planText(plan))
  }

  /** Shows the progress, unless progress was shown a moment ago. Late progress of an earlier part is not shown. */
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
    if (now < this.#next && !(last && this.#inPlace)) return
    this.#next = now + (this.#inPlace ? REDRAW_INTERVAL_MS : LINE_INTERVAL_MS)
    if (this.#inPlace) this.#output.progress(barOf(progress))
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
  const full = Math.floor(share * BAR_COLUMNS)
  return `[${'#'.repeat(full)}${'.'.repeat(BAR_COLUMNS - full)}] ${progressText(progress)}`
}

/** The plan in one line: how many calls of each operation, the limit of each, and how long all take. */
export function planText({ calls, seconds }: CallPlan): string {
  const sums = new Map<string, { calls: number; perSecond: number }>()
  for (const { service, operation, calls: count, perSecond } of calls) {
    const name = `${service} ${operation}`
    sums.set(name, { calls: (sums.get(name)?.calls ?? 0) + count, perSecond })
  }
  const parts = [...sums].map(
    ([name, { calls, perSecond }]) =>
      `${formatNumber(calls)} ${name} (${formatNumber(perSecond)} a second in a Region)`,
  )
  if (parts.length === 0) return 'No further calls are needed.'
  return `Calls to make: ${parts.join(', ')}. That takes about ${durationText(seconds)}.`
}

const durationText = (seconds: number) =>
  seconds < 60
    ? formatCount(Math.max(1, Math.ceil(seconds)), 'second')
    : formatCount(Math.ceil(seconds / 60), 'minute')
