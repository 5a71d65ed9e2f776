import { hash } from 'node:crypto'
import { runWithChangedNothingMark } from './changedNothingMark.ts'
import { collectChange } from './collectChange.ts'
import type { Engine } from './engines/engine.ts'
import { watchEngine, watchRds } from './engines/watchChanges.ts'
import { HostMismatch, InvalidCredential, RotationInProgress, Superseded, TestFailed } from './errors.ts'
import { clearOtherPending } from './otherPending.ts'
import type { Pipeline, StorePipeline } from './pipeline.ts'
import { MAX_GRACE_WITH_REPLICAS_SECONDS, makeNextValue, optionsOf, planOf, warningsOf } from './plan.ts'
import {
  refuseObstacle,
  refuseOtherRegion,
  refusePromotedElsewhere,
  refuseReplicasBehind,
} from './refusals.ts'
import { checkSession } from './rehearse.ts'
import { awaitedReplicas, type PeerAnswer } from './replicas.ts'
import type { Rotation, RotationId, RotationStart } from './rotationState.ts'
import { openStore, readStaged } from './storedVersions.ts'
import { strategies } from './strategies/index.ts'
import { awaitLogin, openProvenSession } from './strategies/login.ts'

/**
 * The first step: writes a new value as the secret's pending version. It connects to no database.
 * @param answer what the peer Regions said about the secret's replicas. Left out, createSecret relies on the replication status
 *   that the home Region reports.
 * @returns the state of the execution, which every later step gets
 * @throws RotationInProgress if another rotation of this secret runs
 * @throws RotationAbandoned if another rotation died and left a version pending that cannot be discarded here (see
 *   clearOtherPending): the state machine rolls that rotation back, then tries again
 * @throws ReplicasBehind if a replica would be left two versions behind
 * @throws PromotedElsewhere if a peer Region has promoted its replica to a secret of its own
 * @throws NotAtHome, InvalidCredential, InvalidOption, TokenReused, Conflict
 */
export async function createSecret(
  pipeline: StorePipeline,
  { id, token, moveBack }: RotationStart,
  answer: PeerAnswer = { empty: [] },
): Promise<Rotation> {
  const found = await pipeline.store.describe(id)
  const isFinished = found.current === token
  const isMoveBack = moveBack && isMoveBackOf(isFinished ? found.previous : found.current, token)
  const options = optionsOf(found, pipeline, isMoveBack)
  if (!isFinished) {
    refuseOtherRegion(found, options)
    refusePromotedElsewhere(answer)
    await clearOtherPending(pipeline, { id, token }, found, answer)
    refuseObstacle(found)
  }
  const store = await openStore(pipeline, options)
  const replaced = await readStaged(store, id, found, isFinished ? 'previous' : 'current')
  const current = replaced.credential
  // The application does not use a clone, so there is nothing to move back. Without moveBack this is an ordinary rotation.
  if (isMoveBack && !strategies['temporary-clone'].isOnClone?.(current.username))
    return createSecret(pipeline, { id, token }, answer)
  const { strategy, nextUser } = planOf(current, options)
  const replicas = awaitedReplicas(found).map(({ region }) => region)
  const warnings = warningsOf(replicas, options)
  if (!isFinished) {
    const next = makeNextValue(current, options, nextUser)
    // If the token is pending already, either an earlier try has written a value, which is not written again; or Secrets Manager
    // put the label there before it asked for the rotation, and there is no value yet.
    const written = found.pending === token ? await store.read(id, { token }) : undefined
    const isWritten = written?.credential.equalsExceptPassword(next) ?? false
    refuseReplicasBehind(found, answer, isWritten)
    if (!isWritten) await store.propose(id, token, next)
  }
  return {
    id,
    ...(found.name && { name: found.name }),
    ...(found.arn && { arn: found.arn }),
    token,
    engine: current.engine,
    ...(options.connection && { connection: options.connection }),
    host: current.host,
    ...(current.host && { address: current.address }),
    strategy,
    user: current.username,
    nextUser,
    ...(current.masterarn && { admin: current.masterarn }),
    replaces: replaced.token,
    ...(replicas.length && { replicas }),
    ...(options.grace !== 'never' &&
      strategies[strategy].retire && {
        grace: replicas.length ? Math.min(options.grace, MAX_GRACE_WITH_REPLICAS_SECONDS) : options.grace,
      }),
    ...(strategies[strategy].isOnClone?.(nextUser) && { halfway: true }),
    ...(strategy === 'temporary-clone' && { clone: options.clone ?? 'drop' }),
    ...(options.testQuery && { testQuery: options.testQuery }),
    ...(options.pooler && { pooler: options.pooler }),
    ...(strategies[strategy].hasOutage && current.engine !== 'opaque' && { rehearse: true }),
    ...(warnings.length && { warnings }),
  }
}

