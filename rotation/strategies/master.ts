import { setTimeout as sleep } from 'node:timers/promises'
import type { Credential } from '../credential.ts'
import type { Engine } from '../engines/engine.ts'
import { Conflict, InvalidCredential, LoginRefused, NotPermitted, RdsBusy } from '../errors.ts'
import type { RdsCalls } from '../rds.ts'
import { awaitLogin, LOGIN_PAUSES_MS, logsIn, tryLogin } from './login.ts'
import { poolerHasOwnListError, requireAuthQuery } from './pooler.ts'
import { restoreCurrent } from './restore.ts'
import type { Change, ChangePreview, FailedChange, Outcome, Strategy } from './strategy.ts'

/**
 * The master user of an RDS database gets a new password through RDS's API. There is one user, so the current password is
 * refused from setSecret to finishSecret. RDS sets the password some time after the call, and the step waits for that. If the wait
 * gets too long for a step, the step ends with RdsBusy, which the state machine retries.
 * https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html
 */
export class Master implements Strategy {
  readonly hasOutage = true

  nextUser(current: Credential): string {
    return current.username
  }

  /**
   * Proves the user by a login with current, or with previous if the database was restored from an older backup; then has RDS set
   * the pending password. If pending logs in already, an earlier try has set it.
   */
  async apply(engine: Engine, { current, pending, readPrevious, rds, pooler }: Change): Promise<void> {
    let isBehindPooler = false
    const proves = async (key: Credential) => {
      await using session = await tryLogin(engine, key)
      if (session) requireAuthQuery(session, key, pooler)
      if (session?.isBehindPooler) isBehindPooler = true
      return session !== undefined
    }
    if (!(await proves(current))) {
      if (await logsIn(engine, pending)) return
      const previous = await readPrevious()
      if (!previous?.isForSameUser(current) || !(await proves(previous)))
        throw new LoginRefused(`${current}: current, pending and previous were all refused`)
    }
    const api = await rds()
    await api.setMasterPassword(pending)
    await waitUntilSet(api, pending)
    try {
      await awaitLogin(engine, pending)
    } catch (error) {
      // RDS has set the password, and the pooler still refuses it: so the pooler does not ask the database.
      if (isBehindPooler && error instanceof Conflict)
        throw poolerHasOwnListError(pending, 'a rollback sets the old one back')
      throw error
    }
  }

  async wouldApply({ pending, rds }: ChangePreview): Promise<string[]> {
    await (await rds()).wouldSetMasterPassword(pending)
    return []
  }

  /**
   * Sets current's password back through RDS. RDS may still be setting the pending one, and current logs in until that is done. So
   * while RDS is at it, no login is trusted: this throws RdsBusy, which is retried.
   */
  async undo(engine: Engine, change: FailedChange): Promise<Outcome> {
    const { current } = change
    const rds = await change.rds()
    if (await mayStillChange(rds, current)) throw rdsBusyError(current)
    return restoreCurrent(engine, change, async key => {
      if (!(await logsIn(engine, key))) return false
      await rds.setMasterPassword(current)
      await waitUntilSet(rds, current)
      await awaitLogin(engine, current)
      return true
    })
  }
}

/** Waits until RDS has set the master's password. @throws RdsBusy if that takes longer than a step can wait */
async function waitUntilSet(rds: RdsCalls, master: Credential): Promise<void> {
  for (const pause of LOGIN_PAUSES_MS) {
    await sleep(pause)
    if (!(await rds.isSettingPassword(master))) return
  }
  throw rdsBusyError(master)
}

const rdsBusyError = (master: Credential) => new RdsBusy(`${master}: RDS is setting its password`)

/**
 * Whether RDS may still change the password. Where RDS denies the question, or the user is no master, the call that sets a password
 * was denied too, so the answer is no.
 */
async function mayStillChange(rds: RdsCalls, current: Credential): Promise<boolean> {
  try {
    return await rds.isSettingPassword(current)
  } catch (error) {
    if (error instanceof NotPermitted || error instanceof InvalidCredential) return false
    throw error
  }
}
