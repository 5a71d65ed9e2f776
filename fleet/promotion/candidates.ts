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

/** A credential of the Region that is given up, as a promotion goes through them. */
export type Candidate = {
  /** Its ARN in this Region. */
  arn: string
  name: string
  from: string
  /** An admin's: others may need it, so it comes first. */
  admin?: true
  /** The logins that were refused before, `VERSION@host:port` each. */
  refused: string[]
  /** Known before anything is tried: it is named, and not promoted. */
  problem?: { Error: string; Cause: string }
}

/** What is known of one Region that may be lost, seen from this one. Secrets are as ListSecrets tells them. */
export type RegionSurvey = {
  from: string
  here: SecretListEntry[]
  /** Those of the other Region; undefined if it does not answer. */
  there?: SecretListEntry[] | undefined
  /** What earlier promotions and rehearsals have noted. */
  promotions: PromotionNote[]
  rehearsals: PromotionNote[]
  rehearsal: boolean
  now: Date
}

/** Milliseconds that a change has to come to a replica before a rehearsal calls that late. */
const REPLICATION_SLACK_MS = 3_600_000

/**
 * What there is to promote, of all that Keyturn may reach: the replicas of the other Region's secrets, what a promotion has
 * begun with, and what somebody promoted by hand.
 */
export function candidatesOf(known: RegionSurvey): Candidate[] {
  const { from, promotions, here, rehearsal } = known
  const noted = new Map(promotions.filter(one => one.from === from).map(one => [one.credential, one]))
  const isWanted = (secret: SecretListEntry) => {
    if (!isPromotable(secret)) return false
    if (isReplica(secret)) return secret.PrimaryRegion === from
    const outcome = noted.get(secret.ARN ?? '')?.outcome
    return homeOf(secret) === from || outcome === 'begun' || outcome === 'failed'
  }
  return here.filter(isWanted).map(secret => {
    const { ARN: arn = '', Name: name = '' } = secret
    const problem = rehearsal ? findUnreadiness(secret, known) : undefined
    return {
      ...{ arn, name, from, refused: noted.get(arn)?.refused ?? [] },
      ...(isAdmin(tagsIn(secret.Tags)) && { admin: true as const }),
      ...(problem && { problem: toProblem(problem) }),
    }
  })
}

/** What a rehearsal can tell by the lists alone: nothing may be half done, nor this Region be one that nobody waits for. */
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
      `its tag keyturn:home says ${region}, where it is a replica, so it rotates nowhere: promote it with planned, or set the tag of the primary to ${from}`,
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

/** The secrets of the other Region that are at home there, and have no replica here by the lists of both. */
export function findUnreplicated({ from, here, there = [] }: RegionSurvey): SecretListEntry[] {
  const arns = new Set(here.map(({ ARN = '' }) => arnInRegion(ARN, from)))
  return there.filter(
    secret =>
      isPromotable(secret) && !isReplica(secret) && homeOf(secret) === from && !arns.has(secret.ARN ?? ''),
  )
}

/** What should have a replica here and has none. `region` is this one. */
export function toMissingCandidates(
  secrets: SecretListEntry[],
  { from, here }: RegionSurvey,
  region: string,
): Candidate[] {
  return secrets.map(({ ARN = '', Name: name = '' }) =>
    toMissingCandidate({ arn: arnInRegion(ARN, region), name, from }, here),
  )
}

/** The same by the last rehearsal, for a Region that does not answer. */
export function missingInLastRehearsal({ from, here, rehearsals }: RegionSurvey): Candidate[] {
  const arns = new Set(here.map(({ ARN = '' }) => ARN))
  const errors: string[] = [new ReplicaMissing().name, new StandsAlone().name]
  return rehearsals
    .filter(
      ({ error = '', ...one }) => one.from === from && errors.includes(error) && !arns.has(one.credential),
    )
    .map(({ credential: arn, name }) => toMissingCandidate({ arn, name, from }, here))
}

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

/** What Keyturn may promote. What another service manages has no replica. */
const isPromotable = ({ Tags, DeletedDate, OwningService }: SecretListEntry) =>
  (isManaged(tagsIn(Tags)) || isAdmin(tagsIn(Tags))) && !DeletedDate && !OwningService

const toProblem = ({ name, message }: RotationError) => ({ Error: name, Cause: message })

/** As many candidates as a state can hold, and the bytes that they may take there. */
const PAGE_LIMITS = { most: 200, bytes: 100_000 }

/**
 * The next candidates after one of an earlier page, by name: admins first, and never beside others, which may need them.
 * @returns also the key of the last one, by which the next page is asked for; none if there is no more
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

const orderKeyOf = ({ admin, arn }: Candidate) => `${admin ? 0 : 1} ${arn}`
