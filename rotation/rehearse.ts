import { beforeChange } from './beforeChange.ts'
import type { Credential } from './credential.ts'
import type { Session } from './engines/engine.ts'
import { type Pipeline, type Rotation, readWritten, type StorePipeline, storeOf } from './pipeline.ts'
import { tryLogin } from './strategies/login.ts'
import { requireAsking } from './strategies/pooler.ts'

// What the steps after setSecret do, as far as it can be done before. Each of these changes nothing and moves no label; it
// throws what its step would throw, at a time when nobody is refused yet.

/** What is said of the logins of a user: of a pooler in between, and the test query. */
type Said = { nextUser: string; pooler?: 'auth-query' | undefined; testQuery?: string | undefined }

/** What a session of current shows of how a rotation would go. @throws NotPermitted, TestFailed … */
export async function tryOut(
  session: Session,
  current: Credential,
  { nextUser, pooler, testQuery }: Said,
): Promise<void> {
  if (nextUser === current.username) requireAsking(session, current, pooler)
  if (!testQuery) return
  await session.testable?.()
  await session.run(testQuery)
}

/**
 * As testSecret, with current in place of pending. Where current is refused there is no outage to spare. That, and a secret
 * that is no longer what it was at createSecret, is left to setSecret, which knows what to do about it.
 * @throws Unreachable, TlsFailed, InvalidCredential, NotPermitted, TestFailed …
 */
export const rehearseTest = (pipeline: Pipeline, rotation: Rotation): Promise<void> =>
  beforeChange(async () => {
    const store = await storeOf(pipeline, rotation)
    const { id, token, replaces, host, user } = rotation
    const current = await store.read(id, { stage: 'current' })
    const pending = await store.read(id, { token, stage: 'pending' })
    if (current?.token !== replaces || !pending) return
    const { credential } = current
    if (credential.host !== host || credential.username !== user) return
    const engine = await pipeline.engine(rotation.engine)
    await using session = await tryLogin(engine, credential)
    if (session) await tryOut(session, credential, rotation)
  })

/** As finishSecret, but for the write. @throws NotPermitted, Throttled … */
export const rehearseFinish = ({ store }: StorePipeline, { id, token }: Rotation): Promise<void> =>
  beforeChange(() => store.rehearse(id, token))

/** As rollbackSecret, up to its first login. @throws NotPermitted, Throttled … */
export const rehearseRollback = (pipeline: Pipeline, rotation: Rotation): Promise<void> =>
  beforeChange(async () => {
    const { id, token } = rotation
    const { current } = await pipeline.store.describe(id)
    const store = await storeOf(pipeline, rotation)
    await readWritten(store, id, { token })
    if (current) await store.read(id, { token: current, stage: 'current' })
    await pipeline.untouched(token)
    await pipeline.engine(rotation.engine)
  })
