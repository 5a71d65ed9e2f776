import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { Connection } from 'mysql2'
import pg from 'pg'
import type { Death } from './mortal.ts'

/** What a process dies of. No code of ours can know it, so none can catch it by kind. */
class ProcessDied extends Error {}

/** One process of Keyturn's: what it did to the outside, in order. Once it is dead nothing it does has an effect any more. */
export class CountedProcess {
  readonly operations: string[] = []
  isDead = false
  readonly #dies: Death | undefined

  constructor(dies?: Death) {
    this.#dies = dies
  }

  /** Counts an operation. @returns its number @throws if the process dies before it */
  beginOperation(operation: string): number {
    if (this.isDead) throw new ProcessDied()
    const at = this.operations.push(operation) - 1
    this.#pass(at, 'before')
    return at
  }

  /** @throws if the process dies after it */
  endOperation(at: number): void {
    if (this.isDead) throw new ProcessDied()
    this.#pass(at, 'after')
  }

  #pass(at: number, when: Death['when']): void {
    if (this.#dies?.at !== at || this.#dies.when !== when) return
    this.isDead = true
    throw new ProcessDied()
  }
}

/** Whose calls to AWS, logins and statements are counted. */
let countedProcess: CountedProcess | undefined

/** Runs what this process does as the life of one that may die. */
export async function runCounted<T>(life: CountedProcess, run: () => Promise<T>): Promise<T> {
  wrapClients()
  countedProcess = life
  try {
    return await run()
  } finally {
    countedProcess = undefined
  }
}

type Method = (this: object, ...words: never[]) => unknown

/** Once for all: what it does while nothing is alive goes by. */
function wrapClients(): void {
  if (areClientsWrapped) return
  areClientsWrapped = true
  wrapMethod(
    Object.getPrototypeOf(SecretsManagerClient.prototype),
    'send',
    command => command.constructor.name,
  )
  wrapMethod(pg.Client.prototype, 'connect', () => 'login')
  wrapMethod(pg.Client.prototype, 'query', () => 'statement')
  watchMysql()
}
let areClientsWrapped = false

/** Counts each call of a method that gives back a promise. */
function wrapMethod(prototype: object, method: string, nameOf: (first: object) => string): void {
  const methods = prototype as Record<string, Method>
  const original = methods[method]
  if (!original) throw new Error(`there is no ${method}`)
  methods[method] = async function (...words) {
    const life = countedProcess
    if (!life) return await original.apply(this, words)
    const at = life.beginOperation(nameOf(words[0] ?? {}))
    try {
      return await original.apply(this, words)
    } finally {
      life.endOperation(at)
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
    const life = command.constructor.name === 'ClientHandshake' ? countedProcess : undefined
    try {
      const at = life?.beginOperation('login')
      if (life && at !== undefined) logins.set(this, () => life.endOperation(at))
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
    const life = countedProcess
    const answer = words.at(-1)
    if (!life || typeof answer !== 'function') return query.apply(this, words)
    const at = life.beginOperation('statement')
    const answered = (...results: unknown[]) => {
      try {
        life.endOperation(at)
        answer(...results)
      } catch (error) {
        answer(error)
      }
    }
    return query.apply(this, [...words.slice(0, -1), answered])
  }
}
