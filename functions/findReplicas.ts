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

/** Some of what there is to promote, and by what the next ones are asked for. */
type Page = {
  items: (Omit<Candidate, 'admin'> & { rehearsal: boolean })[]
  after?: string
  /** How many there were so far. */
  count: number
  rehearsal: boolean
  planned: boolean
  /** Whether the other Region can be told that it is not to rotate any more. */
  fence: boolean
}

/** Finds what is to be promoted, some at a time, or in a rehearsal what would be. No value is read. */
export const handler = functionHandler(
  'findReplicas',
  parseFindReplicasEvent,
  ({ input: { from, dryRun } }) => ({ from, rehearsal: dryRun }),
  async ({ input }): Promise<Page> => {
    const { dryRun, planned, lost, again, page = { count: 0 } } = input
    const regions = regionsOf(input)
    const lists = await Promise.all(
      regions.map(async region => ({ region, answers: await doesRegionAnswer(secretsManagerIn(region)) })),
    )
    const answering = lists.filter(each => each.answers).map(({ region }) => region)
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
    const asked = dryRun || planned ? answering : []
    const found = await Promise.all(
      regions.map(from => candidatesIn({ ...known, from }, asked.includes(from))),
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

/** @throws InvalidInput */
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

/** What there is of one Region. Where `asks` is false it is not needed, or does not answer, and is not waited for. */
async function candidatesIn(own: Omit<RegionSurvey, 'there'>, asks: boolean): Promise<Candidate[]> {
  if (!asks) return [...candidatesOf(own), ...missingInLastRehearsal(own)]
  const there = secretsManagerIn(own.from)
  const known = { ...own, there: await listAllSecrets(there) }
  const region = await secretsManager.config.region()
  const missing = toMissingCandidates(
    await filterReplicatedTo(region, findUnreplicated(known), there),
    known,
    region,
  )
  return [...candidatesOf(known), ...missing]
}

/** Those that were named. What is promoted already is in nobody's way. @throws InvalidInput for what never was a replica */
function selectByIds(all: Candidate[], promotions: PromotionNote[], { ids, page }: Input): Candidate[] {
  if (!ids.length) return all
  const isNamed = (id: string) => (one: { arn: string; name: string }) => one.arn === id || one.name === id
  const known = [...all, ...promotions.map(({ credential: arn, name }) => ({ arn, name }))]
  // On a later page it may have been promoted since.
  const unknown = page ? undefined : ids.find(id => !known.some(isNamed(id)))
  if (unknown !== undefined)
    throw new InvalidInput(`ids: ${unknown} is no replica of a secret there that may be promoted`)
  return all.filter(candidate => ids.some(id => isNamed(id)(candidate)))
}
