import type { Case, Ground } from './ground.ts'
import { counted, type HalfDone, keyOf, type Recorded } from './halfDone.ts'
import { type Death, deathsOf, type Mortals } from './mortal.ts'
import { Subject } from './subject.ts'

/** What came of all faults: the states that AWS's functions left, and what went wrong, a sentence each. */
export type Compat = { states: Recorded[]; faults: number; wrong: string[] }

/**
 * Lets AWS's functions die at each of their operations, before and after it took effect, and has each state that they
 * leave rotated by Keyturn, then by AWS's functions, then by Keyturn again. `known` are the states that are recorded: another
 * one is something wrong. Without them the states are looked at alone.
 */
export async function playCompat(
  { mortals, cases }: Ground,
  known: HalfDone[] | undefined,
  tell: (sentence: string) => void,
): Promise<Compat> {
  const keys = new Set(known?.map(keyOf))
  const states: HalfDone[] = []
  const wrong: string[] = []
  for (const one of cases) {
    const { title } = one
    const before = states.length
    for (const death of deathsOf(await operationsOf(mortals, one))) {
      const where = `${title}: AWS's function died ${death.when} operation ${death.at}`
      const { subject, state } = await leave(mortals, one, death)
      states.push(state)
      if (!known) continue
      const problems = await takeTurns(mortals, one, subject)
      if (!keys.has(keyOf(state))) problems.unshift(`the state is not recorded: ${keyOf(state)}`)
      wrong.push(...problems.map(problem => `${where}: ${problem}`))
    }
    tell(
      `${title}: ${states.length - before} faults, ${counted(states.slice(before)).length} different states`,
    )
  }
  return { states: counted(states), faults: states.length, wrong }
}

/** How many operations a rotation of AWS's has that goes well. @throws if it does not go well */
export async function operationsOf(mortals: Mortals, { setting, name, title }: Case): Promise<number> {
  const subject = await Subject.set(setting)
  const { operations, error } = await mortals.rotate(name, subject.secret, subject.begin())
  const { lockedOut, stuck } = await subject.judge()
  if (error || lockedOut || stuck) throw new Error(`${title}: AWS's function does not rotate here: ${error}`)
  return operations.length
}

/** What AWS's function leaves that dies so. */
async function leave(
  mortals: Mortals,
  { setting, name }: Case,
  death: Death,
): Promise<{ subject: Subject; state: HalfDone }> {
  const subject = await Subject.set(setting)
  await mortals.rotate(name, subject.secret, subject.begin(), death)
  return { subject, state: await subject.look() }
}

/** @returns what went wrong, a sentence each */
async function takeTurns(mortals: Mortals, { name }: Case, subject: Subject): Promise<string[]> {
  const problems: string[] = []
  const turns = {
    Keyturn: () => subject.rotate(),
    "AWS's function": async () => (await mortals.rotate(name, subject.secret, subject.begin())).error,
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
