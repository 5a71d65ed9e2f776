import { ErrorReply } from '@redis/client'
import { DatabaseFailed, type RotationError } from '../../errors.ts'
import { undefinedIfNotReadable } from '../notReadable.ts'
import type { RedisConnection } from './redisConnection.ts'
import { NoFileToSaveTo, translate } from './redisErrors.ts'

/** The connection of a session: sends single commands, and changes in transactions that also save them. */
export class RedisWire {
  readonly #connection: RedisConnection
  /** The login, for errors. */
  readonly #where: string
  #save: string[] | undefined

  constructor(connection: RedisConnection, where: string) {
    this.#connection = connection
    this.#where = where
  }

  /** The command that saves the users; undefined before the first change, which finds out. */
  get saveCommand(): string[] | undefined {
    return this.#save
  }

  /** Runs one command. @returns the answer */
  async send(command: string[]): Promise<unknown> {
    try {
      return await this.#connection.sendCommand<unknown>(command)
    } catch (error) {
      throw this.#translate(error)
    }
  }

  /**
   * Runs commands and saves their changes, in one transaction.
   * @returns the answer to each command, and to the one that saves
   * @throws NotPermitted or DatabaseFailed if the server could not save its users. Mostly that shows before the changes are made;
   *   else they last until a restart, which brings the old password back
   * @throws OutOfMemory; DatabaseFailed if the server did not answer each command
   */
  async changeAndSave(...commands: string[][]): Promise<unknown[]> {
    this.#save ??= await this.#tryToSave(['ACL', 'SAVE'], ['CONFIG', 'REWRITE'])
    await this.send(['MULTI'])
    // The commands are sent together with EXEC, which ends the transaction also if one of them is refused.
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
   * Checks what changeAndSave would refuse. In a transaction the server checks each command when it is queued, and EXEC runs
   * none of them if one was refused (https://redis.io/docs/latest/develop/reference/errors/common/execabort/). So the commands are
   * queued in a transaction that one refused command has made void.
   * @returns what could not be checked, one sentence each
   * @throws what changeAndSave would throw, except for a file that cannot be written
   */
  async wouldChange(...commands: string[][]): Promise<string[]> {
    const { saveCommands, unchecked } = await this.#requireFileToSaveTo()
    await this.send(['MULTI'])
    // DISCARD with an argument is refused, which makes the transaction void. A nested MULTI is refused only if the transaction
    // is still open.
    const [wrongDiscard, nestedMulti] = [
      await this.#reply(['DISCARD', 'never']),
      await this.#reply(['MULTI']),
    ]
    if (!(wrongDiscard instanceof ErrorReply && nestedMulti instanceof ErrorReply)) {
      this.close()
      throw new DatabaseFailed(`${this.#where}: the server does not refuse a wrong command in a transaction`)
    }
    const all = [...commands.map(withUnknownRule), ['ACL', 'SAVE'], ...saveCommands, ['EXEC']]
    const answers = await Promise.all(all.map(command => this.#reply(command)))
    const errors = answers.filter(answer => answer instanceof ErrorReply)
    // Older servers leave the transaction open if the user may not run EXEC.
    if (!errors.at(-1)?.message.startsWith('EXECABORT')) await this.#reply(['DISCARD'])
    const refusal = errors.find(({ message }) => !message.startsWith(TRANSACTION_DISCARDED))
    if (refusal) throw this.#translate(refusal)
    return unchecked
  }

  /** Runs one command. @returns the answer, also if it is an error @throws Unreachable */
  #reply(command: string[]): Promise<unknown> {
    return this.#connection.sendCommand<unknown>(command).catch(error => {
      if (error instanceof ErrorReply) return error
      throw this.#translate(error)
    })
  }

  /**
   * Checks that the server has a file to save users to, as far as this user may ask.
   * @returns the commands that saving needs besides ACL SAVE; and what could not be checked, one sentence each
   * @throws NoFileToSaveTo if the server has neither an aclfile nor a config file
   */
  async #requireFileToSaveTo(): Promise<{ saveCommands: string[][]; unchecked: string[] }> {
    const [, aclfile] = listOrEmpty(
      await this.send(['CONFIG', 'GET', 'aclfile']).catch(undefinedIfNotReadable),
    )
    if (aclfile === undefined)
      return {
        saveCommands: [],
        unchecked: [
          'could not be looked at: whether the server has an aclfile; let the login have +config|get',
        ],
      }
    if (aclfile !== '') return { saveCommands: [], unchecked: [] }

    const info = await this.send(['INFO', 'server']).catch(undefinedIfNotReadable)
    const [, configFile] = /^config_file:(.*?)\r?$/m.exec(String(info)) ?? []
    const saveCommands = [['CONFIG', 'REWRITE']]
    if (configFile === undefined)
      return {
        saveCommands,
        unchecked: ['could not be looked at: whether the server has a config file; let the login have +info'],
      }
    if (configFile === '')
      throw this.#translate(new ErrorReply('ERR The server is running without a config file'))
    return { saveCommands, unchecked: [] }
  }

  /**
   * Saves the users unchanged, which proves that a change can be saved.
   * @returns the first of these commands for which the server has a file
   */
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

  /** Closes the connection at once. */
  close(): void {
    this.#connection.destroy()
  }

  #translate(error: unknown): RotationError {
    return translate(error, this.#where)
  }
}

/** The beginning of EXEC's answer in a transaction that a refused command has made void. */
const TRANSACTION_DISCARDED = 'EXECABORT Transaction discarded because of previous errors'

/** Adds a rule that does not exist to ACL SETUSER, so that the command changes nothing even if the server should run it. */
const withUnknownRule = (command: string[]) => (command[1] === 'SETUSER' ? [...command, '!'] : command)

/** @returns the answer if it is a list, else an empty list */
export function listOrEmpty(answer: unknown): unknown[] {
  return Array.isArray(answer) ? answer : []
}
