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
/** The texts of a check begin in this column, or further right if a label is long. */
const MIN_TEXT_COLUMN = 10
/** Blanks after the longest label. */
const LABEL_GAP = 2

/** What to do about a line that is not ok: its own remedy, or else the runbook's remedy for its error. */
export const remedyIn = ({ state, remedy, error }: CheckLine): string | undefined =>
  state === 'ok' ? undefined : (remedy ?? (error === undefined ? undefined : remedyOf(error)))

/**
 * Prints each line of a check with its state, and under a line that is not ok what to do. Neighbouring lines that were not looked
 * at for the same reason are printed as one.
 */
export function printCheckLines(output: Output, lines: CheckLine[]): void {
  const textColumn = Math.max(
    MIN_TEXT_COLUMN,
    ...lines.map(({ state }) => STATE_LABELS[state].length + LABEL_GAP),
  )
  for (const [line, ...others] of groupAlike(lines)) {
    const label = STATE_LABELS[line.state]
    const mark = `${output.styled(STATE_STYLES[line.state], label)}${' '.repeat(textColumn - label.length)}`
    const names = [line, ...others].map(each => sanitize(each.line)).join(', ')
    output.line(`${mark}${names}: ${sanitize(line.says)}`, textColumn)
    const remedy = remedyIn(line)
    if (remedy) output.line(`${' '.repeat(textColumn)}${sanitize(remedy)}`, textColumn)
  }
}

/** Groups neighbouring lines that are printed as one. */
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

/** The result of a check in a sentence. */
export function checkResultText({ result, lines, strategy, user, address }: CheckResult): string {
  const [first, ...others] = lines.filter(({ state }) => state === result).map(({ line }) => line)
  const whose = [strategy, user && `user ${user}`, address && `on ${address}`].filter(Boolean).join(', ')
  const what = `A rotation${whose ? ` (${whose})` : ''}`
  if (result === 'ok') return `${what} would go well.`
  const othersText = others.length ? ` and ${others.join(', ')}` : ''
  if (result === 'warning') return `${what} would go well; look at the warning of ${first}${othersText}.`
  return `${what} would fail at ${first}${othersText}. Nothing was changed.`
}
