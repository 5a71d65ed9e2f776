import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import {
  type Candidate,
  candidatesOf,
  findUnreplicated,
  missingInLastRehearsal,
  nextPageOf,
  type RegionSurvey,
  toMissingCandidates,
} from '../fleet/promotion/candidates.ts'
import type { PromotionNote } from '../fleet/promotion/promotionTable.ts'
import { doesRegionAnswer, filterReplicatedTo, listAllSecrets } from '../fleet/promotion/regionSecrets.ts'
import { InvalidInput, RegionAnswers } from '../rotation/errors.ts'
import { functionHandler } from './shared/handler.ts'
import { ownPromotionTable } from './shared/ownPromotionTable.ts'
import { peerRegions, secretsManagerIn } from './shared/peers.ts'
import { parseFindReplicasEvent } from './shared/promotionEvent.ts'
import { REQUEST_TIMEOUTS } from './shared/requestTimeouts.ts'

const secretsManager = new SecretsManagerClient({ requestHandler: REQUEST_TIMEOUTS })
const table = ownPromotionTable()

type Input = ReturnType<typeof parseFindReplicasEvent>['input']

/**
 * A page of the replicas that are to be promoted. Among them are secrets of which the lists show that they cannot be, such as those
 * without a replica here. They have a `problem`, which is only noted.
 */
type Page = {
  items: (Omit<Candidate, 'admin'> & { rehearsal: boolean })[]
  /** The last one of this page, after which the next page begins; missing on the last page. */
  after?: string
  /** How many replicas this page and those before have together. */
  count: number
  rehearsal: boolean
  planned: boolean
  /** Whether the other Region answers, and so can be told that the promoted secrets no longer rotate there. */
  fence: boolean
}

/**
 * Finds the replicas that are to be promoted, or in a rehearsal those that would be, a page at a time. No value is read.
 * @throws InvalidInput what the input asks for does not fit together, or names no peer Region or no replica
 * @throws RegionAnswers the Region that is given up still answers, and the input says neither `planned` nor `lost`
 */
export const handler = functionHandler(
  'findReplicas',
  parseFindReplicasEvent,
  ({ input: { from, dryRun } }) => ({ from, rehearsal: dryRun }),
  async ({ input }): Promise<Page> => {
    const { dryRun, planned, lost, again, page = { count: 0 } } = input
    const regions = regionsOf(input)
    const asked = await Promise.all(
      regions.map(async region => ({ region, answers: await doesRegionAnswer(secretsManagerIn(region)) })),
    )
    const answering = asked.filter(({ answers }) => answers).map(({ region }) => region)
    if (planned && !dryRun && !answering.length)
      throw new InvalidInput(`planned: has no place where ${regions.join()} does not answer; leave it out`)
    if (answering.length && !dryRun && !planned && !lost)
      throw new RegionAnswers(
        `Secrets Manager in ${answering.join()} answers: say planned, or lost if it is to be given up all the same`,
      )
    const [own, promotions, rehearsals] = await Promise.all([
      listAllSecrets(secretsManager),
      table.list('promotion'),
      table.list('rehearsal'),
    ])
    const known = { here: own, promotions, rehearsals, rehearsal: dryRun, now: new Date() }
    // A Region that is lost is not listed, even if it still answers.
    const listed = dryRun || planned ? answering : []
    const found = await Promise.all(
      regions.map(from => candidatesIn({ ...known, from }, listed.includes(from))),
    )
    const all = found.flat().map(candidate => (again ? { ...candidate, refused: [] } : candidate))
    const { items, after } = nextPageOf(selectByIds(all, promotions, input), page.after)
    return {
      items: items.map(({ admin: _, ...item }) => ({ ...item, rehearsal: dryRun })),
      ...(after !== undefined && { after }),
      count: page.count + items.length,
      rehearsal: dryRun,
      planned: planned && !dryRun,
      fence: answering.length > 0,
    }
  },
)

/** The Regions to promote from: the one that the input names, or in a rehearsal without one all peers. @throws InvalidInput */
function regionsOf({ from, planned, lost, dryRun }: Input): string[] {
  if (planned && lost) throw new InvalidInput('planned: has no place beside lost')
  if (from === undefined) {
    if (dryRun) return peerRegions
    throw new InvalidInput('from: should be the Region that is given up, such as eu-west-1')
  }
  if (peerRegions.includes(from)) return [from]
  throw new InvalidInput(
    `from: should be one of the Regions of the parameter peerRegions, which are ${peerRegions.join() || 'none'}`,
  )
}

/**
 * The replicas here whose primary is in the Region `survey.from`, and the secrets there that have no replica here. If
 * `listsRegion` is false, that Region is not asked, and the secrets without a replica are those of the last rehearsal.
 */
async function candidatesIn(survey: Omit<RegionSurvey, 'there'>, listsRegion: boolean): Promise<Candidate[]> {
  if (!listsRegion) return [...candidatesOf(survey), ...missingInLastRehearsal(survey)]
  const there = secretsManagerIn(survey.from)
  const known = { ...survey, there: await listAllSecrets(there) }
  const region = await secretsManager.config.region()
  const missing = toMissingCandidates(
    await filterReplicatedTo(region, findUnreplicated(known), there),
    known,
    region,
  )
  return [...candidatesOf(known), ...missing]
}

/**
 * The candidates that the input names by `ids`; all of them if it names none. The id of a secret that was promoted before is
 * allowed, and selects nothing.
 * @throws InvalidInput for an id that is neither a candidate's nor that of a secret with the note of a promotion
 */
function selectByIds(all: Candidate[], promotions: PromotionNote[], { ids, page }: Input): Candidate[] {
  if (!ids.length) return all
  const isNamed = (id: string) => (one: { arn: string; name: string }) => one.arn === id || one.name === id
  const known = [...all, ...promotions.map(({ credential: arn, name }) => ({ arn, name }))]
  // The first page has checked the ids. On a later one, a credential may be missing because it was promoted meanwhile.
  const unknown = page ? undefined : ids.find(id => !known.some(isNamed(id)))
  if (unknown !== undefined)
    throw new InvalidInput(`ids: ${unknown} is no replica of a secret there that may be promoted`)
  return all.filter(candidate => ids.some(id => isNamed(id)(candidate)))
}
