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

/** The last execution for something that is taken: its number, whether it runs, and whether its server did not answer. */
export type LastExecution = { number: number; isRunning: boolean; isServerDown: boolean }

/** Places that are looked at in one try. */
const MAX_SLOTS_PER_TRY = 20

/**
 * The last executions of rotate-server, by the server's id or `slot-<k>`, as far as the newest ones tell, which may lag.
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

/** What a database server is called in the names of executions. */
export const serverIdOf = (host: string) => digest(host).slice(0, 16)

/** What a run found due on one database server, and how many rotations may go on at once: servers in all, and on one. */
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

/** What the execution of rotate-server gets that has this name. What has no server cannot be found down. */
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

/** One begins alone, by which a server that does not answer is found out. */
const startWithOne = <T>([first = [], ...turns]: T[][]): T[][] =>
  [first.slice(0, 1), first.slice(1), ...turns].filter(turn => turn.length)

/** Tells the server or place from the number, in the names of executions. */
const EXECUTION_NAME_PATTERN = /^(?<taken>[\da-f]{16}|slot-\d+)-(?<number>\d+)$/

/**
 * Who rotates on which database server, over all runs. There is no table: Step Functions gives a name to one execution
 * alone, so a name is a right.
 *
 * - `<server>-<n>` rotates on that server for as long as it runs. The next one, n + 1, begins when it has ended.
 * - `slot-<k>-<n>` is one of so many places as there may be servers at once. It ends at once, and its input names the
 *   server's execution that holds the place for as long as that one runs.
 * - `<server>-<n>-down` says that the server did not answer `<server>-<n>`. Its input names the group by which whoever
 *   is on call was told.
 *
 * Every method may throw NotPermitted, Throttled, StoreFailed.
 */
export class ServerLocks {
  readonly #stateMachineArn: string
  readonly #client: SFNClient

  /** `stateMachineArn` is of rotate-server. */
  constructor(stateMachineArn: string, settings: SFNClientConfig) {
    this.#stateMachineArn = stateMachineArn
    this.#client = new SFNClient(settings)
  }

  /** The last executions, by the server's id or `slot-<k>`, as far as the newest ones tell, which may lag. */
  findLastExecutions = (pages?: number) => findLastExecutions(this.#client, this.#stateMachineArn, pages)

  /**
   * Takes a server or a place by the first name that is free, from number `last` on, which others may have passed
   * meanwhile: then that one is looked at, and counting goes on. `serverInputOf` makes the input for a name, by which another
   * try of the same caller finds what it has.
   * @returns the name; undefined if somebody else has it, or nobody can tell yet
   */
  async take(taken: string, last: number, inputOf: (name: string) => string): Promise<string | undefined> {
    for (let number = Math.max(1, last); ; number++) {
      const name = `${taken}-${number}`
      const input = inputOf(name)
      if (number > last && (await this.#start(name, input))) return name
      const found = await this.findExecution(name)
      if (found?.input === input) return name
      if (!found || (await this.#goesOn(found))) return undefined
    }
  }

  /** Takes one of so many places for a server's execution. @returns false if there is none now */
  async takeSlot(execution: string, slots: number): Promise<boolean> {
    const last = await this.findLastExecutions(1)
    const first = Number.parseInt(digest(execution).slice(0, 8), 16)
    const input = JSON.stringify({ record: 'slot', holder: execution })
    // In the same order at each try, so that it finds what an earlier one has, also where the list lags.
    const places = Array.from({ length: Math.min(slots, MAX_SLOTS_PER_TRY) }, (_, n) => {
      const slot = `slot-${((first + n) % slots) + 1}`
      return { slot, number: last.get(slot)?.number ?? 0 }
    })
    // One that became free meanwhile may come before its own: it would have both.
    for (const { slot, number } of places)
      if (number && (await this.findExecution(`${slot}-${number}`))?.input === input) return true
    for (const { slot, number } of places) if (await this.take(slot, number, () => input)) return true
    return false
  }

  /** Notes that the server of this execution does not answer. `group` is by which that is told. */
  async recordServerDown(execution: string, group: string): Promise<void> {
    await this.#start(`${execution}-down`, JSON.stringify({ record: 'down', group }))
  }

  /** By which group it was told that the server of this execution does not answer; undefined if it did. */
  async outageOf(execution: string): Promise<string | undefined> {
    const found = await this.findExecution(`${execution}-down`)
    return found && JSON.parse(found.input ?? '{}').group
  }

  async findExecution(name: string): Promise<DescribeExecutionOutput | undefined> {
    const executionArn = `${this.#stateMachineArn.replace(':stateMachine:', ':execution:')}:${name}`
    const command = new DescribeExecutionCommand({ executionArn })
    return callAws('Step Functions', () => this.#client.send(command), {
      ExecutionDoesNotExist: () => undefined,
    })
  }

  async #start(name: string, input: string): Promise<boolean> {
    const command = new StartExecutionCommand({ stateMachineArn: this.#stateMachineArn, name, input })
    const started = await callAws('Step Functions', () => this.#client.send(command), {
      ExecutionAlreadyExists: () => undefined,
    })
    return started !== undefined
  }

  /** Whether what an execution has taken is still taken: by itself, or by who holds it. */
  async #goesOn({ status, input }: DescribeExecutionOutput): Promise<boolean> {
    const { holder } = JSON.parse(input ?? '{}')
    if (status === 'RUNNING' || !holder) return status === 'RUNNING'
    const found = await this.findExecution(holder)
    return !found || found.status === 'RUNNING'
  }
}
