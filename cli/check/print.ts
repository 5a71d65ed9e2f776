import { remedyOf } from '../../fleet/remedies.ts'
import type { CheckLine, CheckLineState, CheckResult } from '../../rotation/check/line.ts'
import { type Output, sanitize } from '../output.ts'

const STATE_STYLES = { ok: 'green', warning: 'yellow', failed: 'red', 'not-looked-at': 'gray' } as const
const STATE_LABELS: Record<CheckLineState, string> = {
  ok: 'ok',
  warning: 'warning',
  failed: 'failed',
  'not-looked-at': 'not looked at',
}
/** Where texts begin at least, and after the longest label two blanks. */
const [MIN_LABEL_WIDTH, LABEL_GAP] = [10, 2]

/** What to do about a line: its own words, or else what the runbook says of its error. */
export const remedyIn = ({ state, remedy, error }: CheckLine): string | undefined =>
  state === 'ok' ? undefined : (remedy ?? (error === undefined ? undefined : remedyOf(error)))

/**
 * A line each: how it is, what it is about, and under what is not well what to do. Those that follow each other and were not
 * looked at for the same reason are one line.
 */
export function printCheckLines(output: Output, lines: CheckLine[]): void {
  const indent = Math.max(
    MIN_LABEL_WIDTH,
    ...lines.map(({ state }) => STATE_LABELS[state].length + LABEL_GAP),
  )
  for (const [line, ...more] of groupAlike(lines)) {
    const label = STATE_LABELS[line.state]
    const mark = `${output.styled(STATE_STYLES[line.state], label)}${' '.repeat(indent - label.length)}`
    const names = [line, ...more].map(each => sanitize(each.line)).join(', ')
    output.line(`${mark}${names}: ${sanitize(line.says)}`, indent)
    const remedy = remedyIn(line)
    if (remedy) output.line(`${' '.repeat(indent)}${sanitize(remedy)}`, indent)
  }
}

function groupAlike(lines: CheckLine[]): [CheckLine, ...CheckLine[]][] {
  const groups: [CheckLine, ...CheckLine[]][] = []
  for (const line of lines) {
    const last = groups.at(-1)
    if (last && areAlike(last[0], line)) last.push(line)
    else groups.push([line])
  }
  return groups
}

const areAlike = (a: CheckLine, b: CheckLine) =>
  a.state === 'not-looked-at' && b.state === a.state && b.says === a.says && remedyIn(b) === remedyIn(a)

/** The result in a sentence. */
export function checkResultText({ result, lines, strategy, user, address }: CheckResult): string {
  const [first, ...more] = lines.filter(({ state }) => state === result).map(({ line }) => line)
  const whose = [strategy, user && `user ${user}`, address && `on ${address}`].filter(Boolean).join(', ')
  const what = `A rotation${whose ? ` (${whose})` : ''}`
  if (result === 'ok') return `${what} would go well.`
  const others = more.length ? ` and ${more.join(', ')}` : ''
  if (result === 'warning') return `${what} would go well; look at the warning of ${first}${others}.`
  return `${what} would fail at ${first}${others}. Nothing was changed.`
}
