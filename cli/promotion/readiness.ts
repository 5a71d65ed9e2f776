import type { PromotionNote } from '../../fleet/promotion/promotionTable.ts'
import { arnInRegion } from '../../rotation/arn.ts'
import { DAY_MS } from '../../rotation/timeUnits.ts'
import { explainError } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { CommandError, EXIT, type ExitCode, usageError } from '../exit.ts'
import { mapInBatches } from '../mapInBatches.ts'
import { formatTime, sanitize } from '../output.ts'
import { SecretCalls } from '../replicas/calls.ts'
import { placeOf, type Stack } from '../stack.ts'
import { type PromotionRow, printRow, promotionTableOf, rowsOf } from './rows.ts'

/** Days after which a rehearsal is outdated. Rehearsals run weekly. */
const MAX_REHEARSAL_AGE_DAYS = 10

/**
 * Prints what the last rehearsals of a promotion found: whether each replica in this Region could be promoted. Replicas that no
 * recent rehearsal has checked are listed separately.
 * @param id shows only this secret; undefined: all
 */
export async function showReadiness(
  context: Context,
  stack: Stack,
  id: string | undefined,
): Promise<ExitCode> {
  const all = await (await promotionTableOf(context, stack)).list('rehearsal')
  const notes = id === undefined ? all : all.filter(matchesId(stack, id))
  if (id !== undefined && all.length && !notes.length)
    throw usageError(
      `no rehearsal has checked ${sanitize(id)}`,
      'keyturn replicas --ready shows all that were checked; a new replica is checked by the next rehearsal.',
    )
  const since = Date.now() - MAX_REHEARSAL_AGE_DAYS * DAY_MS
  const isRecent = ({ at }: PromotionNote) => Date.parse(at) >= since
  const stale = await keepReplicas(
    context,
    notes.filter(one => !isRecent(one)),
  )
  const rows = rowsOf(notes.filter(isRecent))
  const notRehearsed = rowsOf(stale)
  const last = all
    .map(({ at }) => at)
    .toSorted()
    .at(-1)
  const isLate = last === undefined || Date.parse(last) < since
  if (context.json) context.output.json({ last: last ?? null, secrets: rows, notRehearsed })
  else printReadiness(context, { rows, notRehearsed, last, isLate })
  const isReady = !isLate && !notRehearsed.length && rows.every(({ outcome }) => outcome === 'ready')
  return isReady ? EXIT.done : EXIT.findings
}

/** A filter for the secret that an id names: by its name, or by its ARN in this Region or in the Region of the primary. */
function matchesId(stack: Stack, id: string): (note: PromotionNote) => boolean {
  const nameOrArn = id.startsWith('arn:')
    ? arnInRegion(id, placeOf(stack).region)
    : id.replace(/^secret:/, '')
  return ({ credential, name }) => nameOrArn === credential || nameOrArn === name
}

/** The notes whose secret still is a replica of a secret in the note's Region `from`. */
async function keepReplicas(context: Context, notes: PromotionNote[]): Promise<PromotionNote[]> {
  const calls = await SecretCalls.of(context)
  const areReplicas = await mapInBatches(notes, async one => {
    try {
      const { secret } = await calls.find(one.credential)
      return secret.PrimaryRegion === one.from
    } catch (error) {
      if ((error as Error).name === 'ResourceNotFoundException') return false
      // A secret that cannot be described counts as a replica, so that it is not silently dropped.
      if (explainError(error) instanceof CommandError) return true
      throw error
    }
  })
  return notes.filter((_, index) => areReplicas[index])
}

type Readiness = {
  rows: PromotionRow[]
  notRehearsed: PromotionRow[]
  last: string | undefined
  isLate: boolean
}

function printReadiness({ output }: Context, { rows, notRehearsed, last, isLate }: Readiness): void {
  for (const row of rows) printRow(output, row)
  for (const { secret, at } of notRehearsed)
    output.line(
      `${output.styled('red', 'not checked')}  secret:${sanitize(secret)} since ${formatTime(new Date(at))}`,
      2,
    )
  const count = rows.filter(({ outcome }) => outcome === 'ready').length
  const dryRunHint = 'keyturn promote --dry-run rehearses now.'
  if (!last) output.line(`There has been no rehearsal yet. ${dryRunHint}`)
  else if (isLate)
    output.line(
      `The last rehearsal was ${formatTime(new Date(last))}, more than ${MAX_REHEARSAL_AGE_DAYS} days ago. ${dryRunHint}`,
    )
  else
    output.line(
      `${count} ready, ${rows.length - count} not ready; the last rehearsal was ${formatTime(new Date(last))}.`,
    )
}
