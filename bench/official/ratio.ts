import { median } from '../median.ts'
import type { Pairs } from './takeInTurns.ts'

/** The ratio of Keyturn's value to AWS's, as text: the median of all pairs, and the range of the middle eight of ten. */
export function ratioOf({ official, keyturn }: Pairs<number>): string {
  const ratios = keyturn.map((value, i) => value / (official[i] ?? Number.NaN)).toSorted((a, b) => a - b)
  const at = (part: number) => (ratios[Math.round(part * (ratios.length - 1))] ?? Number.NaN).toFixed(2)
  return `${median(ratios).toFixed(2)} (${at(0.1)} to ${at(0.9)})`
}
