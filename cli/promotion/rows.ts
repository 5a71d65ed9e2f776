import type { PromotionKind, PromotionNote, PromotionTable } from '../../fleet/promotion/promotionTable.ts'
import { promotionRemedy } from '../../fleet/promotion/remedies.ts'
import type { Context } from '../context.ts'
import { formatTime, type Output, sanitize } from '../output.ts'
import { outputOf, type Stack } from '../stack.ts'

/** A credential, and what became of it or would: as a person or a program is told. */
export type PromotionRow = {
  secret: string
  arn: string
  from: string
  /** `unchanged`: an earlier run promoted it. */
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

const isWell = ({ outcome }: PromotionRow) =>
  outcome === 'promoted' || outcome === 'unchanged' || outcome === 'ready'

/** What is noted, as rows: what is well comes first, so that the rest stands where somebody looks. */
export function rowsOf(noted: PromotionNote[]): PromotionRow[] {
  const rows = noted.map(
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
  return rows.sort((a, b) => Number(isWell(b)) - Number(isWell(a)) || (a.secret < b.secret ? -1 : 1))
}

const OUTCOME_MARKS: Record<PromotionRow['outcome'], string> = {
  promoted: 'promoted',
  unchanged: 'promoted',
  failed: 'failed',
  begun: 'half done',
  ready: 'ready',
  unready: 'not ready',
}

/** A row, and under it what there is to say of it. */
export function printRow(output: Output, row: PromotionRow): void {
  const { secret, outcome, error, reason, remedy, warnings, at } = row
  const mark = output.styled(isWell(row) ? 'green' : 'red', OUTCOME_MARKS[outcome])
  const earlier = outcome === 'unchanged' ? `, ${formatTime(new Date(at))}` : ''
  output.line(`${mark}  secret:${sanitize(secret)}${earlier}`, 2)
  const more = [
    (error || reason) && `${error ?? ''}: ${reason ?? ''}`.replace(/^: |: $/g, ''),
    outcome === 'begun' && 'the run that began it has not ended it: the same command again goes on',
    remedy,
    ...warnings.map(warning => `warning: ${warning}`),
  ]
  for (const line of more) if (line) output.line(`  ${sanitize(line)}`, 2)
}

/** Of what is noted of one kind, what is about these credentials and this Region, as far as they are named. */
export async function findNoted(
  table: PromotionTable,
  kind: PromotionKind,
  { from, ids }: { from?: string; ids?: string[] },
): Promise<PromotionNote[]> {
  const all = await table.list(kind)
  return all.filter(
    noted =>
      (!from || noted.from === from) && (!ids || ids.includes(noted.credential) || ids.includes(noted.name)),
  )
}
