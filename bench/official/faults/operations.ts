import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { Connection } from 'mysql2'
import pg from 'pg'
import type { Death } from './mortal.ts'

/** Thrown where a process dies. Keyturn's code does not know this class, so it cannot catch it by its kind. */
class ProcessDied extends Error {}

/** Simulates a process whose operations are counted. Once it is dead, each further operation throws and has no effect. */
export class CountedProcess {
  /** The operations so far, in order. */
  readonly operations: string[] = []
  isDead = false
  readonly #dies: Death | undefined

  constructor(dies?: Death) {
    this.#dies = dies
  }

  /** Counts an operation. @returns its number @throws if the process dies before it, or is dead */
  beginOperation(operation: string): number {
    if (this.isDead) throw new ProcessDied()
    const at = this.operations.push(operation) - 1
    this.#dieAt(at, 'before')
    return at
  }

  /** Ends an operation. @throws if the process dies after it, or is dead */
  endOperation(at: number): void {
    if (this.isDead) throw new ProcessDied()
    this.#dieAt(at, 'after')
  }

  #dieAt(at: number, when: Death['when']): void {
    if (this.#dies?.at !== at || this.#dies.when !== when) return
    this.isDead = true
    throw new ProcessDied()
  }
}

/** The process whose operations are counted now: calls to AWS, logins and statements. */
let countedProcess: CountedProcess | undefined

/** Runs something as a counted process, which may die. */
export async function runCounted<T>(counted: CountedProcess, run: () => Promise<T>): Promise<T> {
  wrapClients()
  countedProcess = counted
  try {
    return await run()
  } finally {
    countedProcess = undefined
  }
}

type Method = (this: object, ...words: never[]) => unknown

/** Wraps AWS's client and the database drivers, once. They work as usual while no process is counted. */
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
  wrapMysql()
}
let areClientsWrapped = false

/** Has each call of a method that returns a promise counted. @param nameOf the operation's name, by the first argument */
function wrapMethod(prototype: object, method: string, nameOf: (argument: object) => string): void {
  const methods = prototype as Record<string, Method>
  const original = methods[method]
  if (!original) throw new Error(`there is no ${method}`)
  methods[method] = async function (...words) {
    const counted = countedProcess
    if (!counted) return await original.apply(this, words)
    const at = counted.beginOperation(nameOf(words[0] ?? {}))
    try {
      return await original.apply(this, words)
    } finally {
      counted.endOperation(at)
    }
  }
}

/** mysql2's connection with callbacks, on which the one with promises is built. Its first command is the login. */
type MysqlConnection = {
  addCommand(command: object): unknown
  on(event: 'error', listener: () => void): unknown
  promise(): unknown
  query(...words: unknown[]): unknown
  stream: { destroy(): void }
}

/** Wraps mysql2: a login ends when the connection is handed over as one with promises. */
function wrapMysql(): void {
  const prototype = Connection.prototype as unknown as MysqlConnection
  const { addCommand, promise, query } = prototype
  const endOfLogin = new WeakMap<object, () => void>()
  prototype.addCommand = function (command) {
    const counted = command.constructor.name === 'ClientHandshake' ? countedProcess : undefined
    try {
      const at = counted?.beginOperation('login')
      if (counted && at !== undefined) endOfLogin.set(this, () => counted.endOperation(at))
    } catch (error) {
      this.on('error', () => {})
      this.stream.destroy()
      throw error
    }
    return addCommand.call(this, command)
  }
  prototype.promise = function () {
    endOfLogin.get(this)?.()
    return promise.call(this)
  }
  prototype.query = function (...words) {
    const counted = countedProcess
    const callback = words.at(-1)
    if (!counted || typeof callback !== 'function') return query.apply(this, words)
    const at = counted.beginOperation('statement')
    const countedCallback = (...results: unknown[]) => {
      try {
        counted.endOperation(at)
        callback(...results)
      } catch (error) {
        callback(error)
      }
    }
    return query.apply(this, [...words.slice(0, -1), countedCallback])
  }
}
