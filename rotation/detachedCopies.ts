import { regionIn } from './arn.ts'
import type { Description } from './stores/store.ts'
import { givenUpIn } from './tags.ts'

/** Asks a Region for its copy of a secret; undefined if there is none. Throws where it cannot be asked. */
export type DescribeCopyIn = (region: string) => Promise<Description | undefined>

/**
 * What other Regions have of a secret that follows it no more. `promoted`: where it stands alone, in a sentence. `behind`: the
 * copies that follow yet another Region, a sentence each.
 */
export type DetachedCopies = { promotedElsewhere?: string; followingAnother: string[] }

/**
 * Asks every Region that the deployment names as a peer, whether or not the primary lists a replica there: nobody knows whether
 * it goes on listing one that was promoted, or lists what followed the Region that was lost. A promoted secret has given up the
 * Region that it came from, by which the two sides are told apart: the old one is stopped, and the promoted one is not. A Region
 * that does not answer stops nothing; whoever waits for a replica there says so himself.
 */
export async function findDetachedCopies(
  { arn, tags }: Description,
  peers: string[],
  ask: DescribeCopyIn,
): Promise<DetachedCopies> {
  const own = regionIn(arn)
  const givenUp = givenUpIn(tags)
  const asked = peers.filter(region => region !== own && !givenUp[region])
  const found = await Promise.all(
    asked.map(async region => ({ region, copy: await ask(region).catch(() => undefined) })),
  )
  const alone = found.flatMap(({ region, copy }) => (copy && !copy.primaryRegion ? [region] : []))
  const behind = found.flatMap(({ region, copy: { primaryRegion } = {} as Partial<Description> }) =>
    own && primaryRegion && primaryRegion !== own ? [followsAnotherMessage(region, primaryRegion, own)] : [],
  )
  return {
    ...(alone.length && { promotedElsewhere: standsAloneMessage(alone, own) }),
    followingAnother: behind,
  }
}

const standsAloneMessage = (regions: string[], own = 'this Region') =>
  `the secret with this ARN stands alone in ${regions.join(' and ')}, as after a promotion, and that Region is not given up here: either it rotates there and not in ${own}, or it is given up`

const followsAnotherMessage = (region: string, primary: string, own: string) =>
  `the copy in ${region} still follows ${primary}: attach it (remove it there, add it in ${own}), remove it, or give the Region up`

/** The same, but that each Region is asked once. */
export function askEachRegionOnce(ask: DescribeCopyIn): DescribeCopyIn {
  const asked = new Map<string, ReturnType<DescribeCopyIn>>()
  return region => {
    const answer = asked.get(region) ?? ask(region)
    asked.set(region, answer)
    return answer
  }
}
