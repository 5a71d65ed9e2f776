import { setTimeout as sleep } from 'node:timers/promises'
import type { Credential } from '../credential.ts'
import type { Engine, Session } from '../engines/engine.ts'
import { Conflict, LoginRefused } from '../errors.ts'

/**
 * Logs in.
 * @returns undefined if the server refuses the user or the password
 * @throws PasswordNotChecked if the server would let the user in with any password; every other error of the login
 */
export async function tryLogin(engine: Engine, credential: Credential): Promise<Session | undefined> {
  try {
    return await openProvenSession(engine, credential)
  } catch (error) {
    if (error instanceof LoginRefused) return undefined
    throw error
  }
}

/**
 * Logs in, and makes sure that the server has checked the password.
 * @throws LoginRefused; PasswordNotChecked and others as tryLogin
 */
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

/** Whether the credential logs in now. @throws what tryLogin throws */
export async function logsIn(engine: Engine, credential: Credential): Promise<boolean> {
  await using session = await tryLogin(engine, credential)
  return session !== undefined
}

/**
 * Logs in with `key` and sets the password to that of `wanted`, a value of the same user.
 * @returns false if `key` is refused
 */
export async function setPasswordAs(engine: Engine, key: Credential, wanted: Credential): Promise<boolean> {
  await using session = await tryLogin(engine, key)
  await session?.setPassword(wanted.username, wanted.password)
  return session !== undefined
}

/**
 * Milliseconds between two logins that wait for a password to arrive, or between two questions to RDS whether it has set one. A
 * read replica is mostly less than a second behind. There are few tries, as some servers lock an account after several refused
 * logins.
 */
export const LOGIN_PAUSES_MS = [100, 1000, 4000, 10_000]

/**
 * Waits until the credential logs in, after its password was set on another server or by RDS.
 * @throws Conflict if that takes longer than a step can wait; the step is retried
 */
export async function awaitLogin(engine: Engine, credential: Credential): Promise<void> {
  for (const pause of LOGIN_PAUSES_MS) {
    if (await logsIn(engine, credential)) return
    await sleep(pause)
  }
  if (!(await logsIn(engine, credential)))
    throw new Conflict(`${credential}: its password was set, but has not come to this server yet`)
}
