import { ErrorReply } from '@redis/client'
import { DatabaseFailed, type RotationError } from '../../errors.ts'
import { undefinedIfNotReadable } from '../userInUse.ts'
import type { RedisConnection } from './redisConnection.ts'
import { NoFileToSaveTo, translate } from './redisErrors.ts'

/** What a session sends: commands one by one, and changes in transactions that save them. */
export class RedisWire {
  readonly #connection: RedisConnection
  /** For errors: whose connection it is. */
  readonly #where: string
  #save: string[] | undefined

  constructor(connection: RedisConnection, where: string) {
    this.#connection = connection
    this.#where = where
  }

  /** The command that saves the users, once it is known. */
  get saveCommand(): string[] | undefined {
    return this.#save
  }

  /** Runs one command. @returns what it was answered */
  async send(command: string[]): Promise<unknown> {
    try {
      return await this.#connection.sendCommand<unknown>(command)
    } catch (error) {
      throw this.#translate(error)
    }
  }

  /**
   * Runs commands, and saves what they changed, in one transaction.
   * @returns what each was answered
   * @throws NotPermitted if it could not be saved, so that a restart would bring the old password back
   * @throws DatabaseFailed if the server did not say what became of each
   */
  async changeAndSave(...commands: string[][]): Promise<unknown[]> {
    this.#save ??= await this.#tryToSave(['ACL', 'SAVE'], ['CONFIG', 'REWRITE'])
    await this.send(['MULTI'])
    // All at once: whatever was refused, EXEC ends the transaction.
    const all = [...commands, this.#save]
    const queued = [...all, ['EXEC']].map(command => this.send(command))
    for (const answer of await Promise.allSettled(queued))
      if (answer.status === 'rejected') throw answer.reason
    const replies = await queued.at(-1)
    if (!Array.isArray(replies) || replies.length !== all.length)
      throw new DatabaseFailed(`${this.#where}: EXEC was not answered with an answer for each command`)
    for (const reply of replies) if (reply instanceof ErrorReply) throw this.#translate(reply)
    return replies
  }

  /**
   * What change would refuse. The server says of each command of a transaction whether it takes it, long before EXEC runs
   * them; and EXEC runs none of them if it did not take one.
   * @returns what could not be looked at, a sentence each
   * @throws what change would, but for a file that cannot be written
   */
  async wouldChange(...commands: string[][]): Promise<string[]> {
    const { saves, says } = await this.#refuseUnsaved()
    await this.send(['MULTI'])
    // The first spoils the transaction, as it has too many words; the second shows that it goes on.
    const [spoilt, nested] = [await this.#reply(['DISCARD', 'never']), await this.#reply(['MULTI'])]
    if (!(spoilt instanceof ErrorReply && nested instanceof ErrorReply)) {
      this.close()
      throw new DatabaseFailed(`${this.#where}: the server does not refuse what is no part of a transaction`)
    }
    const all = [...commands.map(withUnknownRule), ['ACL', 'SAVE'], ...(saves ? [saves] : []), ['EXEC']]
    const answers = await Promise.all(all.map(command => this.#reply(command)))
    const errors = answers.filter(answer => answer instanceof ErrorReply)
    // Older servers leave a transaction open whose EXEC they do not allow.
    if (!errors.at(-1)?.message.startsWith('EXECABORT')) await this.#reply(['DISCARD'])
    const refused = errors.find(({ message }) => !message.startsWith(TRANSACTION_DISCARDED))
    if (refused) throw this.#translate(refused)
    return says
  }

  /** What a command is answered, errors too. @throws Unreachable */
  #reply(command: string[]): Promise<unknown> {
    return this.#connection.sendCommand<unknown>(command).catch(error => {
      if (error instanceof ErrorReply) return error
      throw this.#translate(error)
    })
  }

  /**
   * Whether there is a file to save users in, as far as it is told.
   * @returns the command that it takes beside ACL SAVE
   * @throws NoFileToSaveTo if there is none
   */
  async #refuseUnsaved(): Promise<{ saves?: string[]; says: string[] }> {
    const [, aclfile] = listOrEmpty(
      await this.send(['CONFIG', 'GET', 'aclfile']).catch(undefinedIfNotReadable),
    )
    if (aclfile === undefined)
      return {
        says: [`could not be looked at: whether the server has an aclfile; let the login have +config|get`],
      }
    if (aclfile !== '') return { says: [] }
    const told = await this.send(['INFO', 'server']).catch(undefinedIfNotReadable)
    const [, file] = /^config_file:(.*?)\r?$/m.exec(String(told)) ?? []
    const saves = ['CONFIG', 'REWRITE']
    if (file === undefined)
      return {
        saves,
        says: ['could not be looked at: whether the server has a config file; let the login have +info'],
      }
    if (file === '') throw this.#translate(new ErrorReply('ERR The server is running without a config file'))
    return { saves, says: [] }
  }

  /** Saves the users as they are, in the first way that the server has: the proof that a change can be. */
  async #tryToSave(first: string[], ...others: string[][]): Promise<string[]> {
    try {
      await this.send(first)
      return first
    } catch (error) {
      const [second, ...more] = others
      if (error instanceof NoFileToSaveTo && second) return this.#tryToSave(second, ...more)
      throw error
    }
  }

  close(): void {
    this.#connection.destroy()
  }

  #translate(error: unknown): RotationError {
    return translate(error, this.#where)
  }
}

/** How EXEC answers where a command before it was refused. */
const TRANSACTION_DISCARDED = 'EXECABORT Transaction discarded because of previous errors'

/** With a rule that there is none of: should it be run all the same, it changes nothing. */
const withUnknownRule = (command: string[]) => (command[1] === 'SETUSER' ? [...command, '!'] : command)

/** A list that the server told; empty if it told something else. */
export function listOrEmpty(told: unknown): unknown[] {
  return Array.isArray(told) ? told : []
}
