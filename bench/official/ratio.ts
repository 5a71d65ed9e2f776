import { median } from '../median.ts'
import type { Pairs } from './takeInTurns.ts'

/** Keyturn's values by AWS's: the median of the ratios, and between which of them eight of ten lie. */
export function ratioOf({ official, keyturn }: Pairs<number>): string {
  const ratios = keyturn.map((value, i) => value / (official[i] ?? Number.NaN)).toSorted((a, b) => a - b)
  const at = (part: number) => (ratios[Math.round(part * (ratios.length - 1))] ?? Number.NaN).toFixed(2)
  return `${median(ratios).toFixed(2)} (${at(0.1)} to ${at(0.9)})`
}
