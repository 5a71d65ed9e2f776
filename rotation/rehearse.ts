import type { Credential } from './credential.ts'
import type { Session } from './engines/engine.ts'
import type { Pipeline, StorePipeline } from './pipeline.ts'
import type { Rotation } from './rotationState.ts'
import { runRehearsal } from './runRehearsal.ts'
import { openStore, readIfParsable } from './storedVersions.ts'
import { tryLogin } from './strategies/login.ts'
import { requireAuthQuery } from './strategies/pooler.ts'

// The rehearsal: before setSecret, each step that may follow it does its work as far as that changes nothing and moves no label. It
// throws what the step would throw later, while the application still logs in. docs/design/rehearsal.md explains it.

/** The fields of a rotation that checkSession needs. See Options for `pooler` and `testQuery`. */
type LoginOptions = { nextUser: string; pooler?: 'auth-query' | undefined; testQuery?: string | undefined }

/**
 * Checks, in a session of the current value, that the test query runs and, if the user stays the same, that no pooler would refuse
 * its next password.
 * @throws NotPermitted, TestFailed, or what else the session throws
 */
export async function checkSession(
  session: Session,
  current: Credential,
  { nextUser, pooler, testQuery }: LoginOptions,
): Promise<void> {
  if (nextUser === current.username) requireAuthQuery(session, current, pooler)
  if (!testQuery) return
  await session.requireTransactions?.()
  await session.runTestQuery(testQuery)
}

/**
 * Rehearses testSecret, with the current value in place of the pending one. If current is refused, or the secret has changed since
 * createSecret, the rehearsal ends without an error, as setSecret handles both.
 * @throws Unreachable, TlsFailed, InvalidCredential, NotPermitted, TestFailed, or what else testSecret would
 */
export const rehearseTest = (pipeline: Pipeline, rotation: Rotation): Promise<void> =>
  runRehearsal(async () => {
    const store = await openStore(pipeline, rotation)
    const { id, token, replaces, host, user } = rotation
    const current = await store.read(id, { stage: 'current' })
    const pending = await store.read(id, { token, stage: 'pending' })
    if (current?.token !== replaces || !pending) return
    const { credential } = current
    if (credential.host !== host || credential.username !== user) return
    const engine = await pipeline.loadEngine(rotation.engine)
    await using session = await tryLogin(engine, credential)
    if (session) await checkSession(session, credential, rotation)
  })

/** Rehearses finishSecret: reads what finishSecret would read. @throws NotPermitted, Throttled, or what else finishSecret would */
export const rehearseFinish = ({ store }: StorePipeline, { id, token }: Rotation): Promise<void> =>
  runRehearsal(() => store.rehearsePromote(id, token))

/**
 * Rehearses rollbackSecret up to its first login: reads what rollbackSecret would read, and loads the driver.
 * @throws NotPermitted, Throttled, or what else rollbackSecret would
 */
export const rehearseRollback = (pipeline: Pipeline, rotation: Rotation): Promise<void> =>
  runRehearsal(async () => {
    const { id, token } = rotation
    const { current } = await pipeline.store.describe(id)
    const store = await openStore(pipeline, rotation)
    await readIfParsable(store, id, { token })
    if (current) await store.read(id, { token: current, stage: 'current' })
    await pipeline.hasChangedNothing(token)
    await pipeline.loadEngine(rotation.engine)
  })
