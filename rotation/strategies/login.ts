import { setTimeout as sleep } from 'node:timers/promises'
import type { Credential } from '../credential.ts'
import type { Engine, Session } from '../engines/engine.ts'
import { Conflict, LoginRefused } from '../errors.ts'

/**
 * A session, or undefined if the server refuses user or password. Every other error is thrown on.
 * @throws Unproven if the server would let the user in with any password
 */
export async function tryLogin(engine: Engine, credential: Credential): Promise<Session | undefined> {
  try {
    return await openProvenSession(engine, credential)
  } catch (error) {
    if (error instanceof LoginRefused) return undefined
    throw error
  }
}

/** A session that proves the password. @throws LoginRefused, and what tryLogin throws */
export async function openProvenSession(engine: Engine, credential: Credential): Promise<Session> {
  const session = await engine.login(credential)
  try {
    await session.requirePasswordCheck?.()
    return session
  } catch (error) {
    await session[Symbol.asyncDispose]()
    throw error
  }
}

/** True if the credential logs in now. */
export async function logsIn(engine: Engine, credential: Credential): Promise<boolean> {
  await using session = await tryLogin(engine, credential)
  return session !== undefined
}

/**
 * Sets the password of `wanted`, for who logs in with `key`, as the same user: it sets its own. `how` is that of
 * setPassword.
 * @returns false if nobody logs in
 */
export async function setPasswordAs(
  engine: Engine,
  key: Credential,
  wanted: Credential,
  how?: { reversibly: boolean },
): Promise<boolean> {
  await using session = await tryLogin(engine, key)
  await session?.setPassword(wanted.username, wanted.password, how)
  return session !== undefined
}

/**
 * Milliseconds between two tries: a read replica is late by less than a second as a rule. They are few, as some servers
 * lock an account after a number of refused logins.
 */
export const LOGIN_PAUSES_MS = [100, 1000, 4000, 10_000]

/**
 * Waits until what was set elsewhere, on another server or by RDS, has come to where the credential logs in.
 * @throws Conflict if that takes longer than a step can wait: it is retried
 */
export async function awaitLogin(engine: Engine, credential: Credential): Promise<void> {
  for (const pause of LOGIN_PAUSES_MS) {
    if (await logsIn(engine, credential)) return
    await sleep(pause)
  }
  if (!(await logsIn(engine, credential)))
    throw new Conflict(`${credential}: its password was set, but has not come to this server yet`)
}
