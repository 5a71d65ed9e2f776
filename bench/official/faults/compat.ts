import type { Ground, Variant } from './ground.ts'
import { counted, type HalfDone, keyOf, type Recorded } from './halfDone.ts'
import { type Death, deathsOf, type Mortals } from './mortal.ts'
import { Scene } from './scene.ts'

/** What came of all faults: the states that AWS's functions left, and what went wrong, a sentence each. */
export type Compat = { states: Recorded[]; faults: number; wrong: string[] }

/**
 * Lets AWS's functions die at each of their operations, before and after it took effect, and has each state that they
 * leave rotated by Keyturn, then by AWS's functions, then by Keyturn again. `known` are the states that are recorded: another
 * one is something wrong. Without them the states are looked at alone.
 */
export async function playCompat(
  { mortals, variants }: Ground,
  known: HalfDone[] | undefined,
  tell: (sentence: string) => void,
): Promise<Compat> {
  const keys = new Set(known?.map(keyOf))
  const states: HalfDone[] = []
  const wrong: string[] = []
  for (const variant of variants) {
    const { title } = variant
    const before = states.length
    for (const death of deathsOf(await operationsOf(mortals, variant))) {
      const where = `${title}: AWS's function died ${death.when} operation ${death.at}`
      const { scene, state } = await leave(mortals, variant, death)
      states.push(state)
      if (!known) continue
      const problems = await takeTurns(mortals, variant, scene)
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
export async function operationsOf(mortals: Mortals, { setting, name, title }: Variant): Promise<number> {
  const scene = await Scene.set(setting)
  const { operations, error } = await mortals.rotate(name, scene.secret, scene.begin())
  const { lockedOut, stuck } = await scene.judge()
  if (error || lockedOut || stuck) throw new Error(`${title}: AWS's function does not rotate here: ${error}`)
  return operations.length
}

/** What AWS's function leaves that dies so. */
async function leave(
  mortals: Mortals,
  { setting, name }: Variant,
  death: Death,
): Promise<{ scene: Scene; state: HalfDone }> {
  const scene = await Scene.set(setting)
  await mortals.rotate(name, scene.secret, scene.begin(), death)
  return { scene, state: await scene.look() }
}

/** @returns what went wrong, a sentence each */
async function takeTurns(mortals: Mortals, { name }: Variant, scene: Scene): Promise<string[]> {
  const problems: string[] = []
  const turns = {
    Keyturn: () => scene.rotate(),
    "AWS's function": async () => (await mortals.rotate(name, scene.secret, scene.begin())).error,
    'Keyturn again': () => scene.rotate(),
  }
  for (const [who, turn] of Object.entries(turns)) {
    const error = await turn()
    const { lockedOut, stuck } = await scene.judge()
    if (error) problems.push(`${who} ended with ${error}`)
    if (lockedOut) problems.push(`current does not log in after ${who}`)
    if (stuck) problems.push(`a version is pending after ${who}`)
  }
  return problems
}
