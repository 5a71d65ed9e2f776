import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit.ts'
import { formatDuration } from '../output.ts'
import { recordTableOf } from '../recordTable.ts'
import { idOf, outcomeText, retirementText } from '../recordTexts.ts'
import { chooseStack } from '../stack.ts'

/** The options of `events`: how far back, in seconds, and how many rotations at most. */
export type EventsOptions = { since: number; most: number }

/**
 * Runs `events`: a line for each rotation of the stage that ended in this time, or whose old user or password could not be closed
 * in this time, the latest last.
 */
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
    // If closing the old user or password failed after the rotation had ended, the line tells of that, as the later event.
    const failedToClose = retirement === 'not-closed' && retired > ended
    const time = new Date(failedToClose ? retired : ended)
    const what = failedToClose ? retirementText(record) : outcomeText(record)
    output.line(`${time.toISOString().slice(0, 19).replace('T', ' ')}  ${idOf(record)}  ${what}`, 2)
  }
  if (found.length === most) output.note(`There may be more: these are the latest ${most}. See --most.`)
  if (!found.length) output.line(`No rotation ended within the last ${formatDuration(since * 1000)}.`)
  return EXIT.done
}
