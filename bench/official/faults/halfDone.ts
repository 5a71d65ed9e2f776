import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import type { Database } from './databases.ts'

/**
 * `first`: no rotation went before, so there is no clone. `settled`: at least one did, and current is the user's. `on the
 * clone`: likewise, and current is the clone's.
 */
export type Start = 'first' | 'settled' | 'on the clone'

/** The stored values of a secret: its previous and its current one when the rotation began, and the one that it made. */
export const VALUE_NAMES = ['before', 'current', 'new'] as const
export type ValueName = (typeof VALUE_NAMES)[number]

/** How a rotation of AWS's left a secret and its users: all by which two states can differ, and no value. */
export type HalfDone = {
  engine: Database['engine']
  strategy: 'single-user' | 'alternating-users'
  start: Start
  /** The labels of each version that has any. */
  labels: Partial<Record<ValueName, string[]>>
  /** The new version has been announced and has no value. */
  valueless?: true
  /** Which stored value the user's password is; unset if it is none of them. */
  user?: ValueName
  /** The same of the clone, if there is one, and how much of what its user may it may. */
  clone?: { password?: ValueName; may: 'nothing' | 'part' | 'all' }
}

/** A state, and in how many of all faults AWS's functions leave it. */
export type RecordedState = HalfDone & { faults: number }

const file = new URL('../../../test/compatibility/official/states.json', import.meta.url)

/** The states that were recorded, and of which commit of AWS's code. */
export const readRecordedStates = (): { commit: string; states: RecordedState[] } =>
  JSON.parse(readFileSync(file, 'utf8'))

/** Writes the states down, one a line. */
export async function writeRecordedStates(commit: string, states: RecordedState[]): Promise<void> {
  const lines = states.map(state => `    ${JSON.stringify(state)}`).join(',\n')
  await writeFile(file, `{\n  "commit": "${commit}",\n  "states": [\n${lines}\n  ]\n}\n`)
}

/** The same text for equal states. */
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

/** Equal states as one, each with how many there were, in the order in which they came first. */
export function countEqualStates(states: HalfDone[]): RecordedState[] {
  const groups = Map.groupBy(states, keyOf)
  return [...groups.values()].flatMap(([state, ...others]) =>
    state ? [{ ...state, faults: others.length + 1 }] : [],
  )
}
