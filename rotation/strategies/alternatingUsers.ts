import type { Credential } from '../credential.ts'
import type { Engine, Pair, Session } from '../engines/engine.ts'
import { traits } from '../engines/traits.ts'
import { Conflict, HostMismatch, InvalidCredential, LoginRefused, Throttled, Unreachable } from '../errors.ts'
import { logsIn, tryLogin } from './login.ts'
import { restoreCurrent } from './restore.ts'
import type { Change, FailedChange, Outcome, Strategy } from './strategy.ts'

/** AWS's convention for the second user's name. */
const SUFFIX = '_clone'

/** A user and its clone take turns, so that current logs in at every instant. Needs an admin's credential. */
export class AlternatingUsers implements Strategy {
  nextUser(current: Credential): string {
    if (!current.masterarn)
      throw new InvalidCredential(
        'masterarn',
        "should be the ARN of the admin's secret: alternating users need one",
      )
    const { clone } = this.pair(current.username)
    const { longest, unit } = traits[current.engine].userName
    if ((unit === 'bytes' ? Buffer.byteLength(clone) : [...clone].length) > longest)
      throw new InvalidCredential(
        'username',
        `should have at most ${longest - SUFFIX.length} ${unit}, so that its clone's name fits`,
      )
    return this.#partner(current.username)
  }

  pair(username: string): Pair {
    const user = username.endsWith(SUFFIX) ? username.slice(0, -SUFFIX.length) : username
    return { user, clone: user + SUFFIX }
  }

  async apply(engine: Engine, { current, pending, admin }: Change): Promise<void> {
    await using session = await this.#adminSession(engine, current, admin)
    const { username: user, password } = pending
    await session.cloneUser(this.pair(current.username), { user, password })
  }

  /**
   * Current was not touched unless two rotations met. The other user gets back what it had: the password of previous
   * while its grace time runs, else none.
   */
  async undo(engine: Engine, change: FailedChange): Promise<Outcome> {
    const outcome = await restoreCurrent(engine, change)
    if (outcome === 'left' || !(await logsIn(engine, change.pending))) return outcome
    // Another rotation that runs gives this user its own password; taking it away would break that one.
    if (await change.rival()) return outcome
    try {
      await this.#closePartner(engine, change)
      return outcome
    } catch (error) {
      if (error instanceof Unreachable || error instanceof Conflict || error instanceof Throttled) throw error
      // The admin is of no use any more. Current logs in, and that is what must not be put at stake.
      return 'open'
    }
  }

  async #closePartner(engine: Engine, { pending, current, admin, previous, previousIsOpen }: FailedChange) {
    const before = await previous()
    await using session = await this.#adminSession(engine, current, admin)
    if (before?.username === pending.username && (await previousIsOpen()))
      await session.setPassword(before.username, before.password)
    else await session.lockUser(pending.username)
  }

  async retire(
    engine: Engine,
    { current, admin }: Pick<Change, 'current' | 'admin'>,
    takenUp: () => Promise<Credential | undefined>,
  ): Promise<void> {
    await using session = await this.#adminSession(engine, current, admin)
    const partner = this.#partner(current.username)
    await session.lockUser(partner)
    // In the same session: by now current may be closed as well, and could not prove us again.
    const taken = await takenUp()
    if (taken?.username === partner) await session.setPassword(partner, taken.password)
  }

  #partner(username: string): string {
    const { user, clone } = this.pair(username)
    return username === clone ? user : clone
  }

  /**
   * The admin acts only for somebody who can log in as current, on the server that the admin's secret names: else
   * whoever may write the secret could have any user's password set (a confused deputy).
   */
  async #adminSession(engine: Engine, current: Credential, readAdmin: Change['admin']): Promise<Session> {
    const host = await prove(engine, current)
    const admin = await readAdmin()
    if (server(admin) !== server(current))
      throw new HostMismatch(
        `the admin's secret is for ${server(admin)}, this one for ${server(current)}; the admin was not used`,
      )
    return engine.login(admin.with({ dbname: current.dbname ?? traits[current.engine].database }), host)
  }
}

/** The host of current's account, if the engine has such. @throws LoginRefused if current does not log in */
async function prove(engine: Engine, current: Credential): Promise<string | undefined> {
  await using session = await tryLogin(engine, current)
  if (!session) throw new LoginRefused(`${current}: current was refused`)
  return session.host
}

const server = ({ engine, host, port }: Credential) =>
  `${engine}://${host.toLowerCase()}:${port ?? traits[engine].port}`
