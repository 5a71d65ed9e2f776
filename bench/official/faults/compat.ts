import type { Case, FaultSetup } from './faultSetup.ts'
import { countEqualStates, type HalfDone, keyOf, type RecordedState } from './halfDone.ts'
import { type Death, deathsOf, type OfficialProcesses } from './mortal.ts'
import { Subject } from './subject.ts'

/**
 * What came of all faults: the states that AWS's functions left, but for those on a MySQL that they do not know, and what
 * went wrong, a sentence each.
 */
export type CompatResult = { states: RecordedState[]; faults: number; wrong: string[] }

/**
 * Lets AWS's functions die at each of their operations, before and after it took effect, and has each state that they
 * leave rotated by Keyturn, then by AWS's functions if those can, then by Keyturn again. `known` are the states that are
 * recorded: another one is something wrong. Without them the states are looked at alone.
 */
export async function playCompat(
  { mortals, cases }: FaultSetup,
  known: HalfDone[] | undefined,
  tell: (sentence: string) => void,
): Promise<CompatResult> {
  const keys = new Set(known?.map(keyOf))
  const states: HalfDone[] = []
  const wrong: string[] = []
  for (const one of known ? cases : cases.filter(({ rotates }) => rotates)) {
    const { title } = one
    const left: HalfDone[] = []
    for (const death of deathsOf(await countOperations(mortals, one))) {
      const where = `${title}: AWS's function died ${death.when} operation ${death.at}`
      const { subject, state } = await leaveHalfDone(mortals, one, death)
      left.push(state)
      if (!known) continue
      const problems = await rotateByTurns(mortals, one, subject)
      if (!keys.has(keyOf(state))) problems.unshift(`the state is not recorded: ${keyOf(state)}`)
      wrong.push(...problems.map(problem => `${where}: ${problem}`))
    }
    tell(`${title}: ${left.length} faults, ${countEqualStates(left).length} different states`)
    if (one.rotates) states.push(...left)
  }
  return { states: countEqualStates(states), faults: states.length, wrong }
}

/** How many operations a rotation of AWS's has without a fault. @throws if it ends unlike it should */
export async function countOperations(
  mortals: OfficialProcesses,
  { setting, name, title, rotates }: Case,
): Promise<number> {
  const subject = await Subject.create(setting)
  const { operations, error } = await mortals.rotate(name, subject.secret, subject.announceRotation())
  const { lockedOut, stuck } = await subject.judge()
  const ended = !error && !lockedOut && !stuck
  if (ended !== rotates)
    throw new Error(`${title}: AWS's function ${ended ? 'rotates' : `does not rotate here: ${error}`}`)
  return operations.length
}

/** What AWS's function leaves that dies so. */
async function leaveHalfDone(
  mortals: OfficialProcesses,
  { setting, name }: Case,
  death: Death,
): Promise<{ subject: Subject; state: HalfDone }> {
  const subject = await Subject.create(setting)
  await mortals.rotate(name, subject.secret, subject.announceRotation(), death)
  return { subject, state: await subject.readState() }
}

/** @returns what went wrong, a sentence each */
async function rotateByTurns(
  mortals: OfficialProcesses,
  { name, rotates }: Case,
  subject: Subject,
): Promise<string[]> {
  const problems: string[] = []
  const official = async () => (await mortals.rotate(name, subject.secret, subject.announceRotation())).error
  const turns = {
    Keyturn: () => subject.rotate(),
    ...(rotates && { "AWS's function": official }),
    'Keyturn again': () => subject.rotate(),
  }
  for (const [who, turn] of Object.entries(turns)) {
    const error = await turn()
    const { lockedOut, stuck } = await subject.judge()
    if (error) problems.push(`${who} ended with ${error}`)
    if (lockedOut) problems.push(`current does not log in after ${who}`)
    if (stuck) problems.push(`a version is pending after ${who}`)
  }
  return problems
}
