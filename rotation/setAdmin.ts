import { hash } from 'node:crypto'
import { readAdminOf } from './admin.ts'
import { Credential } from './credential.ts'
import { InvalidCredential, InvalidOption, LoginRefused, NotPermitted, RotationInProgress } from './errors.ts'
import { addJsonMember } from './exactJson.ts'
import type { Options } from './options.ts'
import { refuseOtherPending } from './otherPending.ts'
import type { Pipeline } from './pipeline.ts'
import { optionsOf, planOf } from './plan.ts'
import {
  isEnrolled,
  refuseObstacle,
  refuseOtherRegion,
  refuseReplicasBehind,
  requireHost,
} from './refusals.ts'
import type { Edits } from './stores/edits.ts'
import type { Description, Version } from './stores/store.ts'
import { strategies } from './strategies/index.ts'
import { logsIn } from './strategies/login.ts'
import { isAdmin, strategyIn } from './tags.ts'

/** What naming an admin works with. */
export type EditPipeline = Pipeline & {
  edits: Edits
  /** Labels and tags of the admin's secret, without its value. */
  describeAdmin(arn: string): Promise<Description>
  /** ARNs of admins' secrets besides those that are tagged. */
  listedAdmins: string[]
  /** ARN of this stack's rotation function. */
  rotationFunction: string
}

/** `started` is when the execution began, in milliseconds: what is younger is its own work, also if an answer was lost. */
type AdminToSet = { id: string; admin: string; started: number }

/**
 * `set` names the new version, the one that it replaced, and since when the password is there (ISO 8601). `already`:
 * the value named this admin before.
 */
export type SetAdminResult = { arn?: string } & (
  | { outcome: 'already' }
  | { outcome: 'set'; version: string; replaced: string; made?: string; passwordSince?: string }
)

/**
 * Adds `masterarn` to a stored value, or names another admin in the place of one that it added itself; all else stays byte for
 * byte. Nothing is written, and the admin's value is not read,
 * before current has logged in, by the proof of a rotation; nobody logs in as the admin.
 * @throws InvalidCredential, InvalidOption, NotAtHome, RotationInProgress, RotationAbandoned, ReplicasBehind, LoginRefused,
 *   HostMismatch, NotPermitted, Superseded …
 */
export async function setAdmin(pipeline: EditPipeline, wanted: AdminToSet): Promise<SetAdminResult> {
  const { store, edits } = pipeline
  const { id, admin } = wanted
  const found = await store.describe(id)
  refuseUnmanaged(pipeline, found, id)
  const options = optionsOf(found, pipeline)
  refuseOtherRegion(found, options)
  refuseNoUser(found, options)
  if (found.arn === admin)
    throw new InvalidCredential('admin', "should be another secret than the user's own")
  const exactly = store.withParser(Credential.parseOpaque)
  const version = await exactly.read(id, { stage: 'current' })
  if (!version) throw new InvalidCredential('value', 'the secret has no current version; store a first value')
  const text = version.credential.serialize()
  const current = Credential.parse(text)
  requireHost(current)
  if (current.masterarn === admin) return completeEarlierEdit(pipeline, found, version, wanted)
  const bare = current.masterarn ? await readBeforeEdits(pipeline, found, id, version) : version
  if (!bare)
    throw new InvalidCredential(
      'masterarn',
      `names another admin, ${current.masterarn}, and it was not set-admin that named it last: keep that one, or exchange it in the value by hand`,
    )
  const bareText = bare.credential.serialize()
  const token = editTokenOf(found.arn ?? id, version.token, admin)
  refuseObstacle(found)
  await refuseOtherPending(pipeline, found, token)
  refuseReplicasBehind(found, { empty: [] })
  await refuseOtherEdit(pipeline, id, token, bareText)
  await requireAdminSecret(pipeline, admin)
  await requireAdminFor(pipeline, current.with({ masterarn: admin }), options)
  const edited = addJsonMember(bareText, 'masterarn', admin)
  Credential.parse(edited)
  await edits.make({ id, token, replacing: version.token, text: edited })
  return { ...arnField(found), ...(await resultOfEdit(pipeline, id, token, version.token, bare.created)) }
}

/** The same for the same try, whoever makes it, so that what one has begun the next one completes. No value is in it. */
const editTokenOf = (...parts: string[]) => hash('sha256', JSON.stringify(parts))

const arnField = ({ arn }: Description) => (arn ? { arn } : {})

/** IAM says the same of a deployment's own role; here it is said why. */
function refuseUnmanaged({ rotationFunction }: EditPipeline, found: Description, id: string): void {
  if (isEnrolled(found, rotationFunction)) return
  throw new NotPermitted(`${id} is not Keyturn's to change: tag it keyturn:managed=true`)
}