/**
 * Whether `token` is the name that statemachines/rotate.asl.json gives the rotation which moves the application back from the
 * clone: the SHA-256 hash of `version`, the version that uses the clone. Everybody who may start an execution can put
 * `moveBack` into its input, so the input alone proves nothing.
 * @returns true, or undefined if it is not
 */
const isMoveBackOf = (version: string | undefined, token: string) =>
  version !== undefined && hash('sha256', version) === token ? true : undefined

/**
 * Checks a secret when Secrets Manager sets a schedule and tests the rotation function (rotateSecret) without a rotation: reads
 * tags and value as createSecret does, logs in with the version `token` if it has a value, else with the current version, and
 * runs the test query. It changes nothing. check/check.ts has the check of `keyturn check`, which looks at more.
 * @throws InvalidCredential, InvalidOption, NotAtHome, LoginRefused, TestFailed, or what else the rotation would end with
 */
export async function checkRotation(pipeline: Pipeline, { id, token }: RotationId): Promise<void> {
  const found = await pipeline.store.describe(id)
  const options = optionsOf(found, pipeline)
  refuseOtherRegion(found, options)
  const store = await openStore(pipeline, options)
  const version = (await store.read(id, { token })) ?? (await store.read(id, { stage: 'current' }))
  if (!version) throw new InvalidCredential('value', 'the secret has no current version; store a first value')
  const { credential } = version
  const { nextUser } = planOf(credential, options)
  const engine = await pipeline.loadEngine(credential.engine)
  await using session = await openProvenSession(engine, credential)
  await checkSession(session, credential, { ...options, nextUser })
}

/**
 * The result of setSecret. `left` has a sentence for each thing that could not be done and does not stop the rotation. It has
 * nothing to do with the outcome `left` of a rollback.
 */
type SetResult = { left: string[] }

/**
 * Makes the pending value valid in the database. The message of an error that comes before the first call which may change something says
 * so, and a rollback then knows that there is nothing to undo (see changedNothingMark.ts).
 * @throws HostMismatch if current names another host or user than when the rotation began, if pending differs from current in more
 *   than user and password, or if the admin is for another server
 * @throws Superseded, RotationInProgress, LoginRefused, or what else the engine throws
 */
export async function setSecret(pipeline: Pipeline, rotation: Rotation): Promise<SetResult> {
  return runWithChangedNothingMark(async beforeChange => {
    const watched: Pipeline = {
      ...pipeline,
      loadEngine: async name =>
        watchEngine(withTestQueryCheck(await pipeline.loadEngine(name), rotation), beforeChange),
      rds: async () => watchRds(await pipeline.rds(), beforeChange),
    }
    return { left: await makePendingValid(watched, rotation) }
  })
}

/**
 * The same engine, whose first accepted login also checks that a pooler, if there is one, allows the transaction of the test
 * query, which testSecret runs later. Every change comes after a login, so this check fails before anything was changed.
 */
