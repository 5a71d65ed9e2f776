import { remedyOf } from '../../fleet/remedies.ts'
import type { Checked, Line, LineState } from '../../rotation/check/line.ts'
import { type Output, plain } from '../output.ts'

const styles = { ok: 'green', warning: 'yellow', failed: 'red', 'not-looked-at': 'gray' } as const
const labels: Record<LineState, string> = {
  ok: 'ok',
  warning: 'warning',
  failed: 'failed',
  'not-looked-at': 'not looked at',
}
/** Columns of the longest label but one, and the blanks after it. */
const INDENT = 10

/** What to do about a line: its own words, or else what the runbook says of its error. */
export const remedyIn = ({ state, remedy, error }: Line): string | undefined =>
  state === 'ok' ? undefined : (remedy ?? (error === undefined ? undefined : remedyOf(error)))

/** A line each: how it is, what it is about, and under what is not well what to do. */
export function printLines(output: Output, lines: Line[]): void {
  for (const line of lines) {
    const label = labels[line.state]
    const mark = `${output.styled(styles[line.state], label)}${' '.repeat(Math.max(2, INDENT - label.length))}`
    output.line(`${mark}${plain(line.line)}: ${plain(line.says)}`, INDENT)
    const remedy = remedyIn(line)
    if (remedy) output.line(`${' '.repeat(INDENT)}${plain(remedy)}`, INDENT)
  }
}

/** The result in a sentence. */
export function resultSays({ result, lines, strategy, user, address }: Checked): string {
  const [first, ...more] = lines.filter(({ state }) => state === result).map(({ line }) => line)
  const whose = [strategy, user && `user ${user}`, address && `on ${address}`].filter(Boolean).join(', ')
  const what = `A rotation${whose ? ` (${whose})` : ''}`
  if (result === 'ok') return `${what} would go well.`
  const others = more.length ? ` and ${more.join(', ')}` : ''
  if (result === 'warning') return `${what} would go well; look at the warning of ${first}${others}.`
  return `${what} would fail at ${first}${others}. Nothing was changed.`
}
