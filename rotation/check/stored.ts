import { randomUUID } from 'node:crypto'
import type { Credential } from '../credential.ts'
import { NotPermitted } from '../errors.ts'
import type { Options } from '../options.ts'
import { findOtherPending } from '../otherPending.ts'
import type { StorePipeline } from '../pipeline.ts'
import { makeNextValue, optionsOf, planOf, warningsOf } from '../plan.ts'
import { isEnrolled, refuseObstacle, refuseOtherRegion, refuseReplicasBehind } from '../refusals.ts'
import { awaitedReplicas } from '../replicas.ts'
import { openStore, readStaged } from '../storedVersions.ts'
import type { Description, Store, StoreName } from '../stores/store.ts'
import type { StrategyName } from '../strategies/strategyNames.ts'
import { isAdmin, isManaged } from '../tags.ts'
import type { NotSeen, Report, Seen } from './report.ts'

/** The secret or parameter to check, by its name or ARN. */
export type CheckTarget = { store: StoreName; id: string }

/** What decides whether a deployment may use a secret. */
export type DeploymentAccess = {
  /** ARN of the KMS key that the deployment's parameter of this name allows. */
  kmsKeyArn?: string | undefined
  /** ARN of the deployment's rotation function, rotateSecret. */
  rotationFunction?: string | undefined
}

/** What the store tells. Fields that could not be found out are left out. */
export type StoredFindings = {
  found?: Description
  options?: Options
  current?: Credential
  strategy?: StrategyName
  nextUser?: string
  /** A new value as a rotation would make it. It is never used. */
  next?: Credential
  /** Whether a rotation may be under way, so that the current value may be refused at the moment. */
  isRotating: boolean
}

/** Checks what createSecret reads, and whether it would write. It connects to no database. */
export async function lookAtStored(
  pipeline: StorePipeline,
  target: CheckTarget,
  access: DeploymentAccess,
  report: Report,
): Promise<StoredFindings> {
  if (target.store === 'parameter-store') report.leaveOut('replicas')
  const { id } = target
  const settings = (await report.look('tags', () => lookAtTags(pipeline, target, access)))?.value
  if (!settings) return { isRotating: false }
  const { found, options } = settings
  const value = (await report.look('value', () => readCurrent(pipeline, id, found, options)))?.value
  await report.look('key', () => lookAtKey(found, access, value !== undefined))
  const pending = await report.look('pending', () => lookAtPending(pipeline, found))
  if (target.store === 'secrets-manager') await report.look('replicas', () => lookAtReplicas(found, options))
  if (!value) return { found, options, isRotating: !pending }
  const { store, current, strategy, nextUser } = value
  const next = (await report.look('password-rules', () => lookAtPasswordRules(current, options, nextUser)))
    ?.value
  await report.look('store', () => lookAtStore(store, id, found, next))
  return { found, options, current, strategy, nextUser, ...(next && { next }), isRotating: !pending }
}

/**
 * Checks that the deployment may use the secret, and reads its tags. IAM allows the function checkCredential to read the secrets of
 * admins too. They are refused here unless they are enrolled, so that nobody can have the function log in as an admin by naming
 * the admin's secret.
 */
async function lookAtTags(
  pipeline: StorePipeline,
  { id }: CheckTarget,
  { rotationFunction }: DeploymentAccess,
): Promise<Seen<{ found: Description; options: Options }>> {
  const found = await pipeline.store.describe(id)
  if (!isEnrolled(found, rotationFunction)) throw notEnrolled(found)
  const { rotatedBy } = found
  const options = optionsOf(found, pipeline)
  const says = isManaged(found.tags)
    ? 'it is tagged keyturn:managed=true'
    : 'it is rotated by the function of this stack'
  if (!rotatedBy || rotatedBy === rotationFunction) return { says, value: { found, options } }
  return {
    says: `${says}, and Secrets Manager rotates it by another function, ${rotatedBy}`,
    value: { found, options },
    remedy:
      'Enrol it by `keyturn enrol`, which takes it over, or cancel the rotation of Secrets Manager: two that rotate one user lock each other out.',
  }
}

