import type { DescribeSecretResponse, ReplicationStatusType } from '@aws-sdk/client-secrets-manager'
import { currentVersionIn } from '../../fleet/versionLabels.ts'
import { arnInRegion, regionIn } from '../../rotation/arn.ts'
import { givenUpIn, homeIn, tagsIn } from '../../rotation/tags.ts'
import { whyFailed } from '../awsErrors.ts'
import type { Context } from '../context.ts'

/**
 * How a secret's copy in another Region stands. `follows`: it has the primary's current version. `behind`: another one.
 * `empty`: there is no such secret there. `alone`: what has its name there is a secret of its own, as after a promotion.
 * `unseen`: its Region could not be asked, and `why` says how.
 */
export type CopyState = {
  state: 'follows' | 'behind' | 'empty' | 'alone' | 'unseen'
  why?: string
  /** The version that applications there get. */
  version?: string
}

export type SecretCopy = CopyState & {
  secret: string
  /** The primary's. */
  arn: string
  region: string
  /** What Secrets Manager says of it in the primary's Region. */
  status: string
  /** Since when a rotation knows that it does not have its value. ISO 8601, UTC. */
  behindSince?: string
  /** The day on which it was last read there. */
  lastRead?: string
  /** The day on which nothing waited for it any more, and why. */
  givenUp?: string
  /** The Region in which the secret rotates, as its tag says. */
  home: string | null
}

/** Whether nothing is to be done about a copy of a secret in the Region `here`. */
export const isCopyWell = ({ state, givenUp, home }: SecretCopy, here: string): boolean =>
  home === here && (state === 'follows' || givenUp !== undefined)

/** The copies of a secret: each Region is asked itself. */
export function findCopies(context: Context, secret: DescribeSecretResponse): Promise<SecretCopy[]> {
  const { ARN = '', Name = '', ReplicationStatus = [] } = secret
  const tags = tagsIn(secret.Tags)
  const givenUp = givenUpIn(tags)
  return Promise.all(
    ReplicationStatus.map(async replica => {
      const { Region: region = '' } = replica
      const lastRead = lastReadDay(replica)
      return {
        secret: Name,
        arn: ARN,
        region,
        status: replicaStatusText(replica),
        ...(lastRead && { lastRead }),
        ...(givenUp[region] && { givenUp: givenUp[region] }),
        home: homeIn(tags) ?? null,
        ...(await lookAtCopy(context, secret, region)),
      }
    }),
  )
}

/** What the primary's Region says of a replica, with the service's own reason. */
export const replicaStatusText = ({ Status, StatusMessage }: ReplicationStatusType): string =>
  `${Status ?? 'unknown'}${StatusMessage && Status !== 'InSync' ? `: ${StatusMessage}` : ''}`

export const lastReadDay = ({ LastAccessedDate }: ReplicationStatusType): string | undefined =>
  LastAccessedDate?.toISOString().slice(0, 10)

/** What the primary says of its replica in a Region, if it lists one. */
export const listedReplica = (
  { ReplicationStatus = [] }: DescribeSecretResponse,
  region: string,
): ReplicationStatusType | undefined => ReplicationStatus.find(({ Region }) => Region === region)

/** Asks a Region how a secret's copy stands. No value is read. */
export async function lookAtCopy(
  { clients }: Context,
  { ARN = '', Name = '', VersionIdsToStages }: DescribeSecretResponse,
  region: string,
): Promise<CopyState> {
  const client = await clients.forRegion(region).secrets()
  const { DescribeSecretCommand } = await import('@aws-sdk/client-secrets-manager')
  const describe = (SecretId: string) =>
    client.send(new DescribeSecretCommand({ SecretId })).catch(error => {
      if (error.name !== 'ResourceNotFoundException') throw error
      return undefined
    })
  try {
    // A secret that is no copy of this one ends otherwise, and stands in the way all the same.
    const there = (await describe(arnInRegion(ARN, region))) ?? (await describe(Name))
    if (!there) return { state: 'empty' }
    const version = currentVersionIn(there.VersionIdsToStages)
    const state = version === currentVersionIn(VersionIdsToStages) ? 'follows' : 'behind'
    const isCopy = there.PrimaryRegion !== undefined && there.PrimaryRegion === regionIn(ARN)
    return { state: isCopy ? state : 'alone', ...(version && { version }) }
  } catch (error) {
    return { state: 'unseen', why: whyFailed(error) }
  }
}
