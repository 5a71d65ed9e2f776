import type { GetExecutionHistoryCommandOutput, SFNClient, SFNClientConfig } from '@aws-sdk/client-sfn'
import type { StateName } from '../../fleet/states.ts'

/** A state that an execution entered. */
export type EnteredState = { state: StateName; input: unknown; at: number }

/** Looking took too long, or was refused. */
export class NotLooked extends Error {
  override readonly name = 'NotLooked'
}

/** Events of one page. The state in question is among the last that were entered. */
const EVENTS_PER_PAGE = 100
const MAX_PAGES = 10

/** What the executions of this stack did, by their own histories, which nobody can write. */
export class Histories {
  readonly #prefix: string
  readonly #settings: SFNClientConfig
  #client: SFNClient | undefined

  /** `prefix` is what the ARNs of rotate's executions begin with; those of the other state machines follow from it. */
  constructor(prefix: string, settings: SFNClientConfig) {
    this.#prefix = prefix
    this.#settings = settings
  }

  /** Whether an ARN has the form of an execution of this stack. */
  isOwnExecution(execution: string): boolean {
    const stack = this.#prefix.replace(/rotate$/, '')
    return (
      execution.startsWith(stack) &&
      /^(rotate(-due(\/Host)?|-server)?|promote):[\w-]+$/.test(execution.slice(stack.length))
    )
  }

  /**
   * The last state that an execution entered of which `wanted` is true. 'running' if there is none yet, 'none' if there
   * will be none, as when there is no such execution.
   * @throws NotLooked
   */
  async lastEntered(
    execution: string,
    wanted: (entered: EnteredState) => boolean,
    abortSignal: AbortSignal,
  ): Promise<EnteredState | 'running' | 'none'> {
    if (!this.isOwnExecution(execution)) return 'none'
    let ended = false
    let nextToken: string | undefined
    for (let page = 0; page < MAX_PAGES; page++) {
      const { events = [], ...rest } = await this.#page(execution, nextToken, abortSignal)
      for (const { type = '', timestamp, stateEnteredEventDetails: entered } of events) {
        ended ||= /^Execution(Succeeded|Failed|Aborted|TimedOut)$/.test(type)
        if (!entered?.name) continue
        const at = timestamp?.getTime() ?? Date.now()
        const found = { state: entered.name as StateName, input: parsed(entered.input), at }
        if (wanted(found)) return found
      }
      nextToken = rest.nextToken
      if (!nextToken) return ended || !events.length ? 'none' : 'running'
    }
    throw new NotLooked('the history is too long')
  }

  async #page(
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

function parsed(input = ''): unknown {
  try {
    return JSON.parse(input)
  } catch {
    return undefined
  }
}
