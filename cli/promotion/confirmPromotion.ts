import { isAdmin, isManaged, tagsIn } from '../../rotation/tags.ts'
import { explainError } from '../awsErrors.ts'
import { confirm } from '../confirm.ts'
import type { Context } from '../context.ts'
import { CommandError, EXIT } from '../exit.ts'
import { formatTime, sanitize } from '../output.ts'
import { placeOf, type Stack } from '../stack.ts'
import type { RunningPromotion } from './execution.ts'
import type { PromotionInput } from './request.ts'

/** How many secrets here follow the Region, and how many others do that are not Keyturn's to promote. */
export type FollowingSecrets = { count: number; others: number }

/** Undefined where the caller may not list secrets. */
export async function countFollowing(
  context: Context,
  stack: Stack,
  { from, ids }: PromotionInput,
): Promise<FollowingSecrets | undefined> {
  if (ids) return { count: ids.length, others: 0 }
  const here = placeOf(stack).region
  const { paginateListSecrets } = await import('@aws-sdk/client-secrets-manager')
  const client = await context.clients.secrets()
  const query = from ? { Filters: [{ Key: 'primary-region' as const, Values: [from] }] } : {}
  const seen = { count: 0, others: 0 }
  try {
    for await (const { SecretList = [] } of paginateListSecrets({ client, pageSize: 100 }, query))
      for (const { PrimaryRegion = here, Tags } of SecretList) {
        if (from ? PrimaryRegion !== from : PrimaryRegion === here) continue
        const tags = tagsIn(Tags)
        seen[isManaged(tags) || isAdmin(tags) ? 'count' : 'others']++
      }
    return seen
  } catch (error) {
    const told = explainError(error)
    if (told instanceof CommandError && told.code === EXIT.denied) return undefined
    throw error
  }
}

type PromotionQuestion = { input: PromotionInput; found: FollowingSecrets | undefined; isConfirmed: boolean }

/**
 * Says what will happen, and has the lost Region's name typed. A dry run changes nothing, so it asks nothing.
 * @throws CommandError unless it was confirmed
 */
export async function confirmPromotion(
  context: Context,
  stack: Stack,
  { input, found, isConfirmed }: PromotionQuestion,
): Promise<void> {
  const { from = '', dryRun } = input
  if (dryRun) return
  await confirm(context, {
    details: aboutOf(stack, input, found),
    word: from,
    flag: `--confirm ${from}`,
    isConfirmed,
  })
}

function aboutOf(
  stack: Stack,
  { from, planned, lost }: PromotionInput,
  found: FollowingSecrets | undefined,
): string[] {
  const here = placeOf(stack).region
  const others = found?.others
    ? `; ${found.others} more have neither keyturn:managed=true nor keyturn:admin=true, and stay replicas`
    : ''
  const loss = planned
    ? `it waits until all that ${from} has is here: nothing is lost. From now on nothing of this rotates in ${from}`
    : `what ${from} stored last may not have come here: such values are lost`
  const refused = `if Secrets Manager in ${from} still answers, it is refused, and nothing is changed`
  return [
    `promote from ${from}: ${secretCountText(found)}${others}`,
    `  each becomes a secret of its own, at home in ${here}; no command makes it a replica again`,
    `  its host stays, unless the file of hostMap or an Aurora global cluster names another; a login here proves it first`,
    `  ${loss}`,
    ...(planned || lost ? [] : [`  ${refused}`]),
  ]
}

function secretCountText(found: FollowingSecrets | undefined): string {
  if (!found) return 'all that follow it here; who may list them would see how many'
  return `${found.count} ${found.count === 1 ? 'secret' : 'secrets'}`
}

/** Says that one runs already, and in what it differs from what was asked for. */
export function noteJoined(
  { output, json }: Context,
  { arn, input, began }: RunningPromotion,
  wanted: PromotionInput,
): void {
  if (json) return
  const which = wanted.dryRun ? 'A dry run' : `A promotion from ${wanted.from}`
  output.note(`${which} runs already since ${formatTime(began)}, and no other was begun: ${sanitize(arn)}`)
  const asWanted = (['planned', 'lost', 'again'] as const).every(
    name => Boolean(input[name]) === Boolean(wanted[name]),
  )
  const sameIds = JSON.stringify(input.ids ?? []) === JSON.stringify(wanted.ids ?? [])
  if (!asWanted || !sameIds)
    output.note(
      `It was started with other options: ${sanitize(JSON.stringify(input))}. Call this again when it has ended.`,
    )
}