/** Whose value has no user, or is an admin's own, is rotated by no admin. */
function refuseNoUser({ tags }: Description, { engine, connection }: Options): void {
  const kind = connection ? 'keyturn:connection' : engine ? 'keyturn:engine' : undefined
  if (kind)
    throw new InvalidOption(kind, 'says that no user is in the value: such a one never rotates by an admin')
  if (isAdmin(tags))
    throw new InvalidOption('keyturn:admin', "is set, so this is an admin's own secret: it should name none")
  if (!strategyIn(tags))
    throw new InvalidOption(
      'keyturn:strategy',
      'should be set before an admin is named: a value with an admin and no such tag rotates as alternating-users',
    )
}

/** Nothing is written but what a try that died left to be completed. */
async function completeEarlierEdit(
  pipeline: EditPipeline,
  found: Description,
  version: Version,
  { id, admin, started }: AdminToSet,
): Promise<SetAdminResult> {
  const { token, created = 0 } = version
  const { previous } = found
  const isOwn = previous !== undefined && token === editTokenOf(found.arn ?? id, previous, admin)
  const done = isOwn && (await pipeline.edits.finish({ id, token, replacing: previous }))
  if (!isOwn || !(done || created >= started)) return { ...arnField(found), outcome: 'already' }
  const bare = await readBeforeEdits(pipeline, found, id, version)
  return { ...arnField(found), ...(await resultOfEdit(pipeline, id, token, previous, bare?.created)) }
}

async function resultOfEdit(
  { store }: EditPipeline,
  id: string,
  token: string,
  replaced: string,
  since: number | undefined,
): Promise<SetAdminResult> {
  const made = (await store.withParser(Credential.parseOpaque).read(id, { token }))?.created
  const at = (time: number | undefined) => (time === undefined ? undefined : new Date(time).toISOString())
  const [madeAt, passwordSince] = [at(made), at(since)]
  return {
    outcome: 'set',
    version: token,
    replaced,
    ...(madeAt && { made: madeAt }),
    ...(passwordSince && { passwordSince }),
  }
}

/**
 * The version without an admin of which set-admin made this one, perhaps by naming another admin first. Undefined if anybody else
 * has written in between, and for a version that no edit made.
 */
async function readBeforeEdits(
  { store }: EditPipeline,
  found: Description,
  id: string,
  version: Version,
): Promise<Version | undefined> {
  const tokens = await store.listTokens(id)
  const exactly = store.withParser(Credential.parseOpaque)
  const follow = async (edited: Version): Promise<Version | undefined> => {
    const text = edited.credential.serialize()
    const admin = adminIn(text)
    if (!admin) return edited
    const made = tokens.find(token => editTokenOf(found.arn ?? id, token, admin) === edited.token)
    const from = made === undefined ? undefined : await exactly.read(id, { token: made })
    const bare = from && (await follow(from))
    return bare && addJsonMember(bare.credential.serialize(), 'masterarn', admin) === text ? bare : undefined
  }
  return follow(version)
}

/**
 * A try for another admin that died, or is at work; one for a version that is current no more is taken back.
 * @throws RotationInProgress
 */
async function refuseOtherEdit(
  { store, edits }: EditPipeline,
  id: string,
  token: string,
  text: string,
): Promise<void> {
  const begun = await edits.findUnfinished(id)
  if (!begun || begun === token) return
  const other = (
    await store.withParser(Credential.parseOpaque).read(id, { token: begun })
  )?.credential.serialize()
  const admin = other && adminIn(other)
  if (!admin || addJsonMember(text, 'masterarn', admin) !== other) {
    await edits.finish({ id, token: begun, replacing: '' })
    return
  }
  throw new RotationInProgress(
    `version ${begun}, which names another admin, ${admin}, was to become current: start it again with that one, or take the label keyturn-edit off that version`,
  )
}

function adminIn(text: string): string | undefined {
  try {
    return Credential.parse(text).masterarn
  } catch {
    return undefined
  }
}

/** @throws NotPermitted, InvalidCredential */
async function requireAdminSecret({ describeAdmin, listedAdmins }: EditPipeline, arn: string): Promise<void> {
  const untagged = new NotPermitted(
    `${arn} is no admin's secret that Keyturn may read: tag it keyturn:admin=true, or name it in the deployment's adminSecretArns`,
  )
  const found = await describeAdmin(arn).catch(error => {
    throw error instanceof NotPermitted ? untagged : error
  })
  if (!isAdmin(found.tags) && !listedAdmins.includes(arn)) throw untagged
  if (found.arn !== arn)
    throw new InvalidCredential('admin', `should be the secret's whole ARN, which is ${found.arn}`)
}

/** @throws LoginRefused before the admin's value is read; as adminOf */
async function requireAdminFor(pipeline: Pipeline, wanted: Credential, options: Options): Promise<void> {
  const { strategy, nextUser } = planOf(wanted, options)
  if (options.strategy === 'temporary-clone' && strategies[strategy].isOnClone?.(wanted.username))
    throw new RotationInProgress('the application is on a temporary clone, until its grace time is over')
  const engine = await pipeline.loadEngine(wanted.engine)
  if (!(await logsIn(engine, wanted)))
    throw new LoginRefused(`${wanted}: current was refused, so the admin's value was not read`)
  await readAdminOf(pipeline, wanted, [wanted.username, nextUser])
}
