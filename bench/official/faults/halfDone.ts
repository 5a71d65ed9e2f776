import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import type { Database } from './databases.ts'

/**
 * The state before a rotation. `first`: there was no rotation before, so there is no clone. `settled`: there was one, and current
 * is the user. `on the clone`: there was one, and current is the clone.
 */
export type Start = 'first' | 'settled' | 'on the clone'

/** The values of a secret: the previous and the current one when the rotation began, and the one that the rotation made. */
export const VALUE_NAMES = ['before', 'current', 'new'] as const
/** One of these values. */
export type ValueName = (typeof VALUE_NAMES)[number]

/** The state in which AWS's function left a secret and its users: everything in which two states can differ, without values. */
export type HalfDone = {
  engine: Database['engine']
  strategy: 'single-user' | 'alternating-users'
  start: Start
  /** The staging labels of each version that has one. */
  labels: Partial<Record<ValueName, string[]>>
  /** Set if the new version exists and has no value. */
  valueless?: true
  /** The value that has the user's password. Unset if none has it. */
  user?: ValueName
  /** If there is a clone: the value that has its password, and how many of its user's grants it has. */
  clone?: { password?: ValueName; may: 'nothing' | 'part' | 'all' }
}

/** A state, and after how many of all faults it was found. */
export type RecordedState = HalfDone & { faults: number }

/** The file of recorded states. */
const file = new URL('../../../test/compatibility/official/states.json', import.meta.url)

/** Reads the recorded states, and the commit of AWS's code that left them. */
export const readRecordedStates = (): { commit: string; states: RecordedState[] } =>
  JSON.parse(readFileSync(file, 'utf8'))

/** Records states, each on a line of the file. */
export async function writeRecordedStates(commit: string, states: RecordedState[]): Promise<void> {
  const lines = states.map(state => `    ${JSON.stringify(state)}`).join(',\n')
  await writeFile(file, `{\n  "commit": "${commit}",\n  "states": [\n${lines}\n  ]\n}\n`)
}

/** A text that is the same for equal states only. */
export function keyOf({ engine, strategy, start, labels, valueless, user, clone }: HalfDone): string {
  const ordered = VALUE_NAMES.flatMap(value =>
    labels[value]?.length ? [[value, labels[value].toSorted()]] : [],
  )
  return JSON.stringify([
    engine,
    strategy,
    start,
    ordered,
    valueless ?? false,
    user ?? null,
    clone ? [clone.password ?? null, clone.may] : null,
  ])
}

/** The different states, each with how often it is in the list, in the order of their first places. */
export function countEqualStates(states: HalfDone[]): RecordedState[] {
  const groups = Map.groupBy(states, keyOf)
  return [...groups.values()].flatMap(([state, ...others]) =>
    state ? [{ ...state, faults: others.length + 1 }] : [],
  )
}
