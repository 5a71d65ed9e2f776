import { adminOf } from './admin.ts'
import { Credential, type EngineName } from './credential.ts'
import type { Engine } from './engines/engine.ts'
import { traits } from './engines/traits.ts'
import {
  Conflict,
  HostMismatch,
  InvalidCredential,
  InvalidOption,
  LockedOut,
  RotationAbandoned,
  RotationInProgress,
  Superseded,
  TestFailed,
} from './errors.ts'
import {
  type Essentials,
  type Kind,
  type Options,
  parseEssentials,
  parseGrace,
  parseTags,
} from './options.ts'
import { generatePassword } from './password.ts'
import type { RdsCalls } from './rds.ts'
import type { Description, Store, Version } from './stores/store.ts'
import { strategies } from './strategies/index.ts'
import { awaitLogin, logsIn } from './strategies/login.ts'
import type { Change, FailedChange, Outcome, StrategyName } from './strategies/strategy.ts'

/** What the steps work with. */
export type Pipeline = {
  store: Store
  engine(name: EngineName): Promise<Engine>
  /** Reads the admin's value that `masterarn` names. */
  admin(arn: string): Promise<Credential>
  /** Reads the parameter that the tag `keyturn:connection` names. */
  connection(name: string): Promise<string>
  /** What RDS tells about its databases. */
  rds(): Promise<RdsCalls>
  /** Whether the rotation with this token is at work: its execution runs and has not announced how it ended. */
  rotating(token: string): Promise<boolean>
  /** Whether its execution runs, be it that it waits until what was replaced is closed. */
  running(token: string): Promise<boolean>
  /** The deployment's defaults. */
  defaults: Options
}

/** Names one rotation: `token` is the id of the version it makes. */
export type RotationId = { id: string; token: string }

/** With `moveBack`, this is the way back from a temporary clone, whatever the tags say by now. */
export type Start = RotationId & { moveBack?: true | undefined }

/** What createSecret found out and the later steps need. Anybody may read it: no secret value is in it. */
export type Rotation = RotationId & {
  /** With `connection`, what the stored values are: see Kind. */
  engine: EngineName
  connection?: string
  /** Empty, as are the users, for an opaque value. */
  host: string
  strategy: StrategyName
  /** The user of the version that is replaced, and of the one that takes over. */
  user: string
  nextUser: string
  /** The version that was current when the rotation began. */
  replaces: string
  /** Seconds until what was replaced is closed; unset if it never is. */
  grace?: number
  /** What becomes of a temporary clone. */
  clone?: 'drop' | 'keep'
  /** Another rotation has to follow when the grace time is over: see Strategy. */
  halfway?: true
  testQuery?: string
}

/**
 * Writes the new value as pending. No database is asked.
 * @throws RotationInProgress if another rotation of this secret runs
 * @throws RotationAbandoned if another rotation died and left its value pending: roll it back, then try again
 * @throws InvalidCredential, InvalidOption, TokenReused
 */
export async function create(pipeline: Pipeline, { id, token, moveBack }: Start): Promise<Rotation> {
  const found = await pipeline.store.describe(id)
  const options = optionsOf(found, pipeline, moveBack)
  const done = found.current === token
  if (!done) await refuseForeign(pipeline, found, token)
  const store = await storeOf(pipeline, options)
  const replaced = await readReplaced(store, id, found, done)
  const current = replaced.credential
  const strategy = allowedStrategy(current, options)
  const nextUser = strategies[strategy].nextUser(current)
  if (!done) {
    const password = generatePassword(options.password)
    const next = current.with({ username: nextUser, password })
    // What an earlier try wrote stays, so it is not written over: that would be in vain.
    const written = found.pending === token ? await store.read(id, { token }) : undefined
    if (!written?.credential.sameUser(next)) await store.propose(id, token, next)
  }
  return {
    id,
    token,
    engine: current.engine,
    ...(options.connection && { connection: options.connection }),
    host: current.host,
    strategy,
    user: current.username,
    nextUser,
    replaces: replaced.token,
    ...(options.grace !== 'never' && strategies[strategy].retire && { grace: options.grace }),
    ...(strategies[strategy].halfway?.(nextUser) && { halfway: true }),
    ...(strategy === 'temporary-clone' && { clone: options.clone ?? 'drop' }),
    ...(options.testQuery && { testQuery: options.testQuery }),
  }
}