/** The error for a secret that the deployment may not use. */
const notEnrolled = ({ tags }: Description) =>
  isAdmin(tags)
    ? new NotPermitted(
        "it is an admin's secret, which is read for the secrets that name it, and is not tagged keyturn:managed=true",
        { remedy: 'Check the secrets that name it; if it is to rotate itself, enrol it by `keyturn enrol`.' },
      )
    : new NotPermitted('it is neither tagged keyturn:managed=true nor rotated by the function of this stack')

/** The current value, its store, and the strategy and next user of a rotation. */
type CurrentValue = { store: Store; current: Credential; strategy: StrategyName; nextUser: string }

/** Reads the current value, and plans a rotation of it. */
async function readCurrent(
  pipeline: StorePipeline,
  id: string,
  found: Description,
  options: Options,
): Promise<Seen<CurrentValue>> {
  const store = await openStore(pipeline, options)
  const { credential: current } = await readStaged(store, id, found, 'current')
  const { strategy, nextUser } = planOf(current, options)
  return {
    says: `it is ${current}, and rotates as ${strategy}`,
    value: { store, current, strategy, nextUser },
  }
}

/**
 * Checks that the deployment may use the KMS key of the values. If the key is named by an alias, only a value that was read proves
 * that.
 */
function lookAtKey(
  { key }: Description,
  { kmsKeyArn }: DeploymentAccess,
  wasRead: boolean,
): Seen<undefined> | NotSeen {
  if (key && !key.includes('alias/') && !kmsKeyArn?.endsWith(`/${key.split('/').at(-1)}`))
    throw new NotPermitted(
      `it is encrypted by ${key}, and this stack may use ${kmsKeyArn ? `${kmsKeyArn} alone` : 'the keys that AWS manages alone'}`,
    )
  if (!wasRead) return { notSeen: 'whether the value can be decrypted is not known' }
  return { says: `${key ?? 'the key that AWS manages'} decrypts the value`, value: undefined }
}

/**
 * Checks that no rotation is under way. A version that an abandoned rotation left pending is only a warning, as the next rotation
 * rolls that one back.
 * @throws RotationInProgress
 */
async function lookAtPending(pipeline: StorePipeline, found: Description): Promise<Seen<undefined>> {
  const abandoned = await findOtherPending(pipeline, found)
  if (!abandoned) return { says: 'no rotation goes on', value: undefined }
  return {
    says: `it is stuck: a rotation died and left version ${abandoned} pending`,
    value: undefined,
    remedy: 'Rotate it: that takes the pending version back first.',
  }
}

/** Checks the replicas by the status that the home Region reports. No other Region is asked. */
function lookAtReplicas(found: Description, options: Options): Seen<undefined> {
  refuseOtherRegion(found, options)
  refuseReplicasBehind(found, { empty: [] })
  const regions = awaitedReplicas(found).map(({ region }) => region)
  const warnings = warningsOf(regions, options)
  if (warnings.length)
    return {
      says: warnings.join('; '),
      value: undefined,
      remedy: 'Tag it keyturn:home with the Region that it is to rotate in, or set a shorter keyturn:grace.',
    }
  return {
    says: regions.length ? `its replicas in ${regions.join(', ')} follow` : 'it has no replicas',
    value: undefined,
  }
}

/** Checks that the tags allow a safe password, by making one. */
function lookAtPasswordRules(current: Credential, options: Options, nextUser: string): Seen<Credential> {
  return {
    says: 'the rules of its tags make a password that cannot be guessed',
    value: makeNextValue(current, options, nextUser),
  }
}

/** Checks that the store would take the new value. */
async function lookAtStore(
  store: Store,
  id: string,
  found: Description,
  next: Credential | undefined,
): Promise<Seen<undefined> | NotSeen> {
  refuseObstacle(found)
  if (!next) return { notSeen: 'no new value could be made' }
  await store.wouldPropose?.(id, randomUUID(), next)
  return { says: 'it takes another value', value: undefined }
}
