import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { Connection } from 'mysql2'
import pg from 'pg'
import type { Death } from './mortal.ts'

/** What a process dies of. No code of ours can know it, so none can catch it by kind. */
class Died extends Error {}

/** One process of Keyturn's: what it did to the outside, in order. Once it is dead nothing it does has an effect any more. */
export class Life {
  readonly operations: string[] = []
  dead = false
  readonly #dies: Death | undefined

  constructor(dies?: Death) {
    this.#dies = dies
  }

  /** Counts an operation. @returns its number @throws if the process dies before it */
  begin(operation: string): number {
    if (this.dead) throw new Died()
    const at = this.operations.push(operation) - 1
    this.#pass(at, 'before')
    return at
  }

  /** @throws if the process dies after it */
  end(at: number): void {
    if (this.dead) throw new Died()
    this.#pass(at, 'after')
  }

  #pass(at: number, when: Death['when']): void {
    if (this.#dies?.at !== at || this.#dies.when !== when) return
    this.dead = true
    throw new Died()
  }
}

/** Whose calls to AWS, logins and statements are counted. */
let living: Life | undefined

/** Runs what this process does as the life of one that may die. */
export async function alive<T>(life: Life, run: () => Promise<T>): Promise<T> {
  watch()
  living = life
  try {
    return await run()
  } finally {
    living = undefined
  }
}

type Method = (this: object, ...words: never[]) => unknown

/** Once for all: what it does while nothing is alive goes by. */
function watch(): void {
  if (watched) return
  watched = true
  wrap(Object.getPrototypeOf(SecretsManagerClient.prototype), 'send', command => command.constructor.name)
  wrap(pg.Client.prototype, 'connect', () => 'login')
  wrap(pg.Client.prototype, 'query', () => 'statement')
  watchMysql()
}
let watched = false

/** Counts each call of a method that gives back a promise. */
function wrap(prototype: object, method: string, nameOf: (first: object) => string): void {
  const methods = prototype as Record<string, Method>
  const original = methods[method]
  if (!original) throw new Error(`there is no ${method}`)
  methods[method] = async function (...words) {
    const life = living
    if (!life) return await original.apply(this, words)
    const at = life.begin(nameOf(words[0] ?? {}))
    try {
      return await original.apply(this, words)
    } finally {
      life.end(at)
    }
  }
}

/** The driver's connection, which knows no promises: it logs in by a first command, and answers by calling back. */
type MysqlConnection = {
  addCommand(command: object): unknown
  on(event: 'error', listener: () => void): unknown
  promise(): unknown
  query(...words: unknown[]): unknown
  stream: { destroy(): void }
}

function watchMysql(): void {
  const prototype = Connection.prototype as unknown as MysqlConnection
  const { addCommand, promise, query } = prototype
  const logins = new WeakMap<object, () => void>()
  prototype.addCommand = function (command) {
    const life = command.constructor.name === 'ClientHandshake' ? living : undefined
    try {
      const at = life?.begin('login')
      if (life && at !== undefined) logins.set(this, () => life.end(at))
    } catch (error) {
      this.on('error', () => {})
      this.stream.destroy()
      throw error
    }
    return addCommand.call(this, command)
  }
  prototype.promise = function () {
    logins.get(this)?.()
    return promise.call(this)
  }
  prototype.query = function (...words) {
    const life = living
    const answer = words.at(-1)
    if (!life || typeof answer !== 'function') return query.apply(this, words)
    const at = life.begin('statement')
    const answered = (...results: unknown[]) => {
      try {
        life.end(at)
        answer(...results)
      } catch (error) {
        answer(error)
      }
    }
    return query.apply(this, [...words.slice(0, -1), answered])
  }
}
