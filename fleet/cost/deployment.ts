import type { Facts } from '../audit/facts.ts'
import { intervalOf } from '../interval.ts'
import { type Counted, counted, guessed, type Use } from './bill.ts'
import { MONTH } from './month.ts'
import { guesses } from './perCredential.ts'

/** What a stack is made of and has to be paid for every month; a test compares it with resources/. */
export const deployed = { alarms: 5, dashboards: 1, keys: 1, polledQueues: 3 } as const

/** What a run in which nothing is due does: docs/schedules.md. */
const RUN = { transitions: 4, functions: 1 }
const MILLISECONDS = MONTH * 3_600_000
/** Requests by which Lambda asks one queue whether there is a message: docs/alerts.md. */
const POLLS = 650_000
/** A guess: bytes of log of a run. */
const RUN_BYTES = 5000
/** Metrics of a stack, and of each engine with each strategy. A metric that nothing is written to costs nothing. */
const METRICS = { stack: 2, pair: 2 }
/** Secrets on a page of ListSecrets. */
const PAGE = 100

/** What a stack costs, whatever it rotates, in each Region that has one. */
export const deploymentUses = (facts: Facts): Use[] =>
  stackRegions(facts).flatMap(region =>
    [...runUses(facts, region), ...watchUses(facts, region)].map(use => ({ ...use, region })),
  )

/** The Regions that are known to have a stack. */
export const stackRegions = (facts: Facts): string[] =>
  Object.entries(facts.regions).flatMap(([region, { stack }]) => ('is' in stack && stack.is ? [region] : []))

/** How often a stack looks what is due, as its schedule says. */
export function scheduleOf(facts: Facts, region: string): string {
  const stack = facts.regions[region]?.stack
  return (stack && 'is' in stack && stack.is?.dueSchedule) || 'rate(15 minutes)'
}

function runUses(facts: Facts, region: string): Counted[] {
  const runs = MILLISECONDS / intervalOf(scheduleOf(facts, region))
  const secrets = facts.credentials.filter(
    credential => credential.store === 'secrets-manager' && credential.region === region,
  )
  const pages = Math.ceil(secrets.length / PAGE)
  const calls = runs * RUN.functions
  return [
    counted('transitions', 'rotations', 'State transitions of runs', runs * RUN.transitions),
    counted('secretCalls', 'rotations', 'Lists of secrets by runs', runs * pages),
    counted('schedules', 'rotations', 'Starts of runs', runs),
    guessed('functionCalls', 'rotations', 'Calls of functions', calls),
    guessed('functionTime', 'rotations', 'Time of functions', calls * guesses.gbSeconds),
    guessed('logsIn', 'logs and alarms', 'Logs written', (runs * RUN_BYTES) / 1e9),
    guessed('traces', 'logs and alarms', 'Traces', runs),
  ]
}

function watchUses(facts: Facts, region: string): Counted[] {
  const metrics = METRICS.stack + METRICS.pair * pairsOf(facts, region)
  return [
    counted('alarm', 'logs and alarms', 'Alarms', deployed.alarms),
    counted('dashboard', 'logs and alarms', 'Dashboard', deployed.dashboards),
    counted('key', 'keys', "Key of the alarms' topic", deployed.keys),
    guessed('metric', 'logs and alarms', 'Metrics', metrics),
    guessed('queueRequests', 'logs and alarms', 'Looks into queues', deployed.polledQueues * POLLS),
  ]
}

/** How many engines with how many strategies have rotated there. */
function pairsOf({ credentials }: Facts, region: string): number {
  const pairs = credentials
    .filter(credential => credential.region === region)
    .flatMap(({ history }) => ('is' in history ? history.is.rotations : []))
    .map(({ engine, strategy }) => JSON.stringify([engine, strategy]))
  return new Set(pairs).size
}
