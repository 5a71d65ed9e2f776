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

/** A rotation's pipeline, and what setAdmin needs beside it. */
export type EditPipeline = Pipeline & {
  edits: Edits
  /** Reads labels and tags of the admin's secret, without its value. */
  describeAdmin(arn: string): Promise<Description>
  /** ARNs of admins' secrets that the deployment names, which need no tag. */
  listedAdmins: string[]
  /** ARN of this stack's rotation function. */
  rotationFunction: string
}

/**
 * The secret `id` and the ARN of the admin's secret that its value should name. `started` is when the execution began, in
 * milliseconds since 1970: an edit's version that is younger was made by this execution, even if an earlier try did not learn it.
 */
type AdminToSet = { id: string; admin: string; started: number }

/**
 * The result of setAdmin:
 *
 * - `already`: the value named this admin before.
 * - `set`: the version `version` was made, and took the place of the version `replaced`. `made` is the time at which it was made,
 *   and `passwordSince` the time since which its password has been stored, both in ISO 8601.
 */
export type SetAdminResult = { arn?: string } & (
  | { outcome: 'already' }
  | { outcome: 'set'; version: string; replaced: string; made?: string; passwordSince?: string }
)

/**
 * Names an admin in a stored value: adds `masterarn`, or replaces one that setAdmin itself has added. The rest of the value stays
 * byte for byte as it is. Before anything is written or the admin's value is read, the current value has to log in, as in a
 * rotation. The admin's value is read to compare servers, not to log in.
 * @throws InvalidCredential, InvalidOption, NotAtHome, RotationInProgress, RotationAbandoned, ReplicasBehind, Conflict,
 *   LoginRefused, HostMismatch, NotPermitted, Superseded, or what else the login or the store throws
 */
export async function setAdmin(pipeline: EditPipeline, wanted: AdminToSet): Promise<SetAdminResult> {
  const { store, edits } = pipeline
  const { id, admin } = wanted
  const found = await store.describe(id)
  requireEnrolled(pipeline, found, id)
  const options = optionsOf(found, pipeline)
  refuseOtherRegion(found, options)
  refuseUnfitForAdmin(found, options)
  if (found.arn === admin)
    throw new InvalidCredential('admin', "should be another secret than the user's own")

  const textStore = store.withParser(Credential.parseOpaque)
  const version = await textStore.read(id, { stage: 'current' })
  if (!version) throw new InvalidCredential('value', 'the secret has no current version; store a first value')
  const text = version.credential.serialize()
  const current = Credential.parse(text)
  requireHost(current)
  if (current.masterarn === admin) return completeEarlierEdit(pipeline, found, version, wanted)
  const withoutAdmin = current.masterarn ? await readBeforeEdits(pipeline, found, id, version) : version
  if (!withoutAdmin)
    throw new InvalidCredential(
      'masterarn',
      `names another admin, ${current.masterarn}, and it was not set-admin that named it last: keep that one, or exchange it in the value by hand`,
    )

  const textWithoutAdmin = withoutAdmin.credential.serialize()
  const token = editTokenOf(found.arn ?? id, version.token, admin)
  refuseObstacle(found)
  await refuseOtherPending(pipeline, found, token)
  refuseReplicasBehind(found, { empty: [] })
  await refuseOtherEdit(pipeline, id, token, textWithoutAdmin)
  await requireAdminSecret(pipeline, admin)
  await requireAdminFor(pipeline, current.with({ masterarn: admin }), options)

  const edited = addJsonMember(textWithoutAdmin, 'masterarn', admin)
  Credential.parse(edited)
  await edits.make({ id, token, replacing: version.token, text: edited })
  const result = await resultOfEdit(pipeline, id, token, version.token, withoutAdmin.created)
  return { ...arnField(found), ...result }
}

/**
 * The token of the version that an edit makes: a hash of the secret's ARN, the version that it replaces, and the admin's ARN. Two
 * tries of the same edit have the same token, so the second one completes the first. It depends on no secret value.
 */
const editTokenOf = (...parts: string[]) => hash('sha256', JSON.stringify(parts))

const arnField = ({ arn }: Description) => (arn ? { arn } : {})

/** Checks that Keyturn may change the secret. IAM would refuse it too, without the reason. @throws NotPermitted */
function requireEnrolled({ rotationFunction }: EditPipeline, found: Description, id: string): void {
  if (isEnrolled(found, rotationFunction)) return
  throw new NotPermitted(`${id} is not Keyturn's to change: tag it keyturn:managed=true`)
}

/**
 * Refuses a secret whose value should not name an admin: a value without a user, an admin's own secret, or one without a tag for
 * its strategy, which an admin's name in the value would change.
 * @throws InvalidOption
 */
function refuseUnfitForAdmin({ tags }: Description, { engine, connection }: Options): void {
  const formatTag = connection ? 'keyturn:connection' : engine ? 'keyturn:engine' : undefined
  if (formatTag)
    throw new InvalidOption(
      formatTag,
      'says that no user is in the value: such a one never rotates by an admin',
    )
  if (isAdmin(tags))
    throw new InvalidOption('keyturn:admin', "is set, so this is an admin's own secret: it should name none")
  if (!strategyIn(tags))
    throw new InvalidOption(
      'keyturn:strategy',
      'should be set before an admin is named: a value with an admin and no such tag rotates as alternating-users',
    )
}

