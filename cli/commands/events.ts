import type { Context } from '../context.ts'
import { type ExitCode, exit } from '../exit.ts'
import { idOf, lasting, outcomeOf, recordsOf, retirementOf } from '../records.ts'
import { stackOf } from '../stack.ts'

export type EventsOptions = { since: number; most: number }

/** What changed in the whole stage lately, the latest last: a line for each rotation that came to an outcome. */
export async function events(context: Context, { since, most }: EventsOptions): Promise<ExitCode> {
  const { output, json } = context
  const table = await recordsOf(context, await stackOf(context))
  const now = new Date()
  const from = new Date(now.getTime() - since * 1000)
  const found = await table.since(from, now, most)
  if (json) {
    output.json({ since: from.toISOString(), rotations: found })
    return exit.done
  }
  for (const record of found.toReversed()) {
    const { ended = '', retired = '', retirement } = record
    const late = retirement === 'not-closed' && retired > ended
    const time = new Date(late ? retired : ended)
    const what = late ? retirementOf(record) : outcomeOf(record)
    output.line(`${time.toISOString().slice(0, 19).replace('T', ' ')}  ${idOf(record)}  ${what}`, 2)
  }
  if (found.length === most) output.note(`There may be more: these are the latest ${most}. See --most.`)
  if (!found.length) output.line(`No rotation came to an outcome within the last ${lasting(since * 1000)}.`)
  return exit.done
}
