import type { GetExecutionHistoryCommandOutput, SFNClient, SFNClientConfig } from '@aws-sdk/client-sfn'
import type { StateName } from '../../fleet/states.ts'

/** A state that an execution entered, with its parsed input. `at` is the time in milliseconds since 1970. */
export type EnteredState = { state: StateName; input: unknown; at: number }

/**
 * Thrown if the history of an execution could not be looked at: reading it took too long, Step Functions refused, or it has more
 * than MAX_PAGE_COUNT pages.
 */
export class NotLooked extends Error {
  override readonly name = 'NotLooked'
}

/** Events on a page of a history. The first page has the newest events, as the wanted state is among the last ones. */
const EVENTS_PER_PAGE = 100
/** How many pages of a history are read. */
const MAX_PAGE_COUNT = 10

/**
 * Reads what this stack's executions did. Anybody who may put events on the bus can forge one; only Step Functions writes a
 * history. So the history proves that an execution announced an event.
 */
export class Histories {
  readonly #prefix: string
  readonly #settings: SFNClientConfig
  #client: SFNClient | undefined

  /**
   * @param prefix the beginning of the ARNs of rotate's executions, up to and with `rotate`. Those of the other state machines have
   *   their own name in its place.
   * @param settings of the client of Step Functions
   */
  constructor(prefix: string, settings: SFNClientConfig) {
    this.#prefix = prefix
    this.#settings = settings
  }

  /**
   * Whether an ARN has the form of an execution of one of this stack's state machines that raise alarms. `rotate-due/Host` is for
   * the child executions of a Map state of rotate-due. Those of an older release announce failures, and may still run after the
   * stack was updated.
   */
  isOwnExecution(execution: string): boolean {
    const stackPrefix = this.#prefix.replace(/rotate$/, '')
    return (
      execution.startsWith(stackPrefix) &&
      /^(rotate(-due(\/Host)?|-server)?|promote):[\w-]+$/.test(execution.slice(stackPrefix.length))
    )
  }

  /**
   * Finds the last state that an execution entered and for which `wanted` is true.
   * @returns 'running' if there is no such state yet; 'none' if there will be none, because the execution has ended, does not
   *   exist or is not of one of those state machines
   * @throws NotLooked
   */
  async lastEntered(
    execution: string,
    wanted: (entered: EnteredState) => boolean,
    abortSignal: AbortSignal,
  ): Promise<EnteredState | 'running' | 'none'> {
    if (!this.isOwnExecution(execution)) return 'none'
    let hasEnded = false
    let nextToken: string | undefined
    for (let page = 0; page < MAX_PAGE_COUNT; page++) {
      const { events = [], ...rest } = await this.#fetchPage(execution, nextToken, abortSignal)
      for (const { type = '', timestamp, stateEnteredEventDetails: entered } of events) {
        hasEnded ||= /^Execution(Succeeded|Failed|Aborted|TimedOut)$/.test(type)
        if (!entered?.name) continue
        const at = timestamp?.getTime() ?? Date.now()
        const found = { state: entered.name as StateName, input: parseJson(entered.input), at }
        if (wanted(found)) return found
      }
      nextToken = rest.nextToken
      // Without events there is no such execution: see #fetchPage.
      if (!nextToken) return hasEnded || !events.length ? 'none' : 'running'
    }
    throw new NotLooked('the history is too long')
  }

  /** A page of an execution's history; an empty one if there is no such execution. @throws NotLooked */
  async #fetchPage(
    executionArn: string,
    nextToken: string | undefined,
    abortSignal: AbortSignal,
  ): Promise<Pick<GetExecutionHistoryCommandOutput, 'events' | 'nextToken'>> {
    const { SFNClient, GetExecutionHistoryCommand } = await import('../../fleet/stepFunctions.ts')
    this.#client ??= new SFNClient(this.#settings)
    const query = { executionArn, nextToken, reverseOrder: true, maxResults: EVENTS_PER_PAGE }
    try {
      return await this.#client.send(new GetExecutionHistoryCommand(query), { abortSignal })
    } catch (error) {
      const { name } = error as Error
      if (name === 'ExecutionDoesNotExist') return { events: [] }
      throw new NotLooked(`Step Functions: ${name}`)
    }
  }
}

/** The value of a JSON text; undefined for any other text. */
function parseJson(input = ''): unknown {
  try {
    return JSON.parse(input)
  } catch {
    return undefined
  }
}
