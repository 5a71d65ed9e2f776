import { regionIn } from './arn.ts'
import type { Description } from './stores/store.ts'
import { givenUpIn } from './tags.ts'

/**
 * Asks a Region for its copy of one secret, which the function knows.
 * @returns undefined if the Region has none
 * @throws RotationError if the Region cannot be asked
 */
export type DescribeCopyIn = (region: string) => Promise<Description | undefined>

/**
 * The copies of a secret in peer Regions that are not its replicas. `promotedElsewhere`: a sentence about those that are secrets of
 * their own. `followingAnother`: a sentence for each that is a replica of a primary in yet another Region.
 */
export type DetachedCopies = { promotedElsewhere?: string; followingAnother: string[] }

/**
 * Finds the copies of a secret in peer Regions that are not its replicas. A peer Region is asked even if the secret lists no
 * replica there, as AWS does not document whether a primary still lists a replica that was promoted.
 *
 * Regions that were given up are not asked. A promotion tags the promoted secret so that the lost Region counts as given up. That
 * is why the old secret finds the promoted one and is refused, and the promoted one does not find the old one. A Region that does
 * not answer is skipped here. If it has a replica to wait for, peerReplicas.ts reports it as behind.
 * @param peers the Regions that the deployment names as peers
 */
export async function findDetachedCopies(
  { arn, tags }: Description,
  peers: string[],
  ask: DescribeCopyIn,
): Promise<DetachedCopies> {
  const own = regionIn(arn)
  const givenUp = givenUpIn(tags)
  const askedRegions = peers.filter(region => region !== own && !givenUp[region])
  const copies = await Promise.all(
    askedRegions.map(async region => ({ region, copy: await ask(region).catch(() => undefined) })),
  )
  const promotedIn = copies.flatMap(({ region, copy }) => (copy && !copy.primaryRegion ? [region] : []))
  const followingAnother = copies.flatMap(
    ({ region, copy: { primaryRegion } = {} as Partial<Description> }) =>
      own && primaryRegion && primaryRegion !== own
        ? [followsAnotherMessage(region, primaryRegion, own)]
        : [],
  )
  return {
    ...(promotedIn.length && { promotedElsewhere: standsAloneMessage(promotedIn, own) }),
    followingAnother,
  }
}

const standsAloneMessage = (regions: string[], own = 'this Region') =>
  `the secret with this ARN stands alone in ${regions.join(' and ')}, as after a promotion, and that Region is not given up here: either it rotates there and not in ${own}, or it is given up`

const followsAnotherMessage = (region: string, primary: string, own: string) =>
  `the copy in ${region} still follows ${primary}: attach it (remove it there, add it in ${own}), remove it, or give the Region up`

/** The same function, which asks each Region only once and remembers its answer. */
export function askEachRegionOnce(ask: DescribeCopyIn): DescribeCopyIn {
  const answers = new Map<string, ReturnType<DescribeCopyIn>>()
  return region => {
    const answer = answers.get(region) ?? ask(region)
    answers.set(region, answer)
    return answer
  }
}
