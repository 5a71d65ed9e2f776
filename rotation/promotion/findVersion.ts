import { arnInRegion, regionIn } from '../arn.ts'
import type { Credential } from '../credential.ts'
import { Standby } from '../engines/standby.ts'
import {
  InvalidCredential,
  LoginRefused,
  NotPermitted,
  ReplicaMissing,
  RotationError,
  StillStandby,
  Unreachable,
} from '../errors.ts'
import { parseRollbackOptions, type RollbackOptions } from '../options.ts'
import type { Pipeline } from '../pipeline.ts'
import { openStore } from '../storedVersions.ts'
import type { Description, Stage, Store } from '../stores/store.ts'
import { tryLogin } from '../strategies/login.ts'
import { givenUpIn, homeIn } from '../tags.ts'
import { type HostSources, moveToThisRegion } from './moveToThisRegion.ts'

/** The secret whose version is to be found, and how. */
export type VersionSearch = {
  /** The ARN of the replica in this Region. */
  arn: string
  /** The Region that was lost. */
  from: string
  /** The logins that were refused in earlier tries, each as `VERSION@host:port`. They are not tried again. */
  refused: string[]
  /**
   * Whether this is a rehearsal, before a Region is lost. Then only the current version is tried, and the server may be a
   * standby.
   */
  rehearsal: boolean
}

/** The result of a search: the version that logs in, or why there is none. */
export type FoundVersion = {
  /** The token of the version that logs in. */
  version?: string
  /** The stage of that version. */
  stage?: Stage
  /** The token of the version that was current when `version` logged in. */
  current?: string
  /** The name of the error, if no version was found. */
  error?: string
  /** The message of the error. */
  reason?: string
  warnings: string[]
  /** The logins that were refused, in this try and earlier ones, each as `VERSION@host:port`. */
  refused: string[]
}

/** The part of a pipeline that the search needs. */
export type SearchPipeline = Pick<
  Pipeline,
  'store' | 'loadEngine' | 'readAdmin' | 'readConnection' | 'defaults'
> & {
  hosts: HostSources
}

/** A stored version that may log in. `credential` has the host of this Region. */
type Candidate = { token: string; stage: Stage; credential: Credential }

/**
 * The order in which versions are tried. The copy of a database may lag behind, and know only the previous password; or it may know
 * the pending one, if a rotation had set that when the Region was lost.
 */
const STAGES_IN_ORDER: readonly Stage[] = ['current', 'previous', 'pending']

/**
 * Finds the stored version of a secret that logs in to the database of this Region, after another Region was lost. Each version is
 * tried once, as servers lock accounts after several refused logins. Nothing is changed.
 * @throws InvalidCredential, HostUnmapped, StillStandby, NotPermitted, Unreachable, or what else a login throws. If a login was
 *   refused before in this try, such an error is returned instead, except for StillStandby.
 */
export async function findVersion(pipeline: SearchPipeline, search: VersionSearch): Promise<FoundVersion> {
  const { store, defaults } = pipeline
  const described = await store.describe(search.arn)
  if (described.owner)
    throw new InvalidCredential('id', `${described.owner} manages this secret: it is not promoted`)
  const options = parseRollbackOptions(described.tags, defaults)
  const versions = await versionsOf(pipeline, described, options, search)
  // The current version, unless it has no value.
  const [first] = versions
  if (first?.credential.engine === 'opaque')
    return {
      ...versionFields(first, described),
      warnings: ['no database knows it, so no login was tried'],
      refused: [],
    }

  const adminMissing = first && (await adminMissingWarning(store, first.credential, search))
  const refused = [...search.refused]
  if (adminMissing && search.rehearsal)
    return { error: new ReplicaMissing().name, reason: adminMissing, warnings: [], refused }
  const warnings = [
    adminMissing,
    givenUpWarning(described, search),
    standsAloneWarning(described, search),
  ].filter(text => text !== undefined)

  try {
    for (const version of versions) {
      const login = `${version.token}@${version.credential.address}`
      if (refused.includes(login)) continue
      const loginWarnings = await tryVersion(pipeline, version.credential, search)
      if (loginWarnings)
        return { ...versionFields(version, described), warnings: [...warnings, ...loginWarnings], refused }
      refused.push(login)
    }
  } catch (error) {
    // A standby may still receive the password that it refuses now, so the refused logins of this try are not kept.
    if (error instanceof StillStandby) throw error
    // If this error were thrown, a retry of the state machine would try the refused logins again too. So the error is returned.
    if (refused.length === search.refused.length || !(error instanceof RotationError)) throw error
    return { error: error.name, reason: error.message, warnings, refused }
  }
  const { name: error, message: reason } = new LoginRefused(
    allRefusedMessage(versions, refused.length - search.refused.length),
  )
  return { error, reason, warnings, refused }
}

/** The fields of the result for a version that was found. */
const versionFields = ({ token, stage }: Candidate, { current = '' }: Description) => ({
  version: token,
  stage,
  current,
})