/**
 * The result where the value names this admin already. If an earlier try of this edit died after it had made the version current,
 * this completes the edit.
 */
async function completeEarlierEdit(
  pipeline: EditPipeline,
  found: Description,
  version: Version,
  { id, admin, started }: AdminToSet,
): Promise<SetAdminResult> {
  const { token, created = 0 } = version
  const { previous } = found
  const isEdit = previous !== undefined && token === editTokenOf(found.arn ?? id, previous, admin)
  const wasUnfinished = isEdit && (await pipeline.edits.finish({ id, token, replacing: previous }))
  if (!isEdit || !(wasUnfinished || created >= started)) return { ...arnField(found), outcome: 'already' }
  const withoutAdmin = await readBeforeEdits(pipeline, found, id, version)
  const result = await resultOfEdit(pipeline, id, token, previous, withoutAdmin?.created)
  return { ...arnField(found), ...result }
}

/** The result `set`. `since` is the time since which the password has been stored, in milliseconds since 1970. */
async function resultOfEdit(
  { store }: EditPipeline,
  id: string,
  token: string,
  replaced: string,
  since: number | undefined,
): Promise<SetAdminResult> {
  const made = (await store.withParser(Credential.parseOpaque).read(id, { token }))?.created
  const toIso = (time: number | undefined) => (time === undefined ? undefined : new Date(time).toISOString())
  const [madeAt, passwordSince] = [toIso(made), toIso(since)]
  return {
    outcome: 'set',
    version: token,
    replaced,
    ...(madeAt && { made: madeAt }),
    ...(passwordSince && { passwordSince }),
  }
}

/**
 * Finds the version without an admin from which setAdmin made this one, perhaps in several edits that each named another admin. A
 * version that names no admin is itself the one.
 * @returns undefined if no edit made this version, or somebody else has changed the value in between
 */
async function readBeforeEdits(
  { store }: EditPipeline,
  found: Description,
  id: string,
  version: Version,
): Promise<Version | undefined> {
  const tokens = await store.listTokens(id)
  const textStore = store.withParser(Credential.parseOpaque)
  const goBack = async (edited: Version): Promise<Version | undefined> => {
    const text = edited.credential.serialize()
    const admin = adminIn(text)
    if (!admin) return edited
    const replaced = tokens.find(token => editTokenOf(found.arn ?? id, token, admin) === edited.token)
    const before = replaced === undefined ? undefined : await textStore.read(id, { token: replaced })
    const withoutAdmin = before && (await goBack(before))
    if (!withoutAdmin) return undefined
    return addJsonMember(withoutAdmin.credential.serialize(), 'masterarn', admin) === text
      ? withoutAdmin
      : undefined
  }
  return goBack(version)
}

/**
 * Refuses while another edit, which names another admin, runs or has died. An unfinished edit of a value that is no longer current
 * is cleaned up instead.
 * @param token the version that this edit makes
 * @param text the current value without an admin
 * @throws RotationInProgress
 */
async function refuseOtherEdit(
  { store, edits }: EditPipeline,
  id: string,
  token: string,
  text: string,
): Promise<void> {
  const unfinished = await edits.findUnfinished(id)
  if (!unfinished || unfinished === token) return
  const version = await store.withParser(Credential.parseOpaque).read(id, { token: unfinished })
  const otherText = version?.credential.serialize()
  const admin = otherText && adminIn(otherText)
  if (!admin || addJsonMember(text, 'masterarn', admin) !== otherText) {
    // Only Secrets Manager has unfinished edits (see findUnfinished), and `finish` needs no `replacing` there.
    await edits.finish({ id, token: unfinished, replacing: '' })
    return
  }
  throw new RotationInProgress(
    `version ${unfinished}, which names another admin, ${admin}, was to become current: start it again with that one, or take the label keyturn-edit off that version`,
  )
}

/** The admin's ARN in the text of a value; undefined if there is none, or the text cannot be parsed. */
function adminIn(text: string): string | undefined {
  try {
    return Credential.parse(text).masterarn
  } catch {
    return undefined
  }
}

/** Checks that the ARN is that of an admin's secret which Keyturn may read. @throws NotPermitted, InvalidCredential */
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

/**
 * Checks that the value could rotate with the admin that it should name: logs in with the value, then reads the admin's value.
 * @throws LoginRefused before the admin's value is read; RotationInProgress on a temporary clone; HostMismatch, InvalidCredential,
 *   InvalidOption
 */
async function requireAdminFor(pipeline: Pipeline, wanted: Credential, options: Options): Promise<void> {
  const { strategy, nextUser } = planOf(wanted, options)
  if (options.strategy === 'temporary-clone' && strategies[strategy].isOnClone?.(wanted.username))
    throw new RotationInProgress('the application is on a temporary clone, until its grace time is over')
  const engine = await pipeline.loadEngine(wanted.engine)
  if (!(await logsIn(engine, wanted)))
    throw new LoginRefused(`${wanted}: current was refused, so the admin's value was not read`)
  await readAdminOf(pipeline, wanted, [wanted.username, nextUser])
}
