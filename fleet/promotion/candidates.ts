import type { SecretListEntry } from '@aws-sdk/client-secrets-manager'
import { arnInRegion, isReplica, regionIn } from '../../rotation/arn.ts'
import {
  NotAtHome,
  ReplicaMissing,
  ReplicasBehind,
  type RotationError,
  StandsAlone,
} from '../../rotation/errors.ts'
import { givenUpIn, homeIn, isAdmin, isManaged, tagsIn } from '../../rotation/tags.ts'
import { currentVersionIn } from '../versionLabels.ts'
import type { PromotionNote } from './promotionTable.ts'

/** A secret that a promotion or a rehearsal looks at. Its primary is, or was, in the Region that is left, lost, or may be lost. */
export type Candidate = {
  /** The secret's ARN in this Region. */
  arn: string
  name: string
  /** The Region of its primary. */
  from: string
  /** Set for an admin's secret. Other credentials may need it, so it is promoted before them. */
  admin?: true
  /** The logins that a server refused in earlier promotions, each as `VERSION@host:port`. */
  refused: string[]
  /** An error that is known before anything is tried. It is reported, and the secret is not promoted. */
  problem?: { Error: string; Cause: string }
}

/** What is known of one Region that may be lost, seen from this one. Secrets are as ListSecrets gives them. */
export type RegionSurvey = {
  /** The Region that may be lost. */
  from: string
  /** The secrets of this Region. */
  here: SecretListEntry[]
  /** The secrets of the Region that may be lost; undefined if it does not answer. */
  there?: SecretListEntry[] | undefined
  /** The notes of earlier promotions. */
  promotions: PromotionNote[]
  /** The notes of earlier rehearsals. */
  rehearsals: PromotionNote[]
  /** Whether this survey is for a rehearsal, which promotes nothing. */
  rehearsal: boolean
  now: Date
}

/** How long a change may take to come to a replica before a rehearsal reports that it has not. */
const REPLICATION_SLACK_MS = 3_600_000

/**
 * The secrets of this Region that are to be promoted, of those that Keyturn may reach: the replicas of the other Region's secrets,
 * those whose promotion has begun but not ended well, and those at home in the other Region that somebody has promoted by hand.
 */
export function candidatesOf(known: RegionSurvey): Candidate[] {
  const { from, promotions, here, rehearsal } = known
  const notes = new Map(promotions.filter(note => note.from === from).map(note => [note.credential, note]))
  const isWanted = (secret: SecretListEntry) => {
    if (!isPromotable(secret)) return false
    if (isReplica(secret)) return secret.PrimaryRegion === from
    const outcome = notes.get(secret.ARN ?? '')?.outcome
    return homeOf(secret) === from || outcome === 'begun' || outcome === 'failed'
  }
  return here.filter(isWanted).map(secret => {
    const { ARN: arn = '', Name: name = '' } = secret
    const problem = rehearsal ? findUnreadiness(secret, known) : undefined
    return {
      arn,
      name,
      from,
      refused: notes.get(arn)?.refused ?? [],
      ...(isAdmin(tagsIn(secret.Tags)) && { admin: true as const }),
      ...(problem && { problem: toProblem(problem) }),
    }
  })
}

/**
 * Why a secret could not be promoted today, as far as the lists of secrets tell: somebody has promoted it by hand, its promotion is
 * half done, its tags name a wrong home Region, the other Region has given up this one, or its replica is behind.
 */
function findUnreadiness(
  secret: SecretListEntry,
  { from, there, now }: RegionSurvey,
): RotationError | undefined {
  const tags = tagsIn(secret.Tags)
  const region = regionIn(secret.ARN) ?? ''
  if (!isReplica(secret))
    return new StandsAlone(
      homeIn(tags) === from
        ? `its tag keyturn:home says ${from}, and it is a secret of its own here, so nothing of what is stored there comes here: if nobody here reads it, delete it and add the replica again`
        : `its promotion has not come to its end: promote it again`,
    )
  if (homeIn(tags) === region)
    return new NotAtHome(
      `its tag keyturn:home says ${region}, where it is a replica, so it rotates nowhere: promote it with --planned, or set the tag of the primary to ${from}`,
    )
  const givenUp = givenUpIn(tags)[region]
  if (givenUp !== undefined)
    return new ReplicasBehind(
      `${from} has given up this Region (${givenUp}): it does not wait for the replica, and would go on rotating beside what is promoted here: keyturn replicas --add ${region}, in ${from}`,
    )
  const primary = there?.find(({ ARN = '' }) => ARN === arnInRegion(secret.ARN ?? '', from))
  const [current, own] = [primary, secret].map(each => currentVersionIn(each?.SecretVersionsToStages))
  const isSettled = now.getTime() - Number(primary?.LastChangedDate ?? 0) > REPLICATION_SLACK_MS
  if (!primary || current === own || !isSettled) return undefined
  return new ReplicasBehind(
    `the replica here has version ${own ?? 'none'}, and current in ${from} is ${current}`,
  )
}

