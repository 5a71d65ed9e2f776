import type { Noted } from '../../fleet/promotion/promotionTable.ts'
import { inRegion } from '../../rotation/arn.ts'
import { explained } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { CommandError, type ExitCode, exit } from '../exit.ts'
import { inLots } from '../lots.ts'
import { moment, plain } from '../output.ts'
import { Calls } from '../replicas/calls.ts'
import { placeOf, type Stack } from '../stack.ts'
import { promotionsOf, type Row, rowsOf, showRow } from './rows.ts'

/** Days after which a rehearsal says nothing any more: they are weekly. */
const DAYS = 10

/** What the last rehearsals of a promotion have found: of every replica here whether it could be promoted. */
export async function ready(context: Context, stack: Stack, id: string | undefined): Promise<ExitCode> {
  const all = await (await promotionsOf(context, stack)).all('rehearsal')
  const noted = id === undefined ? all : all.filter(isMeant(stack, id))
  if (id !== undefined && all.length && !noted.length)
    throw new CommandError(
      exit.usage,
      `no rehearsal has looked at ${plain(id)}`,
      'keyturn replicas --ready shows what they have looked at; one that was made since is in the next.',
    )
  const since = Date.now() - DAYS * 86_400_000
  const isFresh = ({ at }: Noted) => Date.parse(at) >= since
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
  else tell(context, { rows, old, last, isLate })
  const isWell = !isLate && !old.length && rows.every(({ outcome }) => outcome === 'ready')
  return isWell ? exit.done : exit.findings
}

/** By name, or by ARN here or in the Region of the primary. */
function isMeant(stack: Stack, id: string): (noted: Noted) => boolean {
  const wanted = id.startsWith('arn:') ? inRegion(id, placeOf(stack).region) : id.replace(/^secret:/, '')
  return ({ credential, name }) => wanted === credential || wanted === name
}

/** What has not been looked at for long is told of as long as it is a replica here. */
async function stillReplicas(context: Context, noted: Noted[]): Promise<Noted[]> {
  const calls = await Calls.of(context)
  const kept = await inLots(noted, async one => {
    try {
      const { secret } = await calls.find(one.credential)
      return secret.PrimaryRegion === one.from
    } catch (error) {
      if ((error as Error).name === 'ResourceNotFoundException') return false
      // Where it cannot be seen, it is taken for one.
      if (explained(error) instanceof CommandError) return true
      throw error
    }
  })
  return noted.filter((_, index) => kept[index])
}

type Told = { rows: Row[]; old: Row[]; last: string | undefined; isLate: boolean }

function tell({ output }: Context, { rows, old, last, isLate }: Told): void {
  for (const row of rows) showRow(output, row)
  for (const { secret, at } of old)
    output.line(
      `${output.styled('red', 'not looked at')}  secret:${plain(secret)} since ${moment(new Date(at))}`,
      2,
    )
  const count = rows.filter(({ outcome }) => outcome === 'ready').length
  const now = 'keyturn promote --dry-run looks now.'
  if (!last) output.line(`No rehearsal has looked at anything yet. ${now}`)
  else if (isLate)
    output.line(`The last rehearsal was ${moment(new Date(last))}, more than ${DAYS} days ago. ${now}`)
  else
    output.line(
      `${count} ready, ${rows.length - count} not ready; the last rehearsal was ${moment(new Date(last))}.`,
    )
}
