import type { PromotionKind, PromotionNote, PromotionTable } from '../../fleet/promotion/promotionTable.ts'
import { promotionRemedy } from '../../fleet/promotion/remedies.ts'
import type { Context } from '../context.ts'
import { formatTime, type Output, sanitize } from '../output.ts'
import { outputOf, type Stack } from '../stack.ts'

/** The outcome of a promotion, or of its rehearsal, for one secret, as the command prints it, also with --json. */
export type PromotionRow = {
  secret: string
  arn: string
  from: string
  /** `unchanged`: an earlier run promoted the secret. */
  outcome: PromotionNote['outcome'] | 'unchanged'
  error?: string
  reason?: string
  remedy?: string
  warnings: string[]
  at: string
  execution: string
}

/** The stack's table of promotions. */
export async function promotionTableOf({ clients }: Context, stack: Stack): Promise<PromotionTable> {
  const { PromotionTable } = await import('../../fleet/promotion/promotionTable.ts')
  return new PromotionTable(await clients.dynamo(), outputOf(stack, 'PromotionTableName'))
}

const isSuccess = ({ outcome }: PromotionRow) =>
  outcome === 'promoted' || outcome === 'unchanged' || outcome === 'ready'

/** Turns notes into rows: successes first, so that the failures are at the end, next to the prompt. */
export function rowsOf(notes: PromotionNote[]): PromotionRow[] {
  const rows = notes.map(
    ({ credential, name, outcome, error, reason, from, warnings, at, execution }): PromotionRow => {
      const row = { secret: name, arn: credential, from, outcome, warnings, at, execution }
      if (outcome !== 'failed' && outcome !== 'unready') return row
      return {
        ...row,
        ...(error && { error }),
        ...(reason && { reason }),
        remedy: promotionRemedy(error),
      }
    },
  )
  return rows.sort((a, b) => Number(isSuccess(b)) - Number(isSuccess(a)) || (a.secret < b.secret ? -1 : 1))
}

const OUTCOME_MARKS: Record<PromotionRow['outcome'], string> = {
  promoted: 'promoted',
  unchanged: 'promoted',
  failed: 'failed',
  begun: 'half done',
  ready: 'ready',
  unready: 'not ready',
}

/** Prints a row, and under it the error, the remedy and the warnings. */
export function printRow(output: Output, row: PromotionRow): void {
  const { secret, outcome, error, reason, remedy, warnings, at } = row
  const mark = output.styled(isSuccess(row) ? 'green' : 'red', OUTCOME_MARKS[outcome])
  const earlier = outcome === 'unchanged' ? `, ${formatTime(new Date(at))}` : ''
  output.line(`${mark}  secret:${sanitize(secret)}${earlier}`, 2)
  const details = [
    (error || reason) && `${error ?? ''}: ${reason ?? ''}`.replace(/^: |: $/g, ''),
    outcome === 'begun' &&
      'the run that began this secret did not finish it: run the same command again to go on',
    remedy,
    ...warnings.map(warning => `warning: ${warning}`),
  ]
  for (const line of details) if (line) output.line(`  ${sanitize(line)}`, 2)
}

/**
 * The notes of one kind: with `from` those about secrets of that Region, with `ids` those about secrets of these ARNs or names.
 */
export async function findNoted(
  table: PromotionTable,
  kind: PromotionKind,
  { from, ids }: { from?: string; ids?: string[] },
): Promise<PromotionNote[]> {
  const all = await table.list(kind)
  return all.filter(
    note =>
      (!from || note.from === from) && (!ids || ids.includes(note.credential) || ids.includes(note.name)),
  )
}
