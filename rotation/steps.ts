import { hash } from 'node:crypto'
import { runWithChangedNothingMark } from './changedNothingMark.ts'
import type { Engine } from './engines/engine.ts'
import { watchEngine, watchRds } from './engines/watchChanges.ts'
import { HostMismatch, InvalidCredential, RotationInProgress, Superseded, TestFailed } from './errors.ts'
import { clearOtherPending } from './otherPending.ts'
import {
  makeChange,
  openStore,
  type Pipeline,
  type Rotation,
  type RotationId,
  type RotationStart,
  type StorePipeline,
} from './pipeline.ts'
import {
  MAX_GRACE_WITH_REPLICAS_SECONDS,
  makeNextValue,
  optionsOf,
  planOf,
  readStaged,
  warningsOf,
} from './plan.ts'
import {
  refuseObstacle,
  refuseOtherRegion,
  refusePromotedElsewhere,
  refuseReplicasBehind,
} from './refusals.ts'
import { checkSession } from './rehearse.ts'
import { awaitedReplicas, type PeerAnswer } from './replicas.ts'
import { strategies } from './strategies/index.ts'
import { awaitLogin, openProvenSession } from './strategies/login.ts'

/**
 * Writes the new value as pending. No database is asked. `answer` is what other Regions told of their replicas before;
 * without it, the own Region's word has to do.
 * @throws RotationInProgress if another rotation of this secret runs
 * @throws RotationAbandoned if another rotation died, left its value pending, and may have changed a database: roll it back,
 *   then try again
 * @throws ReplicasBehind if a replica would be left two versions behind
 * @throws PromotedElsewhere if the secret stands alone in a peer Region
 * @throws InvalidCredential, InvalidOption, TokenReused
 */
export async function createSecret(
  pipeline: StorePipeline,
  { id, token, moveBack }: RotationStart,
  answer: PeerAnswer = { empty: [] },
): Promise<Rotation> {
  const found = await pipeline.store.describe(id)
  const done = found.current === token
  const back = moveBack && isMoveBackOf(done ? found.previous : found.current, token)
  const options = optionsOf(found, pipeline, back)
  if (!done) {
    refuseOtherRegion(found, options)
    refusePromotedElsewhere(answer)
    await clearOtherPending(pipeline, { id, token }, found, answer)
    refuseObstacle(found)
  }
  const store = await openStore(pipeline, options)
  const replaced = await readStaged(store, id, found, done ? 'previous' : 'current')
  const current = replaced.credential
  // Nobody is on a clone: so this is a rotation like any other.
  if (back && !strategies['temporary-clone'].isOnClone?.(current.username))
    return createSecret(pipeline, { id, token }, answer)
  const { strategy, nextUser } = planOf(current, options)
  const replicas = awaitedReplicas(found).map(({ region }) => region)
  const warnings = warningsOf(replicas, options)
  if (!done) {
    const next = makeNextValue(current, options, nextUser)
    // What an earlier try wrote stays, so it is not written over: that would be in vain.
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
 * Whether the rotation of `token` is the one that statemachines/rotate.asl.json starts when the grace time of `version`
 * is over. An execution's input can be made by whoever may start one; this name has to fit.
 */
const isMoveBackOf = (version: string | undefined, token: string) =>
  version !== undefined && hash('sha256', version) === token ? true : undefined

/**
 * Whether a rotation of this secret would go well, as far as that can be told without a change: logs in with the
 * version `token` if it has a value, else with current.
 * @throws InvalidCredential, InvalidOption, NotAtHome, LoginRefused, TestFailed …
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

/** What setSecret tells: what could not be done and stops no rotation, a sentence each. */
type SetResult = { left: string[] }

/**
 * Makes the pending value valid in the database. An error that came before the first change says so (see changedNothingMark.ts).
 * @throws Superseded, RotationInProgress, HostMismatch, LoginRefused …
 */
export async function setSecret(pipeline: Pipeline, rotation: Rotation): Promise<SetResult> {
  return runWithChangedNothingMark(async touch => {
    const watched: Pipeline = {
      ...pipeline,
      loadEngine: async name =>
        watchEngine(withTestQueryCheck(await pipeline.loadEngine(name), rotation), touch),
      rds: async () => watchRds(await pipeline.rds(), touch),
    }
    return { left: await makePendingValid(watched, rotation) }
  })
}

/** The same engine, whose first login sees that the test query can be run later: nothing is changed before a login. */
function withTestQueryCheck(engine: Engine, { testQuery }: Rotation): Engine {
  if (!testQuery) return engine
  let seen = false
  return {
    async login(...credential) {
      const session = await engine.login(...credential)
      if (seen) return session
      try {
        await session.requireTransactions?.()
        seen = true
        return session
      } catch (error) {
        await session[Symbol.asyncDispose]()
        throw error
      }
    },
  }
}

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
  // A version stays as it is, but its connection may have been changed.
  if (credential.host !== host || credential.username !== user)
    throw new HostMismatch(
      `the rotation began for user ${JSON.stringify(user)} on ${host}, and current is now ${credential}`,
    )
  if (!pending.credential.equalsExceptPassword(credential.with({ username: nextUser })))
    throw new HostMismatch('pending differs from current in more than password and user')
  const engine = await pipeline.loadEngine(rotation.engine)
  const told = makeChange({ ...pipeline, store }, id, current, pending, [user, nextUser])
  const { pooler } = rotation
  const applied = await strategies[rotation.strategy].apply(engine, { ...told, pooler })
  if (!applied) return []
  if (applied.address !== credential.address) await awaitLogin(engine, pending.credential)
  return applied.left
}

/** Logs in with pending and proves that it is as good as current. @throws LoginRefused, TestFailed … */
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
  // The user is what its clone has to equal, and not the other way round: it is brought up to date at its next turn.
  const compared = pair?.clone === nextUser ? pair : undefined
  const other = async () => {
    const replaced = await store.read(id, { token: replaces })
    if (!replaced) throw new Superseded(`version ${replaces} is not there any more; nothing to compare with`)
    return replaced.credential
  }
  const differences = compared ? await session.differences(compared, other) : []
  if (differences.length)
    throw new TestFailed(`the two users are not equal; still to be done: ${differences.join('; ')}`)
  if (testQuery) await session.runTestQuery(testQuery)
}

/**
 * Makes pending current, if what it replaces still is. `late`: others have had the time to roll it back, and then the
 * database does not know it.
 * @throws Superseded
 */
export async function finishSecret(
  { store }: StorePipeline,
  { id, token, replaces }: Rotation,
  { late = false } = {},
): Promise<void> {
  await store.promote(id, token, replaces, late)
}
