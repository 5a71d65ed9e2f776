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
import { openStore, type Pipeline } from '../pipeline.ts'
import type { Description, Stage, Store } from '../stores/store.ts'
import { tryLogin } from '../strategies/login.ts'
import { givenUpIn, homeIn } from '../tags.ts'
import { type HostSources, moveToThisRegion } from './moveToThisRegion.ts'

/** Which version of which secret is to be found. */
export type VersionSearch = {
  /** The ARN in this Region. */
  arn: string
  /** The Region that was lost. */
  from: string
  /** The logins that were refused before, `VERSION@host:port` each. */
  refused: string[]
  /** Nothing is lost yet: current alone is tried, and the server may be a standby. */
  rehearsal: boolean
}

/**
 * The version that logs in, by its id alone; or `error` and `reason` why there is none. `refused` are the logins that a server
 * refused, with those of before.
 */
export type FoundVersion = {
  version?: string
  stage?: Stage
  /** The version that was current. */
  current?: string
  error?: string
  reason?: string
  warnings: string[]
  refused: string[]
}

/** What is needed for it: of a pipeline no more than this. */
export type SearchPipeline = Pick<
  Pipeline,
  'store' | 'loadEngine' | 'readAdmin' | 'readConnection' | 'defaults'
> & {
  hosts: HostSources
}

type Candidate = { token: string; stage: Stage; credential: Credential }

/** In this order: a database that lags behind knows an older password than its secret, or one that was about to be current. */
const STAGES_IN_ORDER: readonly Stage[] = ['current', 'previous', 'pending']

/**
 * Finds which stored version of a secret logs in, now that the database of another Region is to be used. Each is tried once, as
 * servers lock accounts. Nothing is changed.
 * @throws InvalidCredential, HostUnmapped, StillStandby, NotPermitted, Unreachable, … unless a login was refused just before
 */
export async function findVersion(looking: SearchPipeline, wanted: VersionSearch): Promise<FoundVersion> {
  const { store, defaults } = looking
  const described = await store.describe(wanted.arn)
  if (described.owner)
    throw new InvalidCredential('id', `${described.owner} manages this secret: it is not promoted`)
  const options = parseRollbackOptions(described.tags, defaults)
  const versions = await versionsOf(looking, described, options, wanted)
  const [current] = versions
  if (current?.credential.engine === 'opaque')
    return {
      ...versionFields(current, described),
      warnings: ['no database knows it, so no login was tried'],
      refused: [],
    }
  const adminless = current && (await adminMissingWarning(store, current.credential, wanted))
  const refused = [...wanted.refused]
  if (adminless && wanted.rehearsal)
    return { error: new ReplicaMissing().name, reason: adminless, warnings: [], refused }
  const warnings = [
    adminless,
    givenUpWarning(described, wanted),
    standsAloneWarning(described, wanted),
  ].filter(text => text !== undefined)
  try {
    for (const version of versions) {
      const login = `${version.token}@${version.credential.address}`
      if (refused.includes(login)) continue
      const more = await tryVersion(looking, version.credential, wanted)
      if (more) return { ...versionFields(version, described), warnings: [...warnings, ...more], refused }
      refused.push(login)
    }
  } catch (error) {
    // A copy that lags behind may know by then what it refuses now: its refusals are forgotten.
    if (error instanceof StillStandby) throw error
    // Thrown, it would be tried again by the state machine, and what was refused with it.
    if (refused.length === wanted.refused.length || !(error instanceof RotationError)) throw error
    return { error: error.name, reason: error.message, warnings, refused }
  }
  const { name: error, message: reason } = new LoginRefused(
    allRefusedMessage(versions, refused.length - wanted.refused.length),
  )
  return { error, reason, warnings, refused }
}

const versionFields = ({ token, stage }: Candidate, { current = '' }: Description) => ({
  version: token,
  stage,
  current,
})

