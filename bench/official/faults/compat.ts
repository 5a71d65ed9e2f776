import type { Case, FaultSetup } from './faultSetup.ts'
import { countEqualStates, type HalfDone, keyOf, type RecordedState } from './halfDone.ts'
import { type Death, deathsOf, type OfficialProcesses } from './mortal.ts'
import { Subject } from './subject.ts'

/**
 * The result: the states in which AWS's functions left secrets, without those on a MySQL that the functions do not know; how many
 * faults that took; and a sentence for each thing that went wrong.
 */
export type CompatResult = { states: RecordedState[]; faults: number; wrong: string[] }

/**
 * Has AWS's functions die at each of their operations, before and after it took effect. Each state that they leave is then rotated
 * by Keyturn, by AWS's functions if they can, and by Keyturn again.
 * @param known the recorded states; any other state counts as something wrong. Without it the states are only read.
 * @param tell called with a sentence about each case
 */
export async function playCompat(
  { killableProcesses, cases }: FaultSetup,
  known: HalfDone[] | undefined,
  tell: (sentence: string) => void,
): Promise<CompatResult> {
  const keys = new Set(known?.map(keyOf))
  const states: HalfDone[] = []
  const wrong: string[] = []
  for (const testCase of known ? cases : cases.filter(({ rotates }) => rotates)) {
    const { title } = testCase
    const statesLeft: HalfDone[] = []
    for (const death of deathsOf(await countOperations(killableProcesses, testCase))) {
      const fault = `${title}: AWS's function died ${death.when} operation ${death.at}`
      const { subject, state } = await leaveHalfDone(killableProcesses, testCase, death)
      statesLeft.push(state)
      if (!known) continue
      const problems = await rotateByTurns(killableProcesses, testCase, subject)
      if (!keys.has(keyOf(state))) problems.unshift(`the state is not recorded: ${keyOf(state)}`)
      wrong.push(...problems.map(problem => `${fault}: ${problem}`))
    }
    tell(`${title}: ${statesLeft.length} faults, ${countEqualStates(statesLeft).length} different states`)
    if (testCase.rotates) states.push(...statesLeft)
  }
  return { states: countEqualStates(states), faults: states.length, wrong }
}

/** How many operations a rotation by AWS's function has without a fault. @throws Error if it does not end as the case says */
export async function countOperations(
  killableProcesses: OfficialProcesses,
  { setting, name, title, rotates }: Case,
): Promise<number> {
  const subject = await Subject.create(setting)
  const { operations, error } = await killableProcesses.rotate(
    name,
    subject.secret,
    subject.announceRotation(),
  )
  const { lockedOut, stuck } = await subject.judge()
  const succeeded = !error && !lockedOut && !stuck
  if (succeeded !== rotates)
    throw new Error(`${title}: AWS's function ${succeeded ? 'rotates' : `does not rotate here: ${error}`}`)
  return operations.length
}

/** Rotates a new secret by AWS's function, which dies. @returns the secret and its state */
async function leaveHalfDone(
  killableProcesses: OfficialProcesses,
  { setting, name }: Case,
  death: Death,
): Promise<{ subject: Subject; state: HalfDone }> {
  const subject = await Subject.create(setting)
  await killableProcesses.rotate(name, subject.secret, subject.announceRotation(), death)
  return { subject, state: await subject.readState() }
}

/** Rotates a secret by Keyturn, by AWS's function if it can, and by Keyturn again. @returns a sentence for each problem */
async function rotateByTurns(
  killableProcesses: OfficialProcesses,
  { name, rotates }: Case,
  subject: Subject,
): Promise<string[]> {
  const problems: string[] = []
  const official = async () =>
    (await killableProcesses.rotate(name, subject.secret, subject.announceRotation())).error
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