function withTestQueryCheck(engine: Engine, { testQuery }: Rotation): Engine {
  if (!testQuery) return engine
  let isChecked = false
  return {
    async login(...credential) {
      const session = await engine.login(...credential)
      if (isChecked) return session
      try {
        await session.requireTransactions?.()
        isChecked = true
        return session
      } catch (error) {
        await session[Symbol.asyncDispose]()
        throw error
      }
    },
  }
}

/** Has the strategy make the pending value valid. @returns SetResult.left: a sentence for each thing that could not be done */
async function makePendingValid(pipeline: Pipeline, rotation: Rotation): Promise<string[]> {
  const store = await openStore(pipeline, rotation)
  const { id, token, replaces, host, user, nextUser } = rotation

  const current = await store.read(id, { stage: 'current' })
  if (current?.token === token) return []
  if (current?.token !== replaces)
    throw new Superseded(`current is version ${current?.token}, no longer ${replaces}`)
  const pending = await store.read(id, { token, stage: 'pending' })
  if (!pending)
    throw new RotationInProgress(`version ${token} is not pending any more: another rotation took over`)

  const { credential } = current
  // A stored version never changes, but the parameter that keyturn:connection names, with its host and user, may have.
  if (credential.host !== host || credential.username !== user)
    throw new HostMismatch(
      `the rotation began for user ${JSON.stringify(user)} on ${host}, and current is now ${credential}`,
    )
  if (!pending.credential.equalsExceptPassword(credential.with({ username: nextUser })))
    throw new HostMismatch('pending differs from current in more than password and user')

  const engine = await pipeline.loadEngine(rotation.engine)
  const change = collectChange({ ...pipeline, store }, id, current, pending, [user, nextUser])
  const { pooler } = rotation
  const applied = await strategies[rotation.strategy].apply(engine, { ...change, pooler })
  if (!applied) return []
  // A change on another server, the admin's, has to be replicated to the one that applications use.
  if (applied.address !== credential.address) await awaitLogin(engine, pending.credential)
  return applied.left
}

/**
 * Proves that the pending value is as good as the current one: logs in with it, compares the clone with its user if pending
 * is for the clone, and runs the test query.
 * @throws LoginRefused, TestFailed, RotationInProgress, Superseded, or what else the login throws
 */
export async function testSecret(pipeline: Pipeline, rotation: Rotation): Promise<void> {
  const store = await openStore(pipeline, rotation)
  const { id, token, strategy, nextUser, replaces, testQuery } = rotation
  const version =
    (await store.read(id, { token, stage: 'pending' })) ?? (await store.read(id, { token, stage: 'current' }))
  if (!version)
    throw new RotationInProgress(`version ${token} is not pending any more: another rotation took over`)
  const engine = await pipeline.loadEngine(rotation.engine)
  await using session = await engine.login(version.credential)
  const pair = strategies[strategy].pairOf?.(nextUser)
  // Only a clone is compared: a clone has to equal its user. The user itself is the model that the clone is made from.
  const compared = pair?.clone === nextUser ? pair : undefined
  const readOther = async () => {
    const replaced = await store.read(id, { token: replaces })
    if (!replaced) throw new Superseded(`version ${replaces} is not there any more; nothing to compare with`)
    return replaced.credential
  }
  const differences = compared ? await session.differences(compared, readOther) : []
  if (differences.length)
    throw new TestFailed(`the two users are not equal; still to be done: ${differences.join('; ')}`)
  if (testQuery) await session.runTestQuery(testQuery)
}

/**
 * The last step before the grace time: makes the pending version current, provided that the version it replaces is still current.
 * @param mustStillBePending whether this rotation's version must also be pending still. The caller sets it if so much time has
 *   passed that another execution may have rolled this rotation back: then the database no longer knows the pending password.
 * @throws Superseded if one of the two no longer holds
 */
export async function finishSecret(
  { store }: StorePipeline,
  { id, token, replaces }: Rotation,
  { mustStillBePending = false } = {},
): Promise<void> {
  await store.promote(id, token, replaces, mustStillBePending)
}
