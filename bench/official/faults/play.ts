import { say } from '../../../local/say.ts'
import type { OfficialPython } from '../host.ts'
import type { OfficialSource } from '../source.ts'
import { playCompat } from './compat.ts'
import { type FaultSetup, withFaultSetup } from './faultSetup.ts'
import { faultsSection, playFaults } from './faults.ts'
import { readRecordedStates, writeRecordedStates } from './halfDone.ts'

/** The results of the parts `faults` and `compat`: the section of RESULTS.md, and whether nothing went wrong in `compat`. */
type FaultResults = { section?: string; compatible: boolean }

/**
 * Plays one of these parts or both.
 * @param wanted the parts
 * @param keep with it the part `compat` only records the states that AWS's functions leave, for the tests
 */
export const playFaultParts = (
  source: OfficialSource,
  python: OfficialPython,
  wanted: readonly string[],
  keep: boolean,
): Promise<FaultResults> =>
  withFaultSetup(source, python, async setup => {
    const compatible = !wanted.includes('compat') || (await isCompatible(setup, source.commit, keep))
    if (!wanted.includes('faults')) return { compatible }
    say("faults: AWS's functions and Keyturn's die once for good, at each of their operations ...")
    return { compatible, section: faultsSection(await playFaults(setup, say)) }
  })

/** Plays the part `compat`. @returns whether nothing went wrong */
async function isCompatible(setup: FaultSetup, commit: string, keep: boolean): Promise<boolean> {
  const done = keep ? 'written down' : "rotated by Keyturn, by AWS's, and by Keyturn again"
  say(`compat: what AWS's functions leave half done is ${done} ...`)
  const { states, faults, wrong } = await playCompat(
    setup,
    keep ? undefined : readRecordedStates().states,
    say,
  )
  say(`${faults} faults left ${states.length} different states; ${wrong.length} times something went wrong.`)
  for (const sentence of wrong) console.error(sentence)
  if (keep) await writeRecordedStates(commit, states)
  return !wrong.length
}
