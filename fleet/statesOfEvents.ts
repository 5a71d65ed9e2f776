/** The fields of a history's event that tell in which state it happened. */
type Event = {
  id?: number | undefined
  previousEventId?: number | undefined
  stateEnteredEventDetails?: { name: string | undefined } | undefined
}

/**
 * Makes a function that tells in which state each event of an execution's history happened. That function has to be called for all
 * events from the first one on. The events of a Parallel's branches are mixed, but each names the event before it in its branch.
 * @returns a function that gives the state's name, or '' before the first state
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
