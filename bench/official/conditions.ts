import { describeMachine, overloadNote } from '../machine.ts'

/** Under which times were taken. `load` is the machine's load average, before and after. */
export type Conditions = { load: [number, number]; date: string; commit: string }

export const conditionsSentence = ({ load: [before, after], date, commit }: Conditions) =>
  `Measured on ${date} with Keyturn at ${commit}, on ${describeMachine()}. The load
average of the last minute was ${before.toFixed(1)} at the begin and ${after.toFixed(1)} at the end${overloadNote(before, after)}.`
