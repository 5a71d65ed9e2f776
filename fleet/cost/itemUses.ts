import { type BilledUse, countedUse, estimatedUse, type UnplacedUse } from './bill.ts'
import type { BilledItem, BilledRotation } from './billedItems.ts'
import { MONTH_DAYS } from './month.ts'

/** What one successful rotation does, as far as it is billed. */
export type RotationWork = {
  /** Calls of the store's API. */
  calls: number
  /** Those of the calls for which KMS encrypts or decrypts. */
  kmsCalls: number
  /** State transitions. */
  transitions: number
  /** Calls of functions. */
  functions: number
}

/**
 * The work of a rotation of a secret, as `npm run bench` counts it: first of one user whose password changes, with a rehearsal;
 * then of a strategy without a rehearsal, by which the replaced user or password is closed later in the same execution.
 */
const PASSWORD_CHANGE_WORK: RotationWork = { calls: 13, kmsCalls: 9, transitions: 14, functions: 7 }
const CLOSING_WORK: RotationWork = { calls: 12, kmsCalls: 8, transitions: 10, functions: 5 }
/**
 * The calls of a rotation of a parameter, as docs/parameter-store.md has them. Each is taken to use KMS, which is the upper limit.
 */
const PARAMETER_CALL_COUNTS = { single: 44, closing: 26 }
/**
 * What a rotation does in addition for a secret with replicas: it looks at them before, waits for them twice, announces that they
 * follow, and looks again before it closes something. `calls` are made for the primary, and as many for each replica.
 */
const REPLICA_WAIT_WORK: RotationWork = { calls: 4, kmsCalls: 0, transitions: 7, functions: 4 }
/**
 * What starts a rotation: four calls of rotateSecret by Secrets Manager, or a run of the schedule. The run's work on a database
 * server is counted as if it were for one rotation.
 */
const START_WORK: Record<BilledRotation['by'], Pick<RotationWork, 'transitions' | 'functions'>> = {
  service: { transitions: 0, functions: 4 },
  tag: { transitions: 12, functions: 5 },
}

/**
 * Guesses, as these were not measured on AWS: `gbSeconds` of a call of a function; and for a rotation, the bytes of its logs, the
 * writes to the table of rotations and the bytes of its item there.
 */
export const ESTIMATES = { gbSeconds: 0.5, logBytes: 20_000, tableWrites: 4, itemBytes: 2000 } as const
const BYTES_PER_GB = 1e9
/** For how many months logs are kept by default, and items of the table of rotations. */
const RETENTION_MONTHS = { logs: 3, items: 13 }

/** The work of one rotation of this credential. */
export function rotationWorkOf({ store }: BilledItem, { closes, replicas }: BilledRotation): RotationWork {
  const own = closes ? CLOSING_WORK : PASSWORD_CHANGE_WORK
  const calls = closes ? PARAMETER_CALL_COUNTS.closing : PARAMETER_CALL_COUNTS.single
  const work = store === 'secrets-manager' ? own : { ...own, calls, kmsCalls: calls }
  if (!replicas) return work
  return {
    calls: work.calls + REPLICA_WAIT_WORK.calls * (replicas + 1),
    kmsCalls: work.kmsCalls,
    transitions: work.transitions + REPLICA_WAIT_WORK.transitions,
    functions: work.functions + REPLICA_WAIT_WORK.functions,
  }
}

const rotationsPerMonth = ({ rotation }: BilledItem): number =>
  rotation ? MONTH_DAYS / rotation.everyDays : 0

/**
 * The uses of one secret or parameter in a month.
 * @param highThroughput whether calls of standard parameters are charged as well
 */
export function usesOf(billed: BilledItem, highThroughput: boolean): BilledUse[] {
  const { arn, region, team, store } = billed
  const uses = [
    ...(store === 'secrets-manager' ? secretUses(billed) : parameterUses(billed, highThroughput)),
    ...keyUses(billed),
    ...rotationUses(billed),
  ]
  return uses.map(use => ({ ...use, region, ...(billed.isCredential && { credential: arn }), team }))
}

/** How much of one kind of work the rotations of one credential do in a month. */
function rotationWorkPerMonth(billed: BilledItem, kind: keyof RotationWork): number {
  const { rotation } = billed
  return rotation ? rotationsPerMonth(billed) * rotationWorkOf(billed, rotation)[kind] : 0
}

function secretUses(billed: BilledItem): UnplacedUse[] {
  const { isReplica, reads, readsEstimated } = billed
  return [
    countedUse('secret', 'secrets', isReplica ? 'Replicas' : 'Secrets', 1),
    countedUse('secretCalls', 'secrets', 'Reads of secrets', reads, readsEstimated),
    countedUse(
      'secretCalls',
      'rotations',
      'Calls of rotations of secrets',
      rotationWorkPerMonth(billed, 'calls'),
    ),
  ]
}

function parameterUses(billed: BilledItem, highThroughput: boolean): UnplacedUse[] {
  const { isAdvanced, reads, readsEstimated } = billed
  if (!isAdvanced && !highThroughput) return []
  return [
    countedUse('advancedParameter', 'parameters', 'Advanced parameters', isAdvanced ? 1 : 0),
    countedUse('parameterCalls', 'parameters', 'Reads of parameters', reads, readsEstimated),
    estimatedUse(
      'parameterCalls',
      'rotations',
      'Calls of rotations of parameters',
      rotationWorkPerMonth(billed, 'calls'),
    ),
  ]
}

/** The requests to KMS: one for each read, and those of rotations. The key itself is not here, as credentials may share it. */
function keyUses(billed: BilledItem): UnplacedUse[] {
  const { isEncrypted, reads, readsEstimated, store } = billed
  if (!isEncrypted) return []
  const requests = rotationWorkPerMonth(billed, 'kmsCalls')
  return [
    countedUse('keyRequests', 'keys', 'KMS requests of reads', reads, readsEstimated),
    countedUse('keyRequests', 'keys', 'KMS requests of rotations', requests, store === 'parameter-store'),
  ]
}

function rotationUses(billed: BilledItem): UnplacedUse[] {
  const { rotation } = billed
  if (!rotation) return []
  const rotations = rotationsPerMonth(billed)
  const start = START_WORK[rotation.by]
  const calls = rotationWorkPerMonth(billed, 'functions') + rotations * start.functions
  const logGigabytes = (rotations * ESTIMATES.logBytes) / BYTES_PER_GB
  const itemGigabytes = (rotations * ESTIMATES.itemBytes) / BYTES_PER_GB
  return [
    countedUse(
      'transitions',
      'rotations',
      'State transitions of rotations',
      rotationWorkPerMonth(billed, 'transitions'),
    ),
    estimatedUse(
      'transitions',
      'rotations',
      'State transitions of runs that begin rotations',
      rotations * start.transitions,
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
    estimatedUse('tableKept', 'rotations', 'Table of rotations', itemGigabytes * RETENTION_MONTHS.items),
    estimatedUse('logsIn', 'logs and alarms', 'Logs written', logGigabytes),
    estimatedUse('logsKept', 'logs and alarms', 'Logs kept', logGigabytes * RETENTION_MONTHS.logs),
    estimatedUse('traces', 'logs and alarms', 'Traces', rotations),
  ]
}
