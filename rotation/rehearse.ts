import type { Credential } from './credential.ts'
import type { Session } from './engines/engine.ts'
import { openStore, type Pipeline, type Rotation, readIfParsable, type StorePipeline } from './pipeline.ts'
import { runRehearsal } from './runRehearsal.ts'
import { tryLogin } from './strategies/login.ts'
import { requireAuthQuery } from './strategies/pooler.ts'

// What the steps after setSecret do, as far as it can be done before. Each of these changes nothing and moves no label; it
// throws what its step would throw, at a time when nobody is refused yet.

/** What is said of the logins of a user: of a pooler in between, and the test query. */
type LoginOptions = { nextUser: string; pooler?: 'auth-query' | undefined; testQuery?: string | undefined }

/** What a session of current shows of how a rotation would go. @throws NotPermitted, TestFailed … */
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
 * As testSecret, with current in place of pending. Where current is refused there is no outage to spare. That, and a secret
 * that is no longer what it was at createSecret, is left to setSecret, which knows what to do about it.
 * @throws Unreachable, TlsFailed, InvalidCredential, NotPermitted, TestFailed …
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

/** As finishSecret, but for the write. @throws NotPermitted, Throttled … */
export const rehearseFinish = ({ store }: StorePipeline, { id, token }: Rotation): Promise<void> =>
  runRehearsal(() => store.rehearsePromote(id, token))

/** As rollbackSecret, up to its first login. @throws NotPermitted, Throttled … */
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
