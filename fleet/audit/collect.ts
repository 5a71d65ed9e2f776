import { regionIn } from '../../rotation/arn.ts'
import { doubtOf } from '../readers/silence.ts'
import { peersOf, type Stack } from '../stacks.ts'
import { Asking, factOf, Unread } from './collect/asking.ts'
import type { AuditClients } from './collect/clients.ts'
import type { Collector, Units } from './collect/collector.ts'
import { Histories } from './collect/histories.ts'
import { isSharable } from './collect/parameters.ts'
import { type Plan, planOf } from './collect/plan.ts'
import {
  credentialsOf,
  followPrimaries,
  functionsOf,
  type Gathered,
  listRegion,
  listReplicas,
  lookAt,
  replicaRegions,
  takeHistories,
} from './collect/region.ts'
import { stackIn } from './collect/regions.ts'
import { type ReadsWanted, type Swept, sweepIn, unswept } from './collect/sweep.ts'
import type { CredentialFacts, Fact, Facts } from './facts.ts'
import { Pace } from './pace.ts'

export type { AuditClients } from './collect/clients.ts'
export type { Units } from './collect/collector.ts'
export type { Plan, PlannedCalls } from './collect/plan.ts'
export type { ReadsWanted } from './collect/sweep.ts'

/** How far it is: pages while the lists are read, of which nobody knows how many there are, and then answers, `of` so many. */
export type Progress = { part: 'lists'; done: number } | { part: 'details'; done: number; of: number }

export type CollectOptions = {
  account: string
  stage: string
  /** The Region of the stack. */
  region: string
  /** Regions beside that one, and beside those of the stack's peers, that are looked at as a whole. */
  regions?: string[]
  pace?: Pace
  /** What an earlier try of the same audit has found, and where this one keeps what it finds. */
  units?: Units
  /** Without it nobody's reads are looked for. */
  reads?: ReadsWanted | undefined
  /** Told once, when all lists are read. */
  onPlan?: (plan: Plan) => void
  onProgress?: (progress: Progress) => void
}

const noUnits: Units = { take: () => undefined, keep() {} }

/**
 * All that an audit judges by, from AWS's services, the stacks' tables of rotations and CloudTrail. No value is read. What could
 * not be read is a fact that says so. The moment is that of the first answer, by AWS's clock.
 * @throws what ends every audit, such as credentials that have expired: another try goes on with what `units` have
 */
export async function collect(clients: AuditClients, options: CollectOptions): Promise<Facts> {
  const { units = noUnits, pace = new Pace(), account, stage, region: own } = options
  const progress = new Counter(options.onProgress)
  const advance: Collector['advance'] = (what, count) => progress.advance(what, count)
  const collector: Collector = { clients, pace, units, asking: new Asking(own), advance }
  const { moment, stack } = await beginning(collector, own, stage)
  const histories = new Histories(moment)
  const names = [...new Set([own, ...((stack && peersOf(stack)) ?? []), ...(options.regions ?? [])])]
  const regions = await Promise.all(
    names.map(async region => {
      const there = region === own ? { is: stack } : await stackAt(collector, region, stage)
      return listRegion(collector, { region, account, stack: there }, histories)
    }),
  )
  for (const gathered of regions) takeHistories(gathered, histories)
  const plan = planFor(regions)
  options.onPlan?.(plan)
  progress.plan(plan)
  const sweepAll = (lots: Gathered[]) =>
    Promise.all(
      lots.map(
        async ({ region }) => [region, await sweepIn(collector, region, moment, options.reads)] as const,
      ),
    )
  const [swept] = await Promise.all([
    sweepAll(regions),
    ...regions.map(gathered => lookAt(collector, gathered)),
  ])
  const elsewhere = await Promise.all(replicaRegions(regions).map(region => listReplicas(collector, region)))
  for (const gathered of elsewhere) takeHistories(gathered, histories)
  const all = [...regions, ...elsewhere]
  followPrimaries(all)
  takeReaders(all, new Map([...swept, ...(await sweepAll(elsewhere))]), histories)
  return {
    ...{ moment, account, stage, region: own },
    regions: Object.fromEntries(all.map(({ region, facts }) => [region, facts] as const).sort(byName)),
    credentials: all.flatMap(credentialsOf).sort(byPlace),
    days: histories.days(),
  }
}

/** The first call: without an answer to it there is no audit. */
async function beginning(
  collector: Collector,
  region: string,
  stage: string,
): Promise<{ moment: string; stack: Stack | undefined }> {
  try {
    const { stack, at } = await stackIn(collector, region, stage)
    return { moment: at, stack }
  } catch (error) {
    throw error instanceof Unread ? (error.cause ?? error) : error
  }
}

const stackAt = (collector: Collector, region: string, stage: string): Promise<Fact<Stack | undefined>> =>
  factOf(stackIn(collector, region, stage).then(found => found.stack))

function planFor(regions: Gathered[]): Plan {
  const functions = regions.flatMap(({ secrets }) => functionsOf(secrets))
  return planOf(
    regions.flatMap(({ secrets }) => [...secrets.values()]),
    functions.map(arn => ({ region: regionIn(arn) ?? '' })),
    regions.flatMap(({ parameters }) => [...parameters.values()].filter(isSharable)),
  )
}

/** Counts what is there, and tells it. */
class Counter {
  readonly #tell: CollectOptions['onProgress']
  #pages = 0
  #answers = 0
  #of: number | undefined

  constructor(tell: CollectOptions['onProgress']) {
    this.#tell = tell
  }

  plan({ calls }: Plan): void {
    this.#of = calls.reduce((sum, each) => sum + each.calls, 0)
    this.#tell?.({ part: 'details', done: 0, of: this.#of })
  }

  advance(what: 'page' | 'answer', count: number): void {
    if (what === 'page') this.#pages += count
    else this.#answers += count
    if (this.#of === undefined) this.#tell?.({ part: 'lists', done: this.#pages })
    else if (what === 'answer')
      this.#tell?.({ part: 'details', done: Math.min(this.#answers, this.#of), of: this.#of })
  }
}

/** Puts what the sweeps have seen into the facts of the Regions and of their credentials. */
function takeReaders(regions: Gathered[], swept: Map<string, Fact<Swept>>, histories: Histories): void {
  const roles = new Set(
    regions.flatMap(({ facts: { stack } }) => ('is' in stack ? (stack.is?.roles ?? []) : [])),
  )
  for (const gathered of regions) {
    const { region, facts } = gathered
    const found = swept.get(region) ?? unswept
    if ('unread' in found) {
      facts.sweep = found
      continue
    }
    const { events, completeSince } = found.is.facts
    const doubt = events ? undefined : doubtOf(histories.rotatedIn(region, completeSince))
    facts.sweep = doubt === undefined ? { is: found.is.facts } : { unread: doubt }
    const credentials = credentialsOf(gathered)
    const readers = found.is.readers(credentials, roles)
    for (const credential of credentials) credential.readers = readers.get(credential.arn) ?? []
  }
}

const byName = ([a]: readonly [string, ...unknown[]], [b]: readonly [string, ...unknown[]]) =>
  a < b ? -1 : 1

const byPlace = (a: CredentialFacts, b: CredentialFacts) => (placeOf(a) < placeOf(b) ? -1 : 1)
const placeOf = ({ region, store, name, arn }: CredentialFacts) => `${region}\n${store}\n${name}\n${arn}`
