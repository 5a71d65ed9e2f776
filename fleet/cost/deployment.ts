import type { Facts } from '../audit/facts.ts'
import { scheduleIntervalMs } from '../scheduleInterval.ts'
import { type BilledUse, countedUse, estimatedUse, type UnplacedUse } from './bill.ts'
import { ESTIMATES } from './itemUses.ts'
import { MONTH_HOURS } from './month.ts'

/** What a stack is made of and has to be paid for every month; a test compares it with resources/. */
export const STACK_RESOURCE_COUNTS = { alarms: 5, dashboards: 1, keys: 1, polledQueues: 3 } as const

/** What a run in which nothing is due does: docs/schedules.md. */
const IDLE_RUN_WORK = { transitions: 4, functions: 1 }
const MONTH_MS = MONTH_HOURS * 3_600_000
/** Requests by which Lambda asks one queue whether there is a message: docs/alerts.md. */
const POLLS_PER_QUEUE_COUNT = 650_000
/** A guess: bytes of log of a run. */
const RUN_LOG_BYTES = 5000
/** Metrics of a stack, and of each engine with each strategy. A metric that nothing is written to costs nothing. */
const METRIC_COUNTS = { stack: 2, pair: 2 }
/** Secrets on a page of ListSecrets. */
const SECRETS_PER_PAGE = 100

/** What a stack costs, whatever it rotates, in each Region that has one. */
export const deploymentUses = (facts: Facts): BilledUse[] =>
  regionsWithStack(facts).flatMap(region =>
    [...runUses(facts, region), ...watchUses(facts, region)].map(use => ({ ...use, region })),
  )

/** The Regions that are known to have a stack. */
export const regionsWithStack = (facts: Facts): string[] =>
  Object.entries(facts.regions).flatMap(([region, { stack }]) => ('is' in stack && stack.is ? [region] : []))

/** How often a stack looks what is due, as its schedule says. */
export function dueScheduleOf(facts: Facts, region: string): string {
  const stack = facts.regions[region]?.stack
  return (stack && 'is' in stack && stack.is?.dueSchedule) || 'rate(15 minutes)'
}

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

/** How many engines with how many strategies have rotated there. */
function countEngineStrategyPairs({ credentials }: Facts, region: string): number {
  const pairs = credentials
    .filter(credential => credential.region === region)
    .flatMap(({ history }) => ('is' in history ? history.is.rotations : []))
    .map(({ engine, strategy }) => JSON.stringify([engine, strategy]))
  return new Set(pairs).size
}
