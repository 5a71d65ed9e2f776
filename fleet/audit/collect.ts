import { regionIn } from '../../rotation/arn.ts'
import { doubtAboutNoReads } from '../readers/noReads.ts'
import { peerRegionsOf, type Stack } from '../stacks.ts'
import { AwsReader, factOf, ReadFailed } from './collect/awsReader.ts'
import { type CallPlan, planCalls } from './collect/callPlan.ts'
import type { AuditClients } from './collect/clients.ts'
import type { Collector, KeptAnswers } from './collect/collector.ts'
import { RotationHistories } from './collect/histories.ts'
import { isSharable } from './collect/parameters.ts'
import {
  addHistories,
  copyFactsOfPrimaries,
  credentialsOf,
  type GatheredRegion,
  listRegion,
  listReplicas,
  otherReplicaRegions,
  readDetails,
  rotationFunctionArnsOf,
} from './collect/region.ts'
import { readStack } from './collect/regionFacts.ts'
import { NOT_SWEPT, type RegionSweep, type SweepLimits, sweepRegion } from './collect/sweep.ts'
import type { CredentialFacts, Fact, Facts } from './facts.ts'
import { RateLimiter } from './rateLimiter.ts'

export type { CallPlan, PlannedCalls } from './collect/callPlan.ts'
export type { AuditClients } from './collect/clients.ts'
export type { KeptAnswers } from './collect/collector.ts'
export type { SweepLimits } from './collect/sweep.ts'

/**
 * How far the gathering is. `lists`: how many pages of lists were read; how many there will be is not known. `details`: how many of
 * the calls about single credentials were answered, and `of` how many.
 */
export type CollectProgress = { part: 'lists'; done: number } | { part: 'details'; done: number; of: number }

/** What an audit is to look at, and how. */
export type CollectOptions = {
  account: string
  stage: string
  /** The Region of the stack. */
  region: string
  /** Further Regions to look at, beside the stack's own and its peers'. */
  regions?: string[]
  /** Keeps to AWS's rate limits. */
  rateLimiter?: RateLimiter
  /** The answers that an earlier, stopped try of the same audit has kept. This try adds its own. */
  keptAnswers?: KeptAnswers
  /** How far back, and for how long, CloudTrail is asked for reads. Without it, CloudTrail is not asked. */
  reads?: SweepLimits | undefined
  /** Called once, when all lists are read but those of Regions that only have replicas. */
  onPlan?: (plan: CallPlan) => void
  onProgress?: (progress: CollectProgress) => void
}

const noKeptAnswers: KeptAnswers = { take: () => undefined, keep() {} }

/**
 * Gathers the facts that an audit judges by, from AWS's services, the stacks' tables of rotations and CloudTrail. No secret value
 * is read. What could not be read becomes a fact that says so. The moment of the audit is that of the first answer, by AWS's
 * clock.
 * @throws errors that end every audit, such as expired credentials; another try goes on with what `keptAnswers` has
 */
export async function collectFacts(clients: AuditClients, options: CollectOptions): Promise<Facts> {
  const { keptAnswers = noKeptAnswers, rateLimiter = new RateLimiter() } = options
  const { account, stage, region: own } = options
  const progress = new ProgressCounter(options.onProgress)
  const collector: Collector = {
    clients,
    rateLimiter,
    keptAnswers,
    reader: new AwsReader(own),
    reportProgress: (what, count) => progress.advance(what, count),
  }
  const { moment, stack } = await readOwnStack(collector, own, stage)
  const histories = new RotationHistories(moment)

  // First the lists of these Regions, which tell what further calls are needed.
  const names = [...new Set([own, ...((stack && peerRegionsOf(stack)) ?? []), ...(options.regions ?? [])])]
  const regions = await Promise.all(
    names.map(async region => {
      const stackFact = region === own ? { is: stack } : await readStackFact(collector, region, stage)
      return listRegion(collector, { region, account, stack: stackFact }, histories)
    }),
  )
  for (const gathered of regions) addHistories(gathered, histories)
  const plan = planFor(regions)
  options.onPlan?.(plan)
  progress.plan(plan)

  // Then what the lists do not tell of single credentials, and at the same time who read them, by CloudTrail.
  const sweepAll = (gatheredRegions: GatheredRegion[]) =>
    Promise.all(
      gatheredRegions.map(
        async ({ region }) => [region, await sweepRegion(collector, region, moment, options.reads)] as const,
      ),
    )
  const [swept] = await Promise.all([
    sweepAll(regions),
    ...regions.map(gathered => readDetails(collector, gathered)),
  ])

  // The details tell which other Regions have replicas. Only the replicas there are looked at.
  const replicaRegions = await Promise.all(
    otherReplicaRegions(regions).map(region => listReplicas(collector, region)),
  )
  for (const gathered of replicaRegions) addHistories(gathered, histories)
  const all = [...regions, ...replicaRegions]
  copyFactsOfPrimaries(all)
  addReaders(all, new Map([...swept, ...(await sweepAll(replicaRegions))]), histories)
  return {
    moment,
    account,
    stage,
    region: own,
    regions: Object.fromEntries(all.map(({ region, facts }) => [region, facts] as const).sort(byName)),
    credentials: all.flatMap(credentialsOf).sort(byPlace),
    days: histories.rotationsByDay(),
  }
}

