import { errorMessageIn } from '../fleet/errorMessageIn.ts'
import type { PromotionNote } from '../fleet/promotion/promotionTable.ts'
import { functionHandler } from './shared/handler.ts'
import { ownPromotionTable } from './shared/ownPromotionTable.ts'
import { type CredentialState, parseNotePromotionEvent } from './shared/promotionEvent.ts'

const table = ownPromotionTable()

/**
 * Writes the outcome of one credential's promotion or rehearsal to the table, for the report and for later promotions. Before the
 * promotion begins, it is called with `begun`, and writes that outcome.
 */
export const handler = functionHandler(
  'notePromotion',
  parseNotePromotionEvent,
  ({ state: { item } }) => ({ id: item.arn, from: item.from }),
  async ({ execution, begun, state }) => {
    const { item } = state
    const kind = item.rehearsal ? 'rehearsal' : 'promotion'
    const noted: PromotionNote = {
      kind,
      credential: item.arn,
      name: item.name,
      from: item.from,
      execution,
      at: new Date().toISOString(),
      ...outcomeOf(state, begun),
      warnings: [...(state.found?.warnings ?? []), ...fenceWarnings(state), ...handOverWarnings(state)],
      refused: state.found?.refused ?? item.refused,
    }
    await table.note(noted.outcome === 'unready' ? { ...noted, since: await unreadySince(noted) } : noted)
    // A rehearsal says nothing any more about a credential that is promoted.
    if (noted.outcome === 'promoted') await table.forget('rehearsal', item.arn)
  },
)

type Outcome = Pick<PromotionNote, 'outcome' | 'error' | 'reason'>

function outcomeOf(
  { item, problem = item.problem, found, promoted }: CredentialState,
  begun: boolean,
): Outcome {
  const [bad, good] = item.rehearsal ? (['unready', 'ready'] as const) : (['failed', 'promoted'] as const)
  if (problem) return { outcome: bad, error: problem.Error, reason: reasonIn(problem.Cause) }
  if (found?.version === undefined)
    return { outcome: bad, error: found?.error ?? 'Unknown', reason: found?.reason ?? '' }
  return { outcome: begun && !promoted ? 'begun' : good }
}

/** The message of a failed function without the function's name, which begins it. */
const reasonIn = (cause: string) => (errorMessageIn(cause) ?? cause).replace(/^[a-z]\w+: /, '')

/** The ARN of the first execution in a row that found the credential not ready with the same error. */
async function unreadySince({ kind, credential, error, execution }: PromotionNote): Promise<string> {
  const before = await table.latest(kind, credential)
  const isSame = before?.outcome === 'unready' && before.error === error
  return (isSame && before.since) || execution
}

/**
 * Warns that a secret may rotate in neither Region: its planned promotion has not succeeded, and its hand-over may have begun. So a
 * note with the outcome `begun` has this warning too.
 */
function handOverWarnings({ item, planned, promoted }: CredentialState): string[] {
  if (!planned || promoted || item.problem) return []
  return [
    `the tag keyturn:home over there may name this Region by now, and then it rotates nowhere: promote again, or set it back to ${item.from}`,
  ]
}

/** Warns if the other Region could not be told that the secret no longer rotates there. */
function fenceWarnings({ item, unfenced }: CredentialState): string[] {
  if (!unfenced) return []
  const why = errorMessageIn(unfenced.Cause) ?? unfenced.Error
  return [`${item.from} was not told that it does not rotate there any more: ${why}`]
}
