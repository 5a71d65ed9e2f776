import { say } from '../../../local/say.ts'
import type { OfficialPython } from '../host.ts'
import type { OfficialSource } from '../source.ts'
import { playCompat } from './compat.ts'
import { type FaultSetup, withFaultSetup } from './faultSetup.ts'
import { faultsSection, playFaults } from './faults.ts'
import { readRecordedStates, writeRecordedStates } from './halfDone.ts'

/** The results of the parts `faults` and `compat`. */
type FaultResults = {
  /** The section of RESULTS.md on `faults`, if that part was wanted. */
  section?: string
  /** False if something went wrong in `compat`; true if that part was not wanted. */
  compatible: boolean
}

/**
 * Runs one of these parts or both.
 * @param wanted the parts
 * @param recordStates whether the part `compat` only writes the states that AWS's functions leave into
 *   test/compatibility/official/states.json, from which tests read them, and checks nothing
 */
export const playFaultParts = (
  source: OfficialSource,
  python: OfficialPython,
  wanted: readonly string[],
  recordStates: boolean,
): Promise<FaultResults> =>
  withFaultSetup(source, python, async setup => {
    const compatible = !wanted.includes('compat') || (await isCompatible(setup, source.commit, recordStates))
    if (!wanted.includes('faults')) return { compatible }
    say(
      'faults: for each operation, one rotation in which the function dies there and is not started again ...',
    )
    return { compatible, section: faultsSection(await playFaults(setup, say)) }
  })

/** Runs the part `compat`. @returns whether nothing went wrong */
async function isCompatible(setup: FaultSetup, commit: string, recordStates: boolean): Promise<boolean> {
  say(
    recordStates
      ? "compat: the states that AWS's functions leave half done are recorded ..."
      : "compat: each state that AWS's functions leave half done is rotated by Keyturn, by AWS's function, and by Keyturn again ...",
  )
  const knownStates = recordStates ? undefined : readRecordedStates().states
  const { states, faults, wrong } = await playCompat(setup, knownStates, say)
  say(`${faults} faults left ${states.length} different states; ${wrong.length} times something went wrong.`)
  for (const sentence of wrong) console.error(sentence)
  if (recordStates) await writeRecordedStates(commit, states)
  return !wrong.length
}
