import { setFlagsFromString } from 'node:v8'
import { collectFacts, type SweepLimits } from '../../fleet/audit/collect.ts'
import type { Facts } from '../../fleet/audit/facts.ts'
import { RateLimiter } from '../../fleet/audit/rateLimiter.ts'
import { DAY_SECONDS } from '../../rotation/timeUnits.ts'
import type { Context } from '../context.ts'
import { placeOf, type Stack } from '../stack.ts'
import { Journal } from './journal.ts'
import { AuditProgress } from './progress.ts'

/** What to gather, and where to keep the journal. */
export type GatherOptions = {
  /** The journal of an audit that was interrupted. */
  resume?: string | undefined
  /** A file for the journal, which stays. Without it the journal is in a temporary folder, which is removed in the end. */
  journal?: string | undefined
  /** Regions in addition to those of the stack and its peers. */
  regions?: string[] | undefined
  /** How far back and how long CloudTrail is asked for reads; undefined: it is not asked. */
  reads?: SweepLimits | undefined
  /** Limits how many calls are made a second; a test passes its own. */
  rateLimiter?: RateLimiter
}

/** The facts, and their journal, which is to be closed once the report is written. */
export type GatheredFacts = { facts: Facts; journal: Journal }

/**
 * Gathers the facts of an audit, shows the progress, and keeps every answer in the journal, so that an interrupted audit can go
 * on. Ctrl-C ends the process.
 * @throws CommandError if the journal is of another audit, or cannot be written; what AWS throws, if no audit is possible then, as
 * with expired credentials
 */
export async function gatherFacts(
  context: Context,
  stack: Stack,
  options: GatherOptions,
): Promise<GatheredFacts> {
  collectGarbageEarly()
  const { clients, output } = context
  const { regions = [], reads, rateLimiter = new RateLimiter() } = options
  const { region, account } = placeOf(stack)
  const { stage } = stack
  const head = {
    account,
    stage,
    region,
    regions: regions.toSorted().join(','),
    reads: reads ? windowText(reads.windowMs) : '',
  }
  const journal = options.resume ? Journal.resume(options.resume, head) : Journal.begin(head, options.journal)
  output.note(
    `The answers are kept in ${journal.path}: to go on after an interruption, use --resume with that file.`,
  )
  const auditProgress = new AuditProgress(output)
  const stop = () => {
    output.note(`Stopped. To go on, run the same command with --resume ${journal.path}`)
    process.exit(130)
  }
  for (const signal of STOP_SIGNALS) process.on(signal, stop)
  try {
    const facts = await collectFacts(clients, {
      account,
      stage,
      region,
      regions,
      reads,
      rateLimiter,
      keptAnswers: journal,
      onPlan: plan => auditProgress.showPlan(plan),
      onProgress: progress => auditProgress.showProgress(progress),
    })
    return { facts, journal }
  } finally {
    for (const signal of STOP_SIGNALS) process.off(signal, stop)
  }
}

/** The signals that interrupt an audit. */
const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** The time of --reads in the header of the journal: in days, or in seconds if it is not whole days. */
function windowText(milliseconds: number): string {
  const seconds = milliseconds / 1000
  return seconds % DAY_SECONDS ? `${seconds}s` : `${seconds / DAY_SECONDS}d`
}

/**
 * Makes V8 collect garbage earlier: in a large account the answers are gigabytes of garbage, and the process would otherwise need
 * several times the memory of the facts. Flags of V8 are the only way to set that in a running process.
 */
export function collectGarbageEarly(): void {
  setFlagsFromString('--optimize-for-size')
  setFlagsFromString('--semi-space-growth-factor=1')
}
