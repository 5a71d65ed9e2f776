import { messageIn } from '../fleet/executions.ts'
import type { Noted } from '../fleet/promotion/promotionTable.ts'
import { functionHandler } from './shared/handler.ts'
import { ownTable } from './shared/promotionEnvironment.ts'
import { noteEvent, type State } from './shared/promotionEvent.ts'

const table = ownTable()

/** Notes what became of one credential, for the report and for whoever promotes again. */
export const handler = functionHandler(
  'notePromotion',
  noteEvent,
  ({ state: { item } }) => ({ id: item.arn, from: item.from }),
  async ({ execution, begun, state }) => {
    const { item } = state
    const kind = item.rehearsal ? 'rehearsal' : 'promotion'
    const noted: Noted = {
      ...{ kind, credential: item.arn, name: item.name, from: item.from, execution },
      at: new Date().toISOString(),
      ...outcomeOf(state, begun),
      warnings: [...(state.found?.warnings ?? []), ...unfenced(state), ...handedOver(state)],
      refused: state.found?.refused ?? item.refused,
    }
    await table.note(noted.outcome === 'unready' ? { ...noted, since: await since(noted) } : noted)
    // What was rehearsed has come to pass.
    if (noted.outcome === 'promoted') await table.forget('rehearsal', item.arn)
  },
)

type Outcome = Pick<Noted, 'outcome' | 'error' | 'reason'>

function outcomeOf({ item, problem = item.problem, found, promoted }: State, begun: boolean): Outcome {
  const [bad, good] = item.rehearsal ? (['unready', 'ready'] as const) : (['failed', 'promoted'] as const)
  if (problem) return { outcome: bad, error: problem.Error, reason: reasonIn(problem.Cause) }
  if (found?.version === undefined)
    return { outcome: bad, error: found?.error ?? 'Unknown', reason: found?.reason ?? '' }
  return { outcome: begun && !promoted ? 'begun' : good }
}

/** A function's message begins with its name. */
const reasonIn = (cause: string) => (messageIn(cause) ?? cause).replace(/^[a-z]\w+: /, '')

/** Since which execution it has been found so. */
async function since({ kind, credential, error, execution }: Noted): Promise<string> {
  const before = await table.latest(kind, credential)
  const isSame = before?.outcome === 'unready' && before.error === error
  return (isSame && before.since) || execution
}

/** A hand-over that was begun holds until somebody ends it, one way or the other. */
function handedOver({ item, planned, promoted }: State): string[] {
  if (!planned || promoted || item.problem) return []
  return [
    `the tag keyturn:home over there may name this Region by now, and then it rotates nowhere: promote again, or set it back to ${item.from}`,
  ]
}

function unfenced({ item, unfenced }: State): string[] {
  if (!unfenced) return []
  const why = messageIn(unfenced.Cause) ?? unfenced.Error
  return [`${item.from} was not told that it does not rotate there any more: ${why}`]
}
