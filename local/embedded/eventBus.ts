import type { StateName } from '../../fleet/states.ts'
import { definitionOf, MACHINE_NAMES, statesOf, type Task, type Tasks } from './stateMachine.ts'

/** An event as a state machine puts it on the bus. */
export type BusEvent = {
  Source: string
  DetailType: string
  EventBusName: string
  Detail: Record<string, unknown>
}

/** The states of all state machines that put events on the bus. */
const announcingStates = MACHINE_NAMES.flatMap(machine =>
  statesOf(definitionOf(machine)).flatMap(([name, state]) =>
    'Resource' in state && state.Resource === 'arn:aws:states:::events:putEvents' ? [name as StateName] : [],
  ),
)

/**
 * Stands for EventBridge where executions run in this process: a task for each state that puts events on the bus, by the
 * state's name. `receive` is handed every event; without it they are gone, as on a bus without rules.
 */
export function makeEventBusTasks(receive: (entry: BusEvent) => void = () => {}): Tasks {
  const put: Task = input => {
    for (const entry of (input as { Entries: BusEvent[] }).Entries) receive(entry)
    return { FailedEntryCount: 0 }
  }
  return Object.fromEntries(announcingStates.map(state => [state, put]))
}
