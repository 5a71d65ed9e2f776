import { type Counted, counted, guessed, type Use } from './bill.ts'
import type { Billed, Rotation } from './billed.ts'
import { DAYS } from './month.ts'

/** What one rotation that goes well does. */
export type Work = {
  /** Of the store's API, and those among them that have KMS encrypt or decrypt. */
  calls: number
  encrypted: number
  /** States that are entered. */
  transitions: number
  /** Of functions. */
  functions: number
}

/**
 * Counted by `npm run bench` of a user whose password changes; what is closed later is done within the same execution. Where
 * nothing is, the steps after SetSecret are rehearsed, which an opaque value alone does without.
 */
const secretWork: Work = { calls: 13, encrypted: 9, transitions: 14, functions: 7 }
const closingWork: Work = { calls: 12, encrypted: 8, transitions: 10, functions: 5 }
/** As docs/parameter-store.md counts them; that each has KMS at work is the most there can be. */
const parameterCalls = { single: 44, closing: 26 }
/**
 * Where there are replicas: looked at before, awaited twice, announced, and looked at again before something is closed; and it
 * is asked once more whether there is something to rehearse.
 */
const awaiting: Work = { calls: 4, encrypted: 0, transitions: 7, functions: 4 }
/** What begins a rotation: rotateSecret, four times, or a run that takes the database server, as if for it alone. */
const beginning: Record<Rotation['by'], Pick<Work, 'transitions' | 'functions'>> = {
  service: { transitions: 0, functions: 4 },
  tag: { transitions: 12, functions: 5 },
}

/** Guesses, for which nothing is measured on AWS: GB-seconds of a call, bytes of log and items written of a rotation. */
export const guesses = { gbSeconds: 0.5, logBytes: 20_000, tableWrites: 4, itemBytes: 2000 } as const
const GB = 1e9
/** Months for which logs are kept, and items of the table of rotations. */
const KEPT = { logs: 3, items: 13 }

/** What a rotation of this credential does. */
export function workOf({ store }: Billed, { closes, replicas }: Rotation): Work {
  const own = closes ? closingWork : secretWork
  const calls = closes ? parameterCalls.closing : parameterCalls.single
  const work = store === 'secrets-manager' ? own : { ...own, calls, encrypted: calls }
  if (!replicas) return work
  return {
    calls: work.calls + awaiting.calls * (replicas + 1),
    encrypted: work.encrypted,
    transitions: work.transitions + awaiting.transitions,
    functions: work.functions + awaiting.functions,
  }
}

/** Rotations a month. */
const rotationsOf = ({ rotation }: Billed): number => (rotation ? DAYS / rotation.everyDays : 0)

/** All that one credential or other parameter costs. `highThroughput`: calls of every parameter cost something. */
export function usesOf(billed: Billed, highThroughput: boolean): Use[] {
  const { arn, region, team, store } = billed
  const uses = [
    ...(store === 'secrets-manager' ? secretUses(billed) : parameterUses(billed, highThroughput)),
    ...keyUses(billed),
    ...rotationUses(billed),
  ]
  return uses.map(use => ({ ...use, region, ...(billed.credential && { credential: arn }), team }))
}

/** Calls a month by rotations, of those that `which` counts. */
function callsOf(billed: Billed, which: keyof Work): number {
  const { rotation } = billed
  return rotation ? rotationsOf(billed) * workOf(billed, rotation)[which] : 0
}

function secretUses(billed: Billed): Counted[] {
  const { replica, reads, readsEstimated } = billed
  return [
    counted('secret', 'secrets', replica ? 'Replicas' : 'Secrets', 1),
    counted('secretCalls', 'secrets', 'Reads of secrets', reads, readsEstimated),
    counted('secretCalls', 'rotations', 'Calls of rotations of secrets', callsOf(billed, 'calls')),
  ]
}

function parameterUses(billed: Billed, highThroughput: boolean): Counted[] {
  const { advanced, reads, readsEstimated } = billed
  if (!advanced && !highThroughput) return []
  return [
    counted('advancedParameter', 'parameters', 'Advanced parameters', advanced ? 1 : 0),
    counted('parameterCalls', 'parameters', 'Reads of parameters', reads, readsEstimated),
    guessed('parameterCalls', 'rotations', 'Calls of rotations of parameters', callsOf(billed, 'calls')),
  ]
}

/** A read has KMS decrypt; the key itself is shared. */
function keyUses(billed: Billed): Counted[] {
  const { encrypted, reads, readsEstimated, store } = billed
  if (!encrypted) return []
  const requests = callsOf(billed, 'encrypted')
  return [
    counted('keyRequests', 'keys', 'KMS requests of reads', reads, readsEstimated),
    counted('keyRequests', 'keys', 'KMS requests of rotations', requests, store === 'parameter-store'),
  ]
}

function rotationUses(billed: Billed): Counted[] {
  const { rotation } = billed
  if (!rotation) return []
  const rotations = rotationsOf(billed)
  const begun = beginning[rotation.by]
  const calls = callsOf(billed, 'functions') + rotations * begun.functions
  const [logged, items] = [(rotations * guesses.logBytes) / GB, (rotations * guesses.itemBytes) / GB]
  return [
    counted('transitions', 'rotations', 'State transitions of rotations', callsOf(billed, 'transitions')),
    guessed(
      'transitions',
      'rotations',
      'State transitions of runs that begin rotations',
      rotations * begun.transitions,
    ),
    guessed('functionCalls', 'rotations', 'Calls of functions', calls),
    guessed('functionTime', 'rotations', 'Time of functions', calls * guesses.gbSeconds),
    guessed('events', 'rotations', 'Events', rotations),
    guessed('tableWrites', 'rotations', 'Writes to the table of rotations', rotations * guesses.tableWrites),
    guessed('tableKept', 'rotations', 'Table of rotations', items * KEPT.items),
    guessed('logsIn', 'logs and alarms', 'Logs written', logged),
    guessed('logsKept', 'logs and alarms', 'Logs kept', logged * KEPT.logs),
    guessed('traces', 'logs and alarms', 'Traces', rotations),
  ]
}