/** The secrets of the other Region that are at home there and have no replica here, as far as the lists of both Regions tell. */
export function findUnreplicated({ from, here, there = [] }: RegionSurvey): SecretListEntry[] {
  const arns = new Set(here.map(({ ARN = '' }) => arnInRegion(ARN, from)))
  return there.filter(
    secret =>
      isPromotable(secret) && !isReplica(secret) && homeOf(secret) === from && !arns.has(secret.ARN ?? ''),
  )
}

/**
 * Candidates for secrets of the other Region that should have a replica in this one and have none.
 * @param region this Region
 */
export function toMissingCandidates(
  secrets: SecretListEntry[],
  { from, here }: RegionSurvey,
  region: string,
): Candidate[] {
  return secrets.map(({ ARN = '', Name: name = '' }) =>
    toMissingCandidate({ arn: arnInRegion(ARN, region), name, from }, here),
  )
}

/** Candidates for the secrets without a replica that the last rehearsal found, for when the other Region does not answer. */
export function missingInLastRehearsal({ from, here, rehearsals }: RegionSurvey): Candidate[] {
  const arns = new Set(here.map(({ ARN = '' }) => ARN))
  const errors: string[] = [new ReplicaMissing().name, new StandsAlone().name]
  return rehearsals
    .filter(
      ({ error = '', ...note }) => note.from === from && errors.includes(error) && !arns.has(note.credential),
    )
    .map(({ credential: arn, name }) => toMissingCandidate({ arn, name, from }, here))
}

/** A candidate whose problem is that there is no replica, or that another secret has its name. */
function toMissingCandidate(
  which: Pick<Candidate, 'arn' | 'name' | 'from'>,
  here: SecretListEntry[],
): Candidate {
  const other = here.find(({ Name }) => Name === which.name)
  const problem = other
    ? new StandsAlone(`another secret of this name stands here, ${other.ARN}, so there can be no replica`)
    : new ReplicaMissing('there is no replica here')
  return { ...which, refused: [], problem: toProblem(problem) }
}

const homeOf = ({ Tags }: SecretListEntry) => homeIn(tagsIn(Tags))

/** Whether Keyturn may promote a secret, provided that it is a replica. A secret that a service of AWS manages has no replicas. */
const isPromotable = ({ Tags, DeletedDate, OwningService }: SecretListEntry) =>
  (isManaged(tagsIn(Tags)) || isAdmin(tagsIn(Tags))) && !DeletedDate && !OwningService

const toProblem = ({ name, message }: RotationError) => ({ Error: name, Cause: message })

/** How many candidates one page has at most, and how many bytes they take as JSON, so that a state can hold them. */
const PAGE_LIMITS = { most: 200, bytes: 100_000 }

/**
 * The next page of candidates. Admins come first, and a page has either admins or others, as others may need the admins' secrets.
 * @param after the `after` of the page before; '' for the first page
 * @returns `after` is unset on the last page
 */
export function nextPageOf(all: Candidate[], after = ''): { items: Candidate[]; after?: string } {
  const rest = all
    .map(candidate => ({ candidate, key: orderKeyOf(candidate) }))
    .filter(({ key }) => key > after)
  rest.sort((a, b) => (a.key < b.key ? -1 : 1))
  let room = PAGE_LIMITS.bytes
  const isAdmin = rest[0]?.candidate.admin
  const page = rest
    .slice(0, PAGE_LIMITS.most)
    .filter(({ candidate }) => candidate.admin === isAdmin)
    .filter(({ candidate }) => {
      room -= Buffer.byteLength(JSON.stringify(candidate))
      return room > 0
    })
  const last = page.length < rest.length ? page.at(-1)?.key : undefined
  return { items: page.map(({ candidate }) => candidate), ...(last !== undefined && { after: last }) }
}

/** The key by which candidates are ordered: admins before others, then by ARN. */
const orderKeyOf = ({ admin, arn }: Candidate) => `${admin ? 0 : 1} ${arn}`
