import { machine, overload } from '../machine.ts'

/** Under which times were taken. `load` is the machine's load average, before and after. */
export type Conditions = { load: [number, number]; date: string; commit: string }

export const measuredUnder = ({ load: [before, after], date, commit }: Conditions) =>
  `Measured on ${date} with Keyturn at ${commit}, on ${machine()}. The load
average of the last minute was ${before.toFixed(1)} at the begin and ${after.toFixed(1)} at the end${overload(before, after)}.`