function optionsOf(
  { owner, tags }: Description,
  { defaults }: Pipeline,
  moveBack?: true | undefined,
): Options {
  if (owner) throw new InvalidCredential('id', `${owner} manages this secret and rotates it by itself`)
  return parseTags(moveBack ? { ...tags, 'keyturn:strategy': 'temporary-clone' } : tags, defaults)
}

/** The store, reading values as what they are. @throws InvalidCredential if the connection is of no use */
async function storeOf(pipeline: Pipeline, { engine, connection }: Kind): Promise<Store> {
  const { store } = pipeline
  if (!connection) return engine === 'opaque' ? store.as(Credential.opaque) : store
  const text = await pipeline.connection(connection)
  try {
    return store.as(Credential.passwordOnly(text))
  } catch (error) {
    if (!(error instanceof InvalidCredential)) throw error
    throw new InvalidCredential('keyturn:connection', `in parameter ${connection}, ${error.message}`)
  }
}

/** AWS's templates rotate a value that names an admin with alternating users. */
function strategyFor(credential: Credential, options: Essentials): StrategyName {
  return options.strategy ?? (credential.masterarn ? 'alternating-users' : 'single-user')
}

/** @throws InvalidOption if the engine does not allow what was chosen */
function allowedStrategy(credential: Credential, options: Options): StrategyName {
  const strategy = strategyFor(credential, options)
  const allowed = traits[credential.engine].strategies
  if (!allowed[strategy])
    throw new InvalidOption(
      'keyturn:strategy',
      `should be ${Object.keys(allowed).join(' or ')}, which is what ${credential.engine} allows`,
    )
  return strategy
}

async function refuseForeign({ rotating }: Pipeline, { pending }: Description, token: string): Promise<void> {
  if (!pending || pending === token) return
  if (await rotating(pending))
    throw new RotationInProgress(`version ${pending} is pending and its rotation runs`)
  throw new RotationAbandoned(`version ${pending} is pending, but its rotation does not run any more`)
}

async function readReplaced(store: Store, id: string, found: Description, done: boolean): Promise<Version> {
  const stage = done ? 'previous' : 'current'
  const token = found[stage]
  if (!token) throw new InvalidCredential('value', `the secret has no ${stage} version; store a first value`)
  const version = await store.read(id, { token, stage })
  if (!version) throw new Conflict(`version ${token} is no longer ${stage}`)
  return version
}

/**
 * Whether a rotation of this secret would go well, as far as that can be told without a change: logs in with the
 * version `token` if it has a value, else with current.
 * @throws InvalidCredential, InvalidOption, LoginRefused, TestFailed …
 */
export async function check(pipeline: Pipeline, { id, token }: RotationId): Promise<void> {
  const options = optionsOf(await pipeline.store.describe(id), pipeline)
  const store = await storeOf(pipeline, options)
  const version = (await store.read(id, { token })) ?? (await store.read(id, { stage: 'current' }))
  if (!version) throw new InvalidCredential('value', 'the secret has no current version; store a first value')
  const { credential } = version
  strategies[allowedStrategy(credential, options)].nextUser(credential)
  const engine = await pipeline.engine(credential.engine)
  await using session = await engine.login(credential)
  if (options.testQuery) await session.run(options.testQuery)
}

/** Makes the pending value valid in the database. @throws Superseded, RotationInProgress, HostMismatch, LoginRefused … */
export async function set(pipeline: Pipeline, rotation: Rotation): Promise<void> {
  const store = await storeOf(pipeline, rotation)
  const { id, token, replaces, host, user, nextUser } = rotation
  const current = await store.read(id, { stage: 'current' })
  if (current?.token === token) return
  if (current?.token !== replaces)
    throw new Superseded(`current is version ${current?.token}, no longer ${replaces}`)
  const pending = await store.read(id, { token, stage: 'pending' })
  if (!pending)
    throw new RotationInProgress(`version ${token} is not pending any more: another rotation took over`)
  const { credential } = current
  // A version stays as it is, but its connection may have been changed.
  if (credential.host !== host || credential.username !== user)
    throw new HostMismatch(
      `the rotation began for user ${JSON.stringify(user)} on ${host}, and current is now ${credential}; nothing was changed`,
    )
  if (!pending.credential.sameUser(credential.with({ username: nextUser })))
    throw new HostMismatch(`pending differs from current in more than password and user; nothing was changed`)
  const engine = await pipeline.engine(rotation.engine)
  const told = change({ ...pipeline, store }, id, current, pending)
  let admin: Credential | undefined
  const readAdmin = async () => {
    admin = await told.admin()
    return admin
  }
  await strategies[rotation.strategy].apply(engine, { ...told, admin: readAdmin })
  if (admin && admin.address !== credential.address) await awaitLogin(engine, pending.credential)
}

