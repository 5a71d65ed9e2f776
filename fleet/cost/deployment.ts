import { HOUR_MS } from '../../rotation/timeUnits.ts'
import type { Facts } from '../audit/facts.ts'
import { scheduleIntervalMs } from '../scheduleInterval.ts'
import { type BilledUse, countedUse, estimatedUse, type UnplacedUse } from './bill.ts'
import { ESTIMATES } from './itemUses.ts'
import { MONTH_HOURS } from './month.ts'

/** How many resources of a stack are billed by the month. A test compares the numbers with resources/. */
export const STACK_RESOURCE_COUNTS = { alarms: 5, dashboards: 1, keys: 1, polledQueues: 3 } as const

/** State transitions and calls of functions of a run in which nothing is due, as docs/schedules.md has them. */
const IDLE_RUN_WORK = { transitions: 4, functions: 1 }
const MONTH_MS = MONTH_HOURS * HOUR_MS
/** How many requests Lambda makes a month to poll one queue. docs/alerts.md has those for two queues. */
const POLLS_PER_QUEUE_COUNT = 650_000
/** How much log a run writes; a guess. */
const RUN_LOG_BYTES = 5000
/** How many metrics a stack writes, and how many more for each pair of an engine and a strategy with which it rotates. */
const METRIC_COUNTS = { stack: 2, pair: 2 }
/** How many secrets a page of ListSecrets has. */
const SECRETS_PER_PAGE = 100

/** The uses of each stack that do not depend on its rotations: its runs, alarms, metrics and queues. */
export const deploymentUses = (facts: Facts): BilledUse[] =>
  regionsWithStack(facts).flatMap(region =>
    [...runUses(facts, region), ...watchUses(facts, region)].map(use => ({ ...use, region })),
  )

/** The Regions that are known to have a stack. */
export const regionsWithStack = (facts: Facts): string[] =>
  Object.entries(facts.regions).flatMap(([region, { stack }]) => ('is' in stack && stack.is ? [region] : []))

/** The schedule of the runs of a stack, such as `rate(15 minutes)`, which is the default where it is not known. */
export function dueScheduleOf(facts: Facts, region: string): string {
  const stack = facts.regions[region]?.stack
  return (stack && 'is' in stack && stack.is?.dueSchedule) || 'rate(15 minutes)'
}

/** What the runs of a month use when nothing is due. */
function runUses(facts: Facts, region: string): UnplacedUse[] {
  const runs = MONTH_MS / scheduleIntervalMs(dueScheduleOf(facts, region))
  const secrets = facts.credentials.filter(
    credential => credential.store === 'secrets-manager' && credential.region === region,
  )
  const pages = Math.ceil(secrets.length / SECRETS_PER_PAGE)
  const calls = runs * IDLE_RUN_WORK.functions
  return [
    countedUse('transitions', 'rotations', 'State transitions of runs', runs * IDLE_RUN_WORK.transitions),
    countedUse('secretCalls', 'rotations', 'Lists of secrets by runs', runs * pages),
    countedUse('schedules', 'rotations', 'Starts of runs', runs),
    estimatedUse('functionCalls', 'rotations', 'Calls of functions', calls),
    estimatedUse('functionTime', 'rotations', 'Time of functions', calls * ESTIMATES.gbSeconds),
    estimatedUse('logsIn', 'logs and alarms', 'Logs written', (runs * RUN_LOG_BYTES) / 1e9),
    estimatedUse('traces', 'logs and alarms', 'Traces', runs),
  ]
}

/** What a stack's alarms, metrics and queues use in a month. */
function watchUses(facts: Facts, region: string): UnplacedUse[] {
  const metrics = METRIC_COUNTS.stack + METRIC_COUNTS.pair * countEngineStrategyPairs(facts, region)
  return [
    countedUse('alarm', 'logs and alarms', 'Alarms', STACK_RESOURCE_COUNTS.alarms),
    countedUse('dashboard', 'logs and alarms', 'Dashboard', STACK_RESOURCE_COUNTS.dashboards),
    countedUse('key', 'keys', "Key of the alarms' topic", STACK_RESOURCE_COUNTS.keys),
    estimatedUse('metric', 'logs and alarms', 'Metrics', metrics),
    estimatedUse(
      'queueRequests',
      'logs and alarms',
      'Looks into queues',
      STACK_RESOURCE_COUNTS.polledQueues * POLLS_PER_QUEUE_COUNT,
    ),
  ]
}

/** How many pairs of an engine and a strategy have rotated in a Region. */
function countEngineStrategyPairs({ credentials }: Facts, region: string): number {
  const pairs = credentials
    .filter(credential => credential.region === region)
    .flatMap(({ history }) => ('is' in history ? history.is.rotations : []))
    .map(({ engine, strategy }) => JSON.stringify([engine, strategy]))
  return new Set(pairs).size
}
