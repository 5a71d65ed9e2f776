import type { PromotionNote } from '../../fleet/promotion/promotionTable.ts'
import { arnInRegion } from '../../rotation/arn.ts'
import { explainError } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { CommandError, EXIT, type ExitCode } from '../exit.ts'
import { mapInBatches } from '../mapInBatches.ts'
import { formatTime, sanitize } from '../output.ts'
import { SecretCalls } from '../replicas/calls.ts'
import { placeOf, type Stack } from '../stack.ts'
import { type PromotionRow, printRow, promotionTableOf, rowsOf } from './rows.ts'

/** Days after which a rehearsal says nothing any more: they are weekly. */
const MAX_REHEARSAL_AGE_DAYS = 10

/** What the last rehearsals of a promotion have found: of every replica here whether it could be promoted. */
export async function showReadiness(
  context: Context,
  stack: Stack,
  id: string | undefined,
): Promise<ExitCode> {
  const all = await (await promotionTableOf(context, stack)).list('rehearsal')
  const noted = id === undefined ? all : all.filter(matchesId(stack, id))
  if (id !== undefined && all.length && !noted.length)
    throw new CommandError(
      EXIT.usage,
      `no rehearsal has looked at ${sanitize(id)}`,
      'keyturn replicas --ready shows what they have looked at; one that was made since is in the next.',
    )
  const since = Date.now() - MAX_REHEARSAL_AGE_DAYS * 86_400_000
  const isFresh = ({ at }: PromotionNote) => Date.parse(at) >= since
  const stale = await stillReplicas(
    context,
    noted.filter(one => !isFresh(one)),
  )
  const rows = rowsOf(noted.filter(isFresh))
  const old = rowsOf(stale)
  const last = all
    .map(({ at }) => at)
    .toSorted()
    .at(-1)
  const isLate = last === undefined || Date.parse(last) < since
  if (context.json) context.output.json({ last: last ?? null, secrets: rows, notRehearsed: old })
  else printReadiness(context, { rows, old, last, isLate })
  const isWell = !isLate && !old.length && rows.every(({ outcome }) => outcome === 'ready')
  return isWell ? EXIT.done : EXIT.findings
}

/** By name, or by ARN here or in the Region of the primary. */
function matchesId(stack: Stack, id: string): (noted: PromotionNote) => boolean {
  const wanted = id.startsWith('arn:') ? arnInRegion(id, placeOf(stack).region) : id.replace(/^secret:/, '')
  return ({ credential, name }) => wanted === credential || wanted === name
}

/** What has not been looked at for long is told of as long as it is a replica here. */
async function stillReplicas(context: Context, noted: PromotionNote[]): Promise<PromotionNote[]> {
  const calls = await SecretCalls.of(context)
  const kept = await mapInBatches(noted, async one => {
    try {
      const { secret } = await calls.find(one.credential)
      return secret.PrimaryRegion === one.from
    } catch (error) {
      if ((error as Error).name === 'ResourceNotFoundException') return false
      // Where it cannot be seen, it is taken for one.
      if (explainError(error) instanceof CommandError) return true
      throw error
    }
  })
  return noted.filter((_, index) => kept[index])
}

type Told = { rows: PromotionRow[]; old: PromotionRow[]; last: string | undefined; isLate: boolean }

function printReadiness({ output }: Context, { rows, old, last, isLate }: Told): void {
  for (const row of rows) printRow(output, row)
  for (const { secret, at } of old)
    output.line(
      `${output.styled('red', 'not looked at')}  secret:${sanitize(secret)} since ${formatTime(new Date(at))}`,
      2,
    )
  const count = rows.filter(({ outcome }) => outcome === 'ready').length
  const now = 'keyturn promote --dry-run looks now.'
  if (!last) output.line(`No rehearsal has looked at anything yet. ${now}`)
  else if (isLate)
    output.line(
      `The last rehearsal was ${formatTime(new Date(last))}, more than ${MAX_REHEARSAL_AGE_DAYS} days ago. ${now}`,
    )
  else
    output.line(
      `${count} ready, ${rows.length - count} not ready; the last rehearsal was ${formatTime(new Date(last))}.`,
    )
}
