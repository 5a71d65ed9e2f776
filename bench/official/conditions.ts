import { describeMachine, overloadNote } from '../machine.ts'

/** How times were measured: the load average before and after, the date, and Keyturn's commit. */
export type Conditions = { load: [number, number]; date: string; commit: string }

/** The conditions in two sentences. */
export const conditionsSentence = ({ load: [before, after], date, commit }: Conditions) =>
  `Measured on ${date} with Keyturn at ${commit}, on ${describeMachine()}. The load
average of the last minute was ${before.toFixed(1)} at the beginning and ${after.toFixed(1)} at the end${overloadNote(before, after)}.`