/** Makes the audit's first call. @throws the service's own error if there is no answer: then there is no audit */
async function readOwnStack(
  collector: Collector,
  region: string,
  stage: string,
): Promise<{ moment: string; stack: Stack | undefined }> {
  try {
    const { stack, at } = await readStack(collector, region, stage)
    return { moment: at, stack }
  } catch (error) {
    throw error instanceof ReadFailed ? (error.cause ?? error) : error
  }
}

const readStackFact = (
  collector: Collector,
  region: string,
  stage: string,
): Promise<Fact<Stack | undefined>> => factOf(readStack(collector, region, stage).then(found => found.stack))

function planFor(regions: GatheredRegion[]): CallPlan {
  const functions = regions.flatMap(({ secrets }) => rotationFunctionArnsOf(secrets))
  return planCalls(
    regions.flatMap(({ secrets }) => [...secrets.values()]),
    functions.map(arn => ({ region: regionIn(arn) ?? '' })),
    regions.flatMap(({ parameters }) => [...parameters.values()].filter(isSharable)),
  )
}

/** Counts pages and answers, and reports how far the gathering is. */
class ProgressCounter {
  readonly #tell: CollectOptions['onProgress']
  #pages = 0
  #answers = 0
  /** How many calls about single credentials there will be; undefined as long as the lists are read. */
  #planned: number | undefined

  constructor(tell: CollectOptions['onProgress']) {
    this.#tell = tell
  }

  plan({ calls }: CallPlan): void {
    this.#planned = calls.reduce((sum, each) => sum + each.calls, 0)
    this.#tell?.({ part: 'details', done: 0, of: this.#planned })
  }

  advance(what: 'page' | 'answer', count: number): void {
    if (what === 'page') this.#pages += count
    else this.#answers += count
    if (this.#planned === undefined) this.#tell?.({ part: 'lists', done: this.#pages })
    else if (what === 'answer')
      this.#tell?.({ part: 'details', done: Math.min(this.#answers, this.#planned), of: this.#planned })
  }
}

/** Puts the reads that the sweeps of CloudTrail found into the facts of the Regions and of their credentials. */
function addReaders(
  regions: GatheredRegion[],
  swept: Map<string, Fact<RegionSweep>>,
  histories: RotationHistories,
): void {
  const roles = new Set(
    regions.flatMap(({ facts: { stack } }) => ('is' in stack ? (stack.is?.roles ?? []) : [])),
  )
  for (const gathered of regions) {
    const { region, facts } = gathered
    const found = swept.get(region) ?? NOT_SWEPT
    if ('unread' in found) {
      facts.sweep = found
      continue
    }
    const { events, completeSince } = found.is.facts
    const doubt = events
      ? undefined
      : doubtAboutNoReads(histories.countReadingRotations(region, completeSince))
    facts.sweep = doubt === undefined ? { is: found.is.facts } : { unread: doubt }
    const credentials = credentialsOf(gathered)
    const readers = found.is.readersByArn(credentials, roles)
    for (const credential of credentials) credential.readers = readers.get(credential.arn) ?? []
  }
}

const byName = ([a]: readonly [string, ...unknown[]], [b]: readonly [string, ...unknown[]]) =>
  a < b ? -1 : 1

const byPlace = (a: CredentialFacts, b: CredentialFacts) => (placeOf(a) < placeOf(b) ? -1 : 1)
const placeOf = ({ region, store, name, arn }: CredentialFacts) => `${region}\n${store}\n${name}\n${arn}`
