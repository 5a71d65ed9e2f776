import { setFlagsFromString } from 'node:v8'
import { collectFacts, type SweepLimits } from '../../fleet/audit/collect.ts'
import type { Facts } from '../../fleet/audit/facts.ts'
import { RateLimiter } from '../../fleet/audit/rateLimiter.ts'
import type { Context } from '../context.ts'
import { placeOf, type Stack } from '../stack.ts'
import { Journal } from './journal.ts'
import { AuditProgress } from './progress.ts'

export type GatherOptions = {
  /** The journal of an audit that was stopped. */
  resume?: string | undefined
  /** Where the journal is kept, and stays; without it in a folder of its own, which goes with it as soon as it is closed. */
  journal?: string | undefined
  /** Regions beside those of the stack and its peers. */
  regions?: string[] | undefined
  reads?: SweepLimits | undefined
  pace?: RateLimiter
}

/** The facts, and what ends their journal once they have become a report. */
export type GatheredFacts = { facts: Facts; journal: Journal }

/**
 * Gathers what an audit judges by, says how far it is, and keeps what it has found so that it can go on.
 * @throws CommandError if the journal is none of this audit; what AWS answers to the first call; what ends every audit
 */
export async function gatherFacts(
  context: Context,
  stack: Stack,
  options: GatherOptions,
): Promise<GatheredFacts> {
  collectGarbageEarly()
  const { clients, output } = context
  const { regions = [], reads, pace = new RateLimiter() } = options
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
    `What is found is kept in ${journal.path}: if this is stopped, go on with --resume and that file.`,
  )
  const shown = new AuditProgress(output)
  const stop = () => {
    output.note(`Stopped. To go on: the same command, with --resume ${journal.path}`)
    process.exit(130)
  }
  for (const signal of STOP_SIGNALS) process.on(signal, stop)
  try {
    const facts = await collectFacts(clients, {
      ...{ account, stage, region, regions, reads, pace, units: journal },
      onPlan: plan => shown.showPlan(plan),
      onProgress: progress => shown.showProgress(progress),
    })
    return { facts, journal }
  } finally {
    for (const signal of STOP_SIGNALS) process.off(signal, stop)
  }
}

/** What ends an audit before its end. What it has found is in its journal by then. */
const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** A time as --reads takes it. */
function windowText(milliseconds: number): string {
  const seconds = milliseconds / 1000
  return seconds % 86_400 ? `${seconds}s` : `${seconds / 86_400}d`
}

/**
 * Has this process collect garbage early: a large account makes gigabytes of it, and would otherwise take several times the memory
 * that the facts need. Node has no other way for a process that runs already.
 */
export function collectGarbageEarly(): void {
  setFlagsFromString('--optimize-for-size')
  setFlagsFromString('--semi-space-growth-factor=1')
}
