import { ErrorReply } from '@redis/client'
import { DatabaseFailed, type RotationError } from '../../errors.ts'
import type { RedisConnection } from './redisConnection.ts'
import { NoFile, translate } from './redisErrors.ts'

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
  get save(): string[] | undefined {
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
  async change(...commands: string[][]): Promise<unknown[]> {
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

  /** Saves the users as they are, in the first way that the server has: the proof that a change can be. */
  async #tryToSave(first: string[], ...others: string[][]): Promise<string[]> {
    try {
      await this.send(first)
      return first
    } catch (error) {
      const [second, ...more] = others
      if (error instanceof NoFile && second) return this.#tryToSave(second, ...more)
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

/** A list that the server told; empty if it told something else. */
export function listed(told: unknown): unknown[] {
  return Array.isArray(told) ? told : []
}
