/** What of an event of a history tells where it belongs. */
type Event = {
  id?: number | undefined
  previousEventId?: number | undefined
  stateEnteredEventDetails?: { name: string | undefined } | undefined
}

/**
 * Tells of each event of an execution's history, from its beginning on, in which state it happened. Those of a Parallel are in one
 * another's midst; each names the event before it in its own branch.
 * @returns '' before the first state
 */
export function createStateTracker(): (event: Event) => string {
  const states = new Map<number, string>()
  let last = ''
  return ({ id, previousEventId = 0, stateEnteredEventDetails: entered }) => {
    const state = entered?.name ?? states.get(previousEventId) ?? last
    if (id !== undefined) states.set(id, state)
    last = state
    return state
  }
}
