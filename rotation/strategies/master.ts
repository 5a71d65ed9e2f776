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
 * The master user of an RDS database gets a new password through RDS, which keeps what it knows of it in step. One user,
 * so current does not log in between setSecret and finishSecret. RDS takes its time: a wait that is too long for a step ends
 * with RdsBusy, so that the state machine goes on waiting.
 */
export class Master implements Strategy {
  readonly hasOutage = true

  nextUser(current: Credential): string {
    return current.username
  }

  /** As a single user: by whoever logs in with current; or with previous, if the database was restored. */
  async apply(engine: Engine, { current, pending, readPrevious, rds, pooler }: Change): Promise<void> {
    let pooled = false
    const proves = async (key: Credential) => {
      await using session = await tryLogin(engine, key)
      if (session) requireAuthQuery(session, key, pooler)
      if (session?.behindPooler) pooled = true
      return session !== undefined
    }
    if (!(await proves(current))) {
      if (await logsIn(engine, pending)) return
      const older = await readPrevious()
      if (!older?.hasSameLogin(current) || !(await proves(older)))
        throw new LoginRefused(`${current}: current, pending and previous were all refused`)
    }
    const api = await rds()
    await api.setMasterPassword(pending)
    await waitUntilSet(api, pending)
    try {
      await awaitLogin(engine, pending)
    } catch (error) {
      // RDS is done, so it is not RDS that is late.
      if (pooled && error instanceof Conflict)
        throw poolerHasOwnListError(pending, 'a rollback sets the old one back')
      throw error
    }
  }

  async wouldApply({ pending, rds }: ChangePreview): Promise<string[]> {
    await (await rds()).wouldSetMasterPassword(pending)
    return []
  }

  /** What RDS was told may not have come yet: current logs in until it does. */
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

/** @throws RdsBusy if RDS takes longer than a step can wait */
async function waitUntilSet(rds: RdsCalls, master: Credential): Promise<void> {
  for (const pause of LOGIN_PAUSES_MS) {
    await sleep(pause)
    if (!(await rds.isSettingPassword(master))) return
  }
  throw rdsBusyError(master)
}

const rdsBusyError = (master: Credential) => new RdsBusy(`${master}: RDS is setting its password`)

/** Who may not look at the database, or finds another master there, could not have its password set either. */
async function mayStillChange(rds: RdsCalls, current: Credential): Promise<boolean> {
  try {
    return await rds.isSettingPassword(current)
  } catch (error) {
    if (error instanceof NotPermitted || error instanceof InvalidCredential) return false
    throw error
  }
}