/** The versions to try, each with the host of this Region. A login that two versions share is tried once. */
async function versionsOf(
  pipeline: SearchPipeline,
  described: Description,
  options: RollbackOptions,
  { arn, from, rehearsal }: VersionSearch,
): Promise<Candidate[]> {
  const store = await openStore(pipeline, options)
  const candidates: Candidate[] = []
  for (const stage of rehearsal ? STAGES_IN_ORDER.slice(0, 1) : STAGES_IN_ORDER) {
    const token = described[stage]
    try {
      const version = token === undefined ? undefined : await store.read(arn, { token })
      if (!version || token === undefined) continue
      const credential = await moveToThisRegion(version.credential, options, from, pipeline.hosts)
      const isSameLogin = ({ credential: other }: Candidate) =>
        other.isForSameUser(credential) && other.password === credential.password
      if (!candidates.some(isSameLogin)) candidates.push({ token, stage, credential })
    } catch (error) {
      // Applications read the current version, so that one has to be usable. Another one that cannot be used is skipped.
      if (stage === 'current' || !(error instanceof RotationError)) throw error
    }
  }
  if (!candidates.length) throw new InvalidCredential('value', 'the secret has no current version')
  return candidates
}

/**
 * Logs in once.
 * @returns warnings, if the login is accepted; undefined if it is refused
 * @throws StillStandby if the server takes no changes, although it should after its promotion
 */
async function tryVersion(
  pipeline: SearchPipeline,
  credential: Credential,
  search: VersionSearch,
): Promise<string[] | undefined> {
  const { rehearsal } = search
  try {
    await using session = await tryLogin(await pipeline.loadEngine(credential.engine), credential)
    if (!session) return undefined
    const isStandby = !rehearsal && (await session.isStandby?.())
    if (isStandby && !(await isReaderHere(pipeline, credential, search))) throw stillStandbyError(credential)
    return session.isBehindPooler
      ? ['a pooler stands in between: the login shows what it knows, and not what the server does']
      : []
  } catch (error) {
    // In a rehearsal the database of this Region is a standby, which may refuse all logins or not run at all.
    if (rehearsal && error instanceof Unreachable && !isUnknownHost(error))
      return [`no login was tried: ${error.message}`]
    if (error instanceof Standby) throw stillStandbyError(credential)
    throw error
  }
}

/**
 * Whether the value is for an application that only reads, from a read replica of a server in this Region. The value's admin then
 * logs in to that server, which takes changes.
 */
async function isReaderHere(
  pipeline: SearchPipeline,
  { masterarn, address }: Credential,
  { from }: VersionSearch,
): Promise<boolean> {
  if (!masterarn) return false
  try {
    const admin = await moveToThisRegion(await pipeline.readAdmin(masterarn), {}, from, pipeline.hosts)
    if (admin.address === address) return false
    await using session = await tryLogin(await pipeline.loadEngine(admin.engine), admin)
    return session !== undefined && !(await session.isStandby?.())
  } catch (error) {
    if (error instanceof RotationError) return false
    throw error
  }
}

/** Whether the error says that the host's name does not exist. That does not pass: the host map may name a wrong host. */
const isUnknownHost = ({ message }: Error) => message.includes('ENOTFOUND')

const stillStandbyError = ({ server }: Credential) =>
  new StillStandby(`${server} takes no changes: promote the database, then promote again`)

/**
 * A warning if the secret of the value's admin has no replica in this Region. Applications do not need the admin, so the secret is
 * promoted all the same.
 */
async function adminMissingWarning(
  store: Store,
  { masterarn }: Credential,
  { arn }: VersionSearch,
): Promise<string | undefined> {
  if (!masterarn) return undefined
  const here = arnInRegion(masterarn, regionIn(arn) ?? '')
  try {
    await store.describe(here)
    return undefined
  } catch (error) {
    if (!(error instanceof InvalidCredential) && !(error instanceof NotPermitted)) throw error
    return `there is no replica of its admin's secret here that may be looked at, so it cannot rotate as its value says: ${here}`
  }
}

/**
 * A warning if the secret is no replica, and its home is the lost Region: somebody promoted the replica by hand, or this is the old
 * secret that an earlier promotion, of a replica in the lost Region, has left here.
 */
function standsAloneWarning(
  { primaryRegion, tags }: Description,
  { from }: VersionSearch,
): string | undefined {
  if (primaryRegion !== undefined || homeIn(tags) !== from) return undefined
  return `it was a secret of its own already: what was stored in ${from} since then has not come here`
}

/**
 * A warning if the lost Region had given this Region up: once it is back, its rotations would not ask whether the secret was
 * promoted here.
 */
function givenUpWarning({ tags }: Description, { arn, from }: VersionSearch): string | undefined {
  const region = regionIn(arn) ?? ''
  if (givenUpIn(tags)[region] === undefined) return undefined
  return `${from} has given up ${region}, so once it is back it would rotate this secret too: set the tag keyturn:home of the one there to ${region} before`
}

/** The message of LoginRefused if no version logs in. `tries` is how many versions were tried this time. */
function allRefusedMessage(versions: Candidate[], tries: number): string {
  const [current] = versions
  const login = `${current?.credential}`
  if (!tries) return `${login}: every version was refused before, and none was tried again`
  return `${login}: every version that is labelled is refused, ${versions.map(({ stage }) => stage).join(', ')}`
}
