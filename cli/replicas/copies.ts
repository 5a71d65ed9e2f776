import type { DescribeSecretResponse, ReplicationStatusType } from '@aws-sdk/client-secrets-manager'
import { currentVersionIn } from '../../fleet/versionLabels.ts'
import { arnInRegion, regionIn } from '../../rotation/arn.ts'
import { givenUpIn, homeIn, tagsIn } from '../../rotation/tags.ts'
import { whyFailed } from '../awsErrors.ts'
import type { Context } from '../context.ts'

/**
 * The state of a secret's copy in another Region. `follows`: it has the primary's current version. `behind`: it has another
 * version. `empty`: there is no such secret there. `alone`: the secret of that name there is not a replica of this one, as after
 * a promotion. `unseen`: the Region could not be asked, and `why` says why.
 */
export type CopyState = {
  state: 'follows' | 'behind' | 'empty' | 'alone' | 'unseen'
  why?: string
  /** The version that applications there get. */
  version?: string
}

/** A copy of a secret in another Region, as --json prints it. */
export type SecretCopy = CopyState & {
  /** The secret's name. */
  secret: string
  /** The ARN of the primary. */
  arn: string
  region: string
  /** The status of the replica by Secrets Manager in the primary's Region. */
  status: string
  /** Since when a rotation has known that the copy does not have the secret's current value. ISO 8601, UTC. */
  behindSince?: string
  /** The day on which the copy was last read, YYYY-MM-DD. */
  lastRead?: string
  /** The day since which rotations do not wait for the Region any more, and the reason. */
  givenUp?: string
  /** The home Region that the secret's tag names; null if there is no such tag. */
  home: string | null
}

/**
 * Whether a copy is as it should be: it follows or is given up, and its secret has its home `here`, in the Region of the primary.
 */
export const isCopyWell = ({ state, givenUp, home }: SecretCopy, here: string): boolean =>
  home === here && (state === 'follows' || givenUp !== undefined)

/** The copies of a secret. The state of each is read in its own Region. */
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

/** The status of a replica in words, with Secrets Manager's reason if it is not in sync. */
export const replicaStatusText = ({ Status, StatusMessage }: ReplicationStatusType): string =>
  `${Status ?? 'unknown'}${StatusMessage && Status !== 'InSync' ? `: ${StatusMessage}` : ''}`

/** The day on which a replica was last read, YYYY-MM-DD; undefined if it never was. */
export const lastReadDay = ({ LastAccessedDate }: ReplicationStatusType): string | undefined =>
  LastAccessedDate?.toISOString().slice(0, 10)

/** The primary's entry for its replica in a Region, if it has one. */
export const listedReplica = (
  { ReplicationStatus = [] }: DescribeSecretResponse,
  region: string,
): ReplicationStatusType | undefined => ReplicationStatus.find(({ Region }) => Region === region)

/** Asks a Region for the state of a secret's copy. No value is read. */
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
    // A secret that is not a copy of this one has another ARN (other random characters at its end), so it is found by name.
    const secretThere = (await describe(arnInRegion(ARN, region))) ?? (await describe(Name))
    if (!secretThere) return { state: 'empty' }
    const version = currentVersionIn(secretThere.VersionIdsToStages)
    const state = version === currentVersionIn(VersionIdsToStages) ? 'follows' : 'behind'
    const isCopy = secretThere.PrimaryRegion !== undefined && secretThere.PrimaryRegion === regionIn(ARN)
    return { state: isCopy ? state : 'alone', ...(version && { version }) }
  } catch (error) {
    return { state: 'unseen', why: whyFailed(error) }
  }
}