/** Logs in with pending and proves that it is as good as current. @throws LoginRefused, TestFailed … */
export async function test(pipeline: Pipeline, rotation: Rotation): Promise<void> {
  const store = await storeOf(pipeline, rotation)
  const { id, token, strategy, nextUser, replaces, testQuery } = rotation
  const version =
    (await store.read(id, { token, stage: 'pending' })) ?? (await store.read(id, { token, stage: 'current' }))
  if (!version)
    throw new RotationInProgress(`version ${token} is not pending any more: another rotation took over`)
  const engine = await pipeline.engine(rotation.engine)
  await using session = await engine.login(version.credential)
  const pair = strategies[strategy].pair?.(nextUser)
  const other = async () => {
    const replaced = await store.read(id, { token: replaces })
    if (!replaced) throw new Superseded(`version ${replaces} is not there any more; nothing to compare with`)
    return replaced.credential
  }
  const differences = pair ? await session.differences(pair, other) : []
  if (differences.length)
    throw new TestFailed(`the two users are not equal; still to be done: ${differences.join('; ')}`)
  if (testQuery) await session.run(testQuery)
}

/**
 * Makes pending current, if what it replaces still is. `late`: others have had the time to roll it back, and then the
 * database does not know it.
 * @throws Superseded
 */
export async function finish(
  { store }: Pipeline,
  { id, token, replaces }: Rotation,
  { late = false } = {},
): Promise<void> {
  await store.promote(id, token, replaces, late)
}

/**
 * How a rollback ended: as its strategy says (see Outcome); `nothing`, there was no value to take back; `finished`,
 * the rotation had in fact succeeded.
 */
export type RolledBack = { token?: string; outcome: Outcome | 'nothing' | 'finished' }

/** Moved by others more often than this within one rollback: give up, and be retried. */
const ROUNDS = 3

/** How many stored versions a rollback looks at when neither current nor its own value logs in. */
const NEWEST = 10

/**
 * Takes a rotation back: current logs in, and its value is no longer pending. What createSecret found out is used if it
 * is there, else the tags tell.
 * @throws LockedOut if current cannot be brought back
 */
export async function rollback(pipeline: Pipeline, rotation: RotationId & Essentials): Promise<RolledBack> {
  const { id, token } = rotation
  for (let round = 0; round < ROUNDS; round++) {
    const found = await pipeline.store.describe(id)
    if (found.current === token) return { token, outcome: 'finished' }
    const known = rotation.engine ? rotation : parseEssentials(found.tags, pipeline.defaults)
    const store = await storeOf(pipeline, known)
    const pending = await readWritten(store, id, { token })
    if (!pending) {
      if (found.pending === token) await store.discard(id, token)
      return { token, outcome: 'nothing' }
    }
    if (!found.current) throw new LockedOut('the secret has no current version')
    const current = await store.read(id, { token: found.current, stage: 'current' })
    if (!current) continue
    const outcome = await undo({ ...pipeline, store }, id, found, current, pending, known)
    if (outcome === 'restored' && (await store.describe(id)).current !== current.token) continue
    await store.discard(id, token)
    return { token, outcome }
  }
  throw new Conflict('current keeps moving')
}

/** Rolls back whichever rotation died and left its value pending. @throws RotationInProgress if it runs after all */
export async function rollbackAbandoned(pipeline: Pipeline, id: string): Promise<RolledBack> {
  const { pending } = await pipeline.store.describe(id)
  if (!pending) return { outcome: 'nothing' }
  if (await pipeline.rotating(pending))
    throw new RotationInProgress(`the rotation of version ${pending} runs`)
  return rollback(pipeline, { id, token: pending })
}

/** A value that cannot be parsed was never set in a database by Keyturn: there is nothing to undo. */
async function readWritten(
  store: Store,
  id: string,
  which: { token: string } | { stage: 'previous' },
): Promise<Version | undefined> {
  try {
    return await store.read(id, which)
  } catch (error) {
    if (error instanceof InvalidCredential) return undefined
    throw error
  }
}

