import { isAdmin, isManaged, tagsIn } from '../../rotation/tags.ts'
import { explainError } from '../awsErrors.ts'
import { confirm } from '../confirm.ts'
import type { Context } from '../context.ts'
import { CommandError, EXIT } from '../exit.ts'
import { formatTime, sanitize } from '../output.ts'
import { placeOf, type Stack } from '../stack.ts'
import type { RunningPromotion } from './execution.ts'
import type { PromotionInput } from './request.ts'

/**
 * How many replicas a promotion is about (`count`), and how many replicas of the same Region it leaves as they are, because they
 * lack Keyturn's tags (`others`).
 */
export type ReplicaCounts = { count: number; others: number }

/**
 * Counts the replicas that a promotion is about: named by `ids`, or else all of the Region `from`. Undefined if the caller may
 * not list secrets.
 */
export async function countReplicas(
  context: Context,
  stack: Stack,
  { from, ids }: PromotionInput,
): Promise<ReplicaCounts | undefined> {
  if (ids) return { count: ids.length, others: 0 }
  const here = placeOf(stack).region
  const { paginateListSecrets } = await import('@aws-sdk/client-secrets-manager')
  const client = await context.clients.secrets()
  const query = from ? { Filters: [{ Key: 'primary-region' as const, Values: [from] }] } : {}
  const counts = { count: 0, others: 0 }
  try {
    for await (const { SecretList = [] } of paginateListSecrets({ client, pageSize: 100 }, query))
      for (const { PrimaryRegion = here, Tags } of SecretList) {
        if (from ? PrimaryRegion !== from : PrimaryRegion === here) continue
        const tags = tagsIn(Tags)
        counts[isManaged(tags) || isAdmin(tags) ? 'count' : 'others']++
      }
    return counts
  } catch (error) {
    const explained = explainError(error)
    if (explained instanceof CommandError && explained.code === EXIT.denied) return undefined
    throw error
  }
}

type PromotionQuestion = { input: PromotionInput; counts: ReplicaCounts | undefined; isConfirmed: boolean }

/**
 * Shows what a promotion will do, and has the user type the name of the lost Region. A dry run asks nothing.
 * @throws CommandError unless it was confirmed
 */
export async function confirmPromotion(
  context: Context,
  stack: Stack,
  { input, counts, isConfirmed }: PromotionQuestion,
): Promise<void> {
  const { from = '', dryRun } = input
  if (dryRun) return
  await confirm(context, {
    details: detailsOf(stack, input, counts),
    word: from,
    flag: `--confirm ${from}`,
    isConfirmed,
  })
}

function detailsOf(
  stack: Stack,
  { from, planned, lost }: PromotionInput,
  counts: ReplicaCounts | undefined,
): string[] {
  const here = placeOf(stack).region
  const others = counts?.others
    ? `; ${counts.others} more have neither keyturn:managed=true nor keyturn:admin=true, and stay replicas`
    : ''
  const loss = planned
    ? `the promotion waits until every value of ${from} is here: nothing is lost. From now on these secrets do not rotate in ${from}`
    : `the latest values of ${from} may not have been replicated: such values are lost`
  const refused = `if Secrets Manager in ${from} still answers, the promotion is refused, and nothing is changed`
  return [
    `promote from ${from}: ${secretCountText(counts)}${others}`,
    `  each becomes a secret of its own, with its home in ${here}; no command makes it a replica again`,
    `  its host stays, unless the file of hostMap or an Aurora global cluster names another; a login from here tests it first`,
    `  ${loss}`,
    ...(planned || lost ? [] : [`  ${refused}`]),
  ]
}

function secretCountText(counts: ReplicaCounts | undefined): string {
  if (!counts) return 'all its replicas here; their number is not known, as you may not list secrets'
  return `${counts.count} ${counts.count === 1 ? 'secret' : 'secrets'}`
}

/** Notes that a promotion is running already and is watched, and whether its options differ from the requested ones. */
export function noteJoined(
  { output, json }: Context,
  { arn, input, began }: RunningPromotion,
  requested: PromotionInput,
): void {
  if (json) return
  const which = requested.dryRun ? 'A dry run' : `A promotion from ${requested.from}`
  output.note(
    `${which} has been running since ${formatTime(began)}, and no other was begun: ${sanitize(arn)}`,
  )
  const isSameOptions = (['planned', 'lost', 'again'] as const).every(
    name => Boolean(input[name]) === Boolean(requested[name]),
  )
  const isSameIds = JSON.stringify(input.ids ?? []) === JSON.stringify(requested.ids ?? [])
  if (!isSameOptions || !isSameIds)
    output.note(
      `It was started with other options: ${sanitize(JSON.stringify(input))}. Run this command again when it has ended.`,
    )
}