/** The versions that are to be tried, each with the host that it is to have here. */
async function versionsOf(
  looking: SearchPipeline,
  described: Description,
  options: RollbackOptions,
  { arn, from, rehearsal }: VersionSearch,
): Promise<Candidate[]> {
  const store = await openStore(looking, options)
  const found: Candidate[] = []
  for (const stage of rehearsal ? STAGES_IN_ORDER.slice(0, 1) : STAGES_IN_ORDER) {
    const token = described[stage]
    try {
      const version = token === undefined ? undefined : await store.read(arn, { token })
      if (!version || token === undefined) continue
      const credential = await moveToThisRegion(version.credential, options, from, looking.hosts)
      // Where somebody has edited another field it is the same login.
      const isTried = ({ credential: other }: Candidate) =>
        other.hasSameLogin(credential) && other.password === credential.password
      if (!found.some(isTried)) found.push({ token, stage, credential })
    } catch (error) {
      // What an application would not have got anyway may be of no use.
      if (stage === 'current' || !(error instanceof RotationError)) throw error
    }
  }
  if (!found.length) throw new InvalidCredential('value', 'the secret has no current version')
  return found
}

/**
 * Logs in once. What there is to warn of if that goes well; undefined if it is refused.
 * @throws StillStandby
 */
async function tryVersion(
  looking: SearchPipeline,
  credential: Credential,
  wanted: VersionSearch,
): Promise<string[] | undefined> {
  const { rehearsal } = wanted
  try {
    await using session = await tryLogin(await looking.loadEngine(credential.engine), credential)
    if (!session) return undefined
    const isStandby = !rehearsal && (await session.isStandby?.())
    if (isStandby && !(await isReaderHere(looking, credential, wanted))) throw stillStandby(credential)
    return session.behindPooler
      ? ['a pooler stands in between: the login shows what it knows, and not what the server does']
      : []
  } catch (error) {
    // A standby need not let anybody in, and need not run.
    if (rehearsal && error instanceof Unreachable && !isUnknownHost(error))
      return [`no login was tried: ${error.message}`]
    if (error instanceof Standby) throw stillStandby(credential)
    throw error
  }
}

/**
 * Whether the value is that of an application which only reads, from a server that follows another one in this Region: the one
 * that its admin logs in to takes changes.
 */
async function isReaderHere(
  looking: SearchPipeline,
  { masterarn, address }: Credential,
  { from }: VersionSearch,
): Promise<boolean> {
  if (!masterarn) return false
  try {
    const admin = await moveToThisRegion(await looking.readAdmin(masterarn), {}, from, looking.hosts)
    if (admin.address === address) return false
    await using session = await tryLogin(await looking.loadEngine(admin.engine), admin)
    return session !== undefined && !(await session.isStandby?.())
  } catch (error) {
    if (error instanceof RotationError) return false
    throw error
  }
}

/** What the map names may be no host at all. */
const isUnknownHost = ({ message }: Error) => message.includes('ENOTFOUND')

const stillStandby = ({ server }: Credential) =>
  new StillStandby(`${server} takes no changes: promote the database, then promote again`)

/** What is wrong with the admin that a value names, if so. An application needs none, so the value is promoted all the same. */
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

/** What is wrong with one that somebody promoted by hand, or that is left of a promotion long ago. */
function standsAloneWarning(
  { primaryRegion, tags }: Description,
  { from }: VersionSearch,
): string | undefined {
  if (primaryRegion !== undefined || homeIn(tags) !== from) return undefined
  return `it was a secret of its own already: what was stored in ${from} since then has not come here`
}

/** What is wrong if the lost Region has given this one up: it does not ask whether the secret was promoted here. */
function givenUpWarning({ tags }: Description, { arn, from }: VersionSearch): string | undefined {
  const region = regionIn(arn) ?? ''
  if (givenUpIn(tags)[region] === undefined) return undefined
  return `${from} has given up ${region}, so once it is back it would rotate this secret too: set the tag keyturn:home of the one there to ${region} before`
}

function allRefusedMessage(versions: Candidate[], tries: number): string {
  const [current] = versions
  const login = `${current?.credential}`
  if (!tries) return `${login}: every version was refused before, and none was tried again`
  return `${login}: every version that is labelled is refused, ${versions.map(({ stage }) => stage).join(', ')}`
}