async function undo(
  pipeline: Pipeline,
  id: string,
  found: Description,
  current: Version,
  pending: Version,
  known: Essentials,
): Promise<Outcome> {
  const { store, rotating, running } = pipeline
  const engine = await pipeline.engine(current.credential.engine)
  const name = strategyThatSet(pending.credential, current.credential, known)
  const others = async () =>
    (await store.tokens(id))
      .filter(token => token !== current.token && token !== pending.token)
      .slice(0, NEWEST)
  const failed: FailedChange = {
    ...change(pipeline, id, current, pending),
    async rival() {
      // All at once: the application may be waiting for its password.
      const candidates = (await others()).filter(token => token !== found.previous)
      const run = await Promise.all(candidates.map(rotating))
      const rival = candidates.find((_, i) => run[i])
      return rival === undefined ? undefined : { pending: rival === found.pending }
    },
    async *stored() {
      for (const token of await others()) {
        const version = await readWritten(store, id, { token })
        if (version?.credential.sameLogin(current.credential)) yield version.credential
      }
    },
    previousIsOpen: async () =>
      parseGrace(found.tags, pipeline.defaults) === 'never' || (await running(current.token)),
  }
  const outcome = await strategies[name].undo(engine, failed)
  if (name !== 'single-user' || outcome !== 'intact') return outcome
  // Two passwords log in: dual-password set one, and the tag was changed since.
  const both =
    traits[current.credential.engine].strategies['dual-password'] &&
    pending.credential.sameLogin(current.credential) &&
    (await logsIn(engine, pending.credential))
  return both ? strategies['dual-password'].undo(engine, failed) : outcome
}

/** The tag may have been changed since, but that it turned two users is to be seen. */
function strategyThatSet(pending: Credential, current: Credential, known: Essentials): StrategyName {
  const name = strategyFor(current, known)
  return pending.username === current.username || strategies[name].pair ? name : 'alternating-users'
}

function change(pipeline: Pipeline, id: string, current: Version, pending: Version): Change {
  return {
    current: current.credential,
    pending: pending.credential,
    previous: async () => (await readWritten(pipeline.store, id, { stage: 'previous' }))?.credential,
    admin: () => adminOf(pipeline, current.credential),
    rds: pipeline.rds,
  }
}

/**
 * `superseded`: a newer rotation runs or has run, and what this one replaced is its business. `halfway`: nothing is to
 * be closed yet, another rotation has to follow.
 */
export type Retired = { outcome: 'retired' | 'superseded' | 'halfway' }

/**
 * Closes what this rotation replaced. If another rotation takes it up at the same moment, it is opened again with that
 * rotation's password.
 */
export async function retire(pipeline: Pipeline, rotation: Rotation): Promise<Retired> {
  const store = await storeOf(pipeline, rotation)
  const { id, clone } = rotation
  const strategy = strategies[rotation.strategy]
  const before = await store.describe(id)
  const current = await inCharge(pipeline, store, rotation, before)
  if (!current || !strategy.retire) return { outcome: 'superseded' }
  // What it becomes of that one is not known yet: should it fail, what was replaced has still to be closed.
  if (before.pending) throw new Conflict(`version ${before.pending} is pending; waiting for its rotation`)
  const { credential } = current
  if (strategy.halfway?.(credential.username)) return { outcome: 'halfway' }
  const engine = await pipeline.engine(credential.engine)
  let outcome: Retired['outcome'] = 'retired'
  await strategy.retire(engine, {
    current: credential,
    admin: () => adminOf(pipeline, credential),
    async takenUp() {
      const after = await store.describe(id)
      const newer = after.current === current.token ? after.pending : after.current
      if (!newer) return undefined
      outcome = 'superseded'
      return (await store.read(id, { token: newer }))?.credential
    },
    drop: clone === 'drop',
  })
  return { outcome }
}

/**
 * The current version, if what the rotation replaced is still its own to close. That may be a later version than the
 * rotation's: somebody edited the value, or another strategy goes on with the user, and closes nothing of this.
 */
async function inCharge(
  { defaults }: Pipeline,
  store: Store,
  { id, token, host, user, nextUser, strategy }: Rotation,
  { tags }: Description,
): Promise<Version | undefined> {
  const current = await store.read(id, { stage: 'current' })
  if (current?.token === token) return current
  if (current?.credential.host !== host || current.credential.username !== nextUser) return undefined
  if (user === nextUser)
    return strategyFor(current.credential, parseEssentials(tags, defaults)) === strategy ? undefined : current
  const previous = await readWritten(store, id, { stage: 'previous' })
  return previous?.credential.username === user ? undefined : current
}
