import { type BilledUse, countedUse, estimatedUse, type UnplacedUse } from './bill.ts'
import type { BilledItem, BilledRotation } from './billedItems.ts'
import { MONTH_DAYS } from './month.ts'

/** What one rotation that goes well does. */
export type RotationWork = {
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
const PASSWORD_CHANGE_WORK: RotationWork = { calls: 13, encrypted: 9, transitions: 14, functions: 7 }
const CLOSING_WORK: RotationWork = { calls: 12, encrypted: 8, transitions: 10, functions: 5 }
/** As docs/parameter-store.md counts them; that each has KMS at work is the most there can be. */
const PARAMETER_CALL_COUNTS = { single: 44, closing: 26 }
/**
 * Where there are replicas: looked at before, awaited twice, announced, and looked at again before something is closed; and it
 * is asked once more whether there is something to rehearse.
 */
const REPLICA_WAIT_WORK: RotationWork = { calls: 4, encrypted: 0, transitions: 7, functions: 4 }
/** What begins a rotation: rotateSecret, four times, or a run that takes the database server, as if for it alone. */
const START_WORK: Record<BilledRotation['by'], Pick<RotationWork, 'transitions' | 'functions'>> = {
  service: { transitions: 0, functions: 4 },
  tag: { transitions: 12, functions: 5 },
}

/** Guesses, for which nothing is measured on AWS: GB-seconds of a call, bytes of log and items written of a rotation. */
export const ESTIMATES = { gbSeconds: 0.5, logBytes: 20_000, tableWrites: 4, itemBytes: 2000 } as const
const BYTES_PER_GB = 1e9
/** Months for which logs are kept, and items of the table of rotations. */
const RETENTION_MONTHS = { logs: 3, items: 13 }

/** What a rotation of this credential does. */
export function rotationWorkOf({ store }: BilledItem, { closes, replicas }: BilledRotation): RotationWork {
  const own = closes ? CLOSING_WORK : PASSWORD_CHANGE_WORK
  const calls = closes ? PARAMETER_CALL_COUNTS.closing : PARAMETER_CALL_COUNTS.single
  const work = store === 'secrets-manager' ? own : { ...own, calls, encrypted: calls }
  if (!replicas) return work
  return {
    calls: work.calls + REPLICA_WAIT_WORK.calls * (replicas + 1),
    encrypted: work.encrypted,
    transitions: work.transitions + REPLICA_WAIT_WORK.transitions,
    functions: work.functions + REPLICA_WAIT_WORK.functions,
  }
}

/** Rotations a month. */
const rotationsPerMonth = ({ rotation }: BilledItem): number =>
  rotation ? MONTH_DAYS / rotation.everyDays : 0

/** All that one credential or other parameter costs. `highThroughput`: calls of every parameter cost something. */
export function usesOf(billed: BilledItem, highThroughput: boolean): BilledUse[] {
  const { arn, region, team, store } = billed
  const uses = [
    ...(store === 'secrets-manager' ? secretUses(billed) : parameterUses(billed, highThroughput)),
    ...keyUses(billed),
    ...rotationUses(billed),
  ]
  return uses.map(use => ({ ...use, region, ...(billed.isCredential && { credential: arn }), team }))
}

/** Calls a month by rotations, of those that `which` counts. */
function rotationCallsPerMonth(billed: BilledItem, which: keyof RotationWork): number {
  const { rotation } = billed
  return rotation ? rotationsPerMonth(billed) * rotationWorkOf(billed, rotation)[which] : 0
}

function secretUses(billed: BilledItem): UnplacedUse[] {
  const { replica, reads, readsEstimated } = billed
  return [
    countedUse('secret', 'secrets', replica ? 'Replicas' : 'Secrets', 1),
    countedUse('secretCalls', 'secrets', 'Reads of secrets', reads, readsEstimated),
    countedUse(
      'secretCalls',
      'rotations',
      'Calls of rotations of secrets',
      rotationCallsPerMonth(billed, 'calls'),
    ),
  ]
}

function parameterUses(billed: BilledItem, highThroughput: boolean): UnplacedUse[] {
  const { advanced, reads, readsEstimated } = billed
  if (!advanced && !highThroughput) return []
  return [
    countedUse('advancedParameter', 'parameters', 'Advanced parameters', advanced ? 1 : 0),
    countedUse('parameterCalls', 'parameters', 'Reads of parameters', reads, readsEstimated),
    estimatedUse(
      'parameterCalls',
      'rotations',
      'Calls of rotations of parameters',
      rotationCallsPerMonth(billed, 'calls'),
    ),
  ]
}

/** A read has KMS decrypt; the key itself is shared. */
function keyUses(billed: BilledItem): UnplacedUse[] {
  const { encrypted, reads, readsEstimated, store } = billed
  if (!encrypted) return []
  const requests = rotationCallsPerMonth(billed, 'encrypted')
  return [
    countedUse('keyRequests', 'keys', 'KMS requests of reads', reads, readsEstimated),
    countedUse('keyRequests', 'keys', 'KMS requests of rotations', requests, store === 'parameter-store'),
  ]
}

function rotationUses(billed: BilledItem): UnplacedUse[] {
  const { rotation } = billed
  if (!rotation) return []
  const rotations = rotationsPerMonth(billed)
  const begun = START_WORK[rotation.by]
  const calls = rotationCallsPerMonth(billed, 'functions') + rotations * begun.functions
  const [logged, items] = [
    (rotations * ESTIMATES.logBytes) / BYTES_PER_GB,
    (rotations * ESTIMATES.itemBytes) / BYTES_PER_GB,
  ]
  return [
    countedUse(
      'transitions',
      'rotations',
      'State transitions of rotations',
      rotationCallsPerMonth(billed, 'transitions'),
    ),
    estimatedUse(
      'transitions',
      'rotations',
      'State transitions of runs that begin rotations',
      rotations * begun.transitions,
    ),
    estimatedUse('functionCalls', 'rotations', 'Calls of functions', calls),
    estimatedUse('functionTime', 'rotations', 'Time of functions', calls * ESTIMATES.gbSeconds),
    estimatedUse('events', 'rotations', 'Events', rotations),
    estimatedUse(
      'tableWrites',
      'rotations',
      'Writes to the table of rotations',
      rotations * ESTIMATES.tableWrites,
    ),
    estimatedUse('tableKept', 'rotations', 'Table of rotations', items * RETENTION_MONTHS.items),
    estimatedUse('logsIn', 'logs and alarms', 'Logs written', logged),
    estimatedUse('logsKept', 'logs and alarms', 'Logs kept', logged * RETENTION_MONTHS.logs),
    estimatedUse('traces', 'logs and alarms', 'Traces', rotations),
  ]
}
