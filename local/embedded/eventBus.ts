import type { StateName } from '../../fleet/states.ts'
import { definitionOf, MACHINE_NAMES, statesOf, type Task, type Tasks } from './stateMachine.ts'

/** An event as a state machine puts it on the event bus: an entry of PutEvents. */
export type BusEvent = {
  Source: string
  DetailType: string
  EventBusName: string
  Detail: Record<string, unknown>
}

/** The names of the states that put events on the bus, of all state machines. */
const announcingStates = MACHINE_NAMES.flatMap(machine =>
  statesOf(definitionOf(machine)).flatMap(([name, state]) =>
    'Resource' in state && state.Resource === 'arn:aws:states:::events:putEvents' ? [name as StateName] : [],
  ),
)

/**
 * Makes the tasks of the states that put events on the bus: they stand for EventBridge.
 * @param receive called with each event; without it, events are dropped as on a bus without rules
 */
export function makeEventBusTasks(receive: (entry: BusEvent) => void = () => {}): Tasks {
  const put: Task = input => {
    for (const entry of (input as { Entries: BusEvent[] }).Entries) receive(entry)
    return { FailedEntryCount: 0 }
  }
  return Object.fromEntries(announcingStates.map(state => [state, put]))
}
