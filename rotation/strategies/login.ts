import type { Credential } from '../credential.ts'
import type { Engine, Session } from '../engines/engine.ts'
import { LoginRefused } from '../errors.ts'

/** A session, or undefined if the server refuses user or password. Every other error is thrown on. */
export async function tryLogin(engine: Engine, credential: Credential): Promise<Session | undefined> {
  try {
    return await engine.login(credential)
  } catch (error) {
    if (error instanceof LoginRefused) return undefined
    throw error
  }
}

/** True if the credential logs in now. */
export async function logsIn(engine: Engine, credential: Credential): Promise<boolean> {
  await using session = await tryLogin(engine, credential)
  return session !== undefined
}
