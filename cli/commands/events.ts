import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit.ts'
import { formatDuration, idOf, outcomeText, recordTableOf, retirementText } from '../records.ts'
import { chooseStack } from '../stack.ts'

export type EventsOptions = { since: number; most: number }

/** What changed in the whole stage lately, the latest last: a line for each rotation that came to an outcome. */
export async function runEventsCommand(context: Context, { since, most }: EventsOptions): Promise<ExitCode> {
  const { output, json } = context
  const table = await recordTableOf(context, await chooseStack(context))
  const now = new Date()
  const from = new Date(now.getTime() - since * 1000)
  const found = await table.listSince(from, now, most)
  if (json) {
    output.json({ since: from.toISOString(), rotations: found })
    return EXIT.done
  }
  for (const record of found.toReversed()) {
    const { ended = '', retired = '', retirement } = record
    const late = retirement === 'not-closed' && retired > ended
    const time = new Date(late ? retired : ended)
    const what = late ? retirementText(record) : outcomeText(record)
    output.line(`${time.toISOString().slice(0, 19).replace('T', ' ')}  ${idOf(record)}  ${what}`, 2)
  }
  if (found.length === most) output.note(`There may be more: these are the latest ${most}. See --most.`)
  if (!found.length)
    output.line(`No rotation came to an outcome within the last ${formatDuration(since * 1000)}.`)
  return EXIT.done
}
