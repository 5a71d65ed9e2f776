import {
  DescribeExecutionCommand,
  type DescribeExecutionOutput,
  SFNClient,
  type SFNClientConfig,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn'
import { callAws } from '../rotation/callAws.ts'
import { digest } from './digest.ts'
import { listNewestExecutions } from './recentRotations.ts'

/**
 * The last execution by which a server or a slot was taken: the number at the end of its name, whether it runs, and whether the
 * server was found down by it.
 */
export type LastExecution = { number: number; isRunning: boolean; isServerDown: boolean }

/** How many slots one try looks at, at most. */
const MAX_SLOTS_PER_TRY = 20

/**
 * The last executions of the state machine rotate-server, by the server's id or `slot-<k>`. They are taken from the list of the
 * newest executions, which may lag behind.
 * @param pages how many pages of that list are read
 * @throws NotPermitted, Throttled, StoreFailed
 */
export async function findLastExecutions(
  client: SFNClient,
  stateMachineArn: string,
  pages?: number,
): Promise<Map<string, LastExecution>> {
  const { executions } = await listNewestExecutions(client, stateMachineArn, pages)
  const names = new Set(executions.map(({ name }) => name))
  const found = new Map<string, LastExecution>()
  for (const { name = '', status } of executions) {
    const { taken, number } = EXECUTION_NAME_PATTERN.exec(name)?.groups ?? {}
    if (!taken || found.has(taken)) continue
    found.set(taken, {
      number: Number(number),
      isRunning: status === 'RUNNING',
      isServerDown: names.has(`${name}-down`),
    })
  }
  return found
}

/** What a database server is called in the names of executions: the beginning of a digest of its `host:port`. */
export const serverIdOf = (address: string) => digest(address).slice(0, 16)

/**
 * The rotations that a run found due on one database server. In `server`, `last` is the number of the last execution that took
 * this server, or 0. `outage` is set if that execution found the server down: it is the group in whose name an alarm told that.
 * `caps` has how many servers may be rotated on at the same time, and how many rotations may run on one server at the same time.
 */
export type ServerWork = {
  run: string
  group: {
    name: string
    host: string
    server: { id: string; last: number; outage?: string }
    rotations: object[]
    turns?: object[][]
  }
  caps: { hosts: number; perHost: number }
}

/**
 * The input of the execution of rotate-server that has this `name`. For credentials without a server, `server` is null: there is
 * no server that could be down.
 */
export function serverInputOf({ run, group, caps: { hosts, perHost } }: ServerWork, name: string) {
  const { host, server, rotations, turns = [rotations] } = group
  return {
    run,
    group: { name: server.outage ?? group.name, host, turns: host ? startWithOne(turns) : turns },
    server: host ? name : null,
    outage: server.outage !== undefined,
    hosts,
    perHost,
  }
}

/** Lets the first rotation begin alone: if the server does not answer, only that one fails. */
const startWithOne = <T>([first = [], ...turns]: T[][]): T[][] =>
  [first.slice(0, 1), first.slice(1), ...turns].filter(turn => turn.length)

/** The name of an execution that takes a server or a slot: what it takes, and a number. */
const EXECUTION_NAME_PATTERN = /^(?<taken>[\da-f]{16}|slot-\d+)-(?<number>\d+)$/

/**
 * Locks by which each database server is rotated on by one run at a time. The locks are the names of executions of the state
 * machine rotate-server, so no table is needed: Step Functions gives a name to only one execution
 * (https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html).
 *
 * - `<server>-<n>` is the execution that rotates on the server. The server is taken while it runs; then n + 1 may begin.
 * - `slot-<k>-<n>` takes the slot k. There are as many slots as servers that may be rotated on at the same time. This execution
 *   ends at once; its input names the execution `<server>-<n>` that has the slot for as long as that one runs.
 * - `<server>-<n>-down` notes that the server did not answer `<server>-<n>`. Its input names the group in whose name an alarm
 *   told that.
 *
 * Every method may throw NotPermitted, Throttled, StoreFailed.
 */
export class ServerLocks {
  readonly #stateMachineArn: string
  readonly #client: SFNClient

  /** @param stateMachineArn ARN of the state machine rotate-server */
  constructor(stateMachineArn: string, settings: SFNClientConfig) {
    this.#stateMachineArn = stateMachineArn
    this.#client = new SFNClient(settings)
  }

  /** The same as the function findLastExecutions, of this state machine. */
  findLastExecutions = (pages?: number) => findLastExecutions(this.#client, this.#stateMachineArn, pages)

  /**
   * Takes a server or a slot: starts an execution with the first number after `last` that is free. Each number from `last` on that
   * is used already is looked at first. If its execution has this caller's input, an earlier try of the caller has taken the lock.
   * @param taken the server's id, or `slot-<k>`
   * @param inputOf makes the input of the execution with a name
   * @returns the execution's name; undefined if another execution has the lock, or a name is in use and Step Functions does not
   *   find its execution yet
   */
  async take(taken: string, last: number, inputOf: (name: string) => string): Promise<string | undefined> {
    for (let number = Math.max(1, last); ; number++) {
      const name = `${taken}-${number}`
      const input = inputOf(name)
      if (number > last && (await this.#start(name, input))) return name
      const found = await this.findExecution(name)
      if (found?.input === input) return name
      if (!found || (await this.#isHeld(found))) return undefined
    }
  }

  /**
   * Takes one of the slots 1 to `slots` for the execution that rotates on a server.
   * @param execution the name of that execution
   * @returns false if no slot is free now
   */
  async takeSlot(execution: string, slots: number): Promise<boolean> {
    const last = await this.findLastExecutions(1)
    const first = Number.parseInt(digest(execution).slice(0, 8), 16)
    const input = JSON.stringify({ record: 'slot', holder: execution })
    // The order is the same at each try, so that a try finds the slot of an earlier one, also where the list lags behind.
    const candidates = Array.from({ length: Math.min(slots, MAX_SLOTS_PER_TRY) }, (_, n) => {
      const slot = `slot-${((first + n) % slots) + 1}`
      return { slot, number: last.get(slot)?.number ?? 0 }
    })
    // An earlier try may have taken a slot that comes after one that is free now: without a look the execution would get both.
    for (const { slot, number } of candidates)
      if (number && (await this.findExecution(`${slot}-${number}`))?.input === input) return true
    for (const { slot, number } of candidates) if (await this.take(slot, number, () => input)) return true
    return false
  }

  /** Notes that the server of this execution does not answer. `group` is the group in whose name an alarm tells that. */
  async recordServerDown(execution: string, group: string): Promise<void> {
    await this.#start(`${execution}-down`, JSON.stringify({ record: 'down', group }))
  }

  /** The group in whose name an alarm told that the server of this execution does not answer; undefined if the server answered. */
  async outageOf(execution: string): Promise<string | undefined> {
    const found = await this.findExecution(`${execution}-down`)
    return found && JSON.parse(found.input ?? '{}').group
  }

  /** The execution of this name; undefined if there is none. */
  async findExecution(name: string): Promise<DescribeExecutionOutput | undefined> {
    const executionArn = `${this.#stateMachineArn.replace(':stateMachine:', ':execution:')}:${name}`
    const command = new DescribeExecutionCommand({ executionArn })
    return callAws('Step Functions', () => this.#client.send(command), {
      ExecutionDoesNotExist: () => undefined,
    })
  }

  /** Starts an execution. @returns false if its name is taken */
  async #start(name: string, input: string): Promise<boolean> {
    const command = new StartExecutionCommand({ stateMachineArn: this.#stateMachineArn, name, input })
    const started = await callAws('Step Functions', () => this.#client.send(command), {
      ExecutionAlreadyExists: () => undefined,
    })
    return started !== undefined
  }

  /** Whether the lock that an execution took is still held: by that execution, or by the one that its input names. */
  async #isHeld({ status, input }: DescribeExecutionOutput): Promise<boolean> {
    const { holder } = JSON.parse(input ?? '{}')
    if (status === 'RUNNING' || !holder) return status === 'RUNNING'
    const found = await this.findExecution(holder)
    return !found || found.status === 'RUNNING'
  }
}
