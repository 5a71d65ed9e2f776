import type { HistoryEvent, SFNClient, SFNClientConfig } from '@aws-sdk/client-sfn'
import { callAws, type ErrorHandlers } from '../rotation/callAws.ts'
import { hasChangedNothingMark } from '../rotation/changedNothingMark.ts'
import { InvalidInput, RotationError } from '../rotation/errors.ts'
import type { StoreName } from '../rotation/stores/store.ts'
import type { StateName } from './states.ts'
import { createStateTracker } from './statesOfEvents.ts'
import { isToken } from './token.ts'

/** One rotation's execution; `number` is 1 for the first that its token had. */
export type Attempt = { token: string; number: number }
/**
 * An execution's input. `group` names those that a run of what was due started on one database server, `event` the event
 * that asked for the rotation.
 */
export type RotationInput = { store: StoreName; id: string; token: string; group?: string; event?: string }
type Status = 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED' | 'PENDING_REDRIVE'

/** The last attempt that a token had, and when it began. */
type LatestAttempt = Attempt & { status: Status; started: Date | undefined }

/** The states that an attempt has entered, and whether it has ended. */
export type AttemptProgress = { enteredStates: Set<StateName<'rotate'>>; hasEnded: boolean }

/** What tells that a function was not run: Lambda's own refusals, and ours of an event that it does not take. */
const NOT_RUN_ERRORS = [
  /^Lambda\.(CodeArtifactUser|EC2|EFSMount|ENI|Invalid|KMS|Resource|SubnetIP)\w+Exception$/,
  /^Lambda\.(AccessDenied|TooManyRequests)Exception$/,
  /^Runtime\.(ImportModuleError|HandlerNotFound|UserCodeSyntaxError)$/,
  /^InvalidInput$/,
]

/** The name of an execution: its token, and from the second attempt on its number behind it. */
export const executionName = ({ token, number }: Attempt) => (number === 1 ? token : `${token}-${number}`)

/** A rotation's execution did not succeed: `name` is what it failed with. */
export class ExecutionFailed extends RotationError {
  override readonly name: string
  constructor(name: string, message: string) {
    super(message)
    this.name = name
  }
}

/**
 * The executions of this stack's rotate state machine. The client is loaded only when used, as rotations that go well
 * never need it. Every method may throw NotPermitted, Throttled, or InvalidInput if the environment does not name the
 * executions.
 */
export class Executions {
  readonly #prefix: string | undefined
  readonly #settings: SFNClientConfig
  #client: SFNClient | undefined

  /** `prefix` is what the executions' ARNs begin with, up to the name. */
  constructor(prefix: string | undefined, settings: SFNClientConfig) {
    this.#prefix = prefix
    this.#settings = settings
  }

  /**
   * The last attempt under `token`. A name is taken for 90 days once its execution failed, so the next attempt gets
   * the next name; none follows on one that runs or has succeeded.
   */
  async findLatestAttempt(token: string): Promise<LatestAttempt | undefined> {
    const prefix = this.#arns()
    // No execution of ours has such a name: another tool left this version pending.
    if (!isToken(token)) return undefined
    return latestAttempt<LatestAttempt>(async number => {
      const attempt = { token, number }
      const executionArn = `${prefix}:${executionName(attempt)}`
      const found = await this.#ask(
        ({ DescribeExecutionCommand }, client) => client.send(new DescribeExecutionCommand({ executionArn })),
        undefinedIfMissing,
      )
      return found?.status && { ...attempt, status: found.status, started: found.startDate }
    })
  }

  /**
   * Starts an attempt, or joins the one of this name and input that runs.
   * @returns false if the name is taken: by one that has ended, or that has another input
   */
  async startOrJoin(attempt: Attempt, rotation: RotationInput): Promise<boolean> {
    const stateMachineArn = this.#arns().replace(':execution:', ':stateMachine:')
    const settings = { stateMachineArn, name: executionName(attempt), input: JSON.stringify(rotation) }
    const begun = await this.#ask(
      ({ StartExecutionCommand }, client) => client.send(new StartExecutionCommand(settings)),
      { ExecutionAlreadyExists: () => undefined },
    )
    return begun !== undefined
  }

  /**
   * Starts an attempt. Success as well if there is one of this name and input, be it over: another caller was faster, or
   * our last try's answer was lost.
   * @returns false if there is one with another input
   */
  async ensureStarted(attempt: Attempt, rotation: RotationInput): Promise<boolean> {
    if (await this.startOrJoin(attempt, rotation)) return true
    const executionArn = `${this.#arns()}:${executionName(attempt)}`
    const found = await this.#ask(({ DescribeExecutionCommand }, client) =>
      client.send(new DescribeExecutionCommand({ executionArn })),
    )
    return found.input === JSON.stringify(rotation)
  }

  /** How far an attempt has come; undefined if there is none. Mostly one call, as few histories have a thousand events. */
  progressOf(attempt: Attempt): Promise<AttemptProgress | undefined> {
    return this.#read(attempt, async events => {
      const progress: AttemptProgress = { enteredStates: new Set(), hasEnded: false }
      for await (const { event, state } of events) {
        if (state) progress.enteredStates.add(state)
        progress.hasEnded = isExecutionEnd(event)
      }
      return progress
    })
  }

  /**
   * Whether no attempt under `token` can have changed a database: each of its tries of SetSecret failed, with an error
   * that says so. False if that is not known.
   */
  async leftDatabaseUntouched(token: string): Promise<boolean> {
    if (!isToken(token)) return false
    for (let number = 1; ; number++) {
      const untouched = await this.#leftUntouched({ token, number })
      if (!untouched) return untouched === undefined && number > 1
    }
  }

  /** Undefined if there is no such attempt. */
  #leftUntouched(attempt: Attempt): Promise<boolean | undefined> {
    return this.#read(attempt, async events => {
      let last: EventInState['state'] = ''
      let open = 0
      let ended = false
      for await (const { event, state } of events) {
        last = state
        ended = isExecutionEnd(event)
        if (state !== 'SetSecret') continue
        // By which kind of resource the state machine calls its functions makes no difference here.
        if (/^(LambdaFunction|Task)Scheduled$/.test(event.type ?? '')) open++
        const failed =
          event.lambdaFunctionFailedEventDetails ??
          event.lambdaFunctionStartFailedEventDetails ??
          event.taskFailedEventDetails ??
          event.taskStartFailedEventDetails
        const neverRan = NOT_RUN_ERRORS.some(name => name.test(failed?.error ?? ''))
        if (neverRan || hasChangedNothingMark(errorMessageIn(failed?.cause) ?? '')) open--
      }
      // While it runs and is in SetSecret, the history may lack its last try.
      return open === 0 && (ended || last !== 'SetSecret')
    })
  }

  /** Whether a try of SetSecret went well, of any attempt under `token`. */
  async hasSetSecret(token: string): Promise<boolean> {
    if (!isToken(token)) return false
    for (let number = 1; ; number++) {
      const found = await this.#hasSet({ token, number })
      if (found !== false) return found ?? false
    }
  }

  /** Undefined if there is no such attempt. */
  #hasSet(attempt: Attempt): Promise<boolean | undefined> {
    return this.#read(attempt, async events => {
      for await (const { event, state } of events)
        if (state === 'SetSecret' && /^(LambdaFunction|Task)Succeeded$/.test(event.type ?? '')) return true
      return false
    })
  }

  /** What `read` makes of an attempt's history, from its beginning; undefined if there is no such attempt. */
  #read<T>(
    attempt: Attempt,
    read: (events: AsyncIterable<EventInState>) => Promise<T>,
  ): Promise<T | undefined> {
    const query = { executionArn: `${this.#arns()}:${executionName(attempt)}`, maxResults: 1000 }
    return this.#ask(({ paginateGetExecutionHistory }, client) => {
      const pages = paginateGetExecutionHistory({ client }, { ...query, includeExecutionData: false })
      return read(withStates(pages))
    }, undefinedIfMissing)
  }

  /** What an attempt that has ended failed with, in one line. */
  async failureOf(attempt: Attempt): Promise<ExecutionFailed> {
    const executionArn = `${this.#arns()}:${executionName(attempt)}`
    const { status, error, cause } = await this.#ask(({ DescribeExecutionCommand }, client) =>
      client.send(new DescribeExecutionCommand({ executionArn })),
    )
    const message = errorMessageIn(cause) ?? `execution ${executionName(attempt)} is ${status}`
    return new ExecutionFailed(error ?? 'ExecutionFailed', message.replaceAll(/\s+/g, ' '))
  }

  #arns(): string {
    if (!this.#prefix) throw new InvalidInput('environment variable KEYTURN_EXECUTIONS: is not set')
    return this.#prefix
  }

  async #ask<T, Else = never>(
    call: StepFunctionsCall<T>,
    meanings: ErrorHandlers<Else> = {},
  ): Promise<T | Else> {
    const sfn = await import('./stepFunctions.ts')
    this.#client ??= new sfn.SFNClient(this.#settings)
    const client = this.#client
    return callAws('Step Functions', () => call(sfn, client), { ...refusedArnErrors, ...meanings })
  }
}

function refuseArns(): never {
  throw new InvalidInput('environment variable KEYTURN_EXECUTIONS: should be the ARN of the executions')
}
const refusedArnErrors = {
  InvalidArn: refuseArns,
  StateMachineDoesNotExist: refuseArns,
  ValidationException: refuseArns,
}
const undefinedIfMissing = { ExecutionDoesNotExist: () => undefined }

/** Whether an execution ended with this event, should it be the last: one that was redriven goes on after it ended. */
const isExecutionEnd = ({ type }: HistoryEvent) =>
  /^Execution(Succeeded|Failed|Aborted|TimedOut)$/.test(type ?? '')

/** An event of a history, and the state that the execution was in. */
type EventInState = { event: HistoryEvent; state: StateName<'rotate'> | '' }

async function* withStates(
  pages: AsyncIterable<{ events?: HistoryEvent[] | undefined }>,
): AsyncIterable<EventInState> {
  const stateOf = createStateTracker()
  for await (const { events = [] } of pages)
    for (const event of events) yield { event, state: stateOf(event) as EventInState['state'] }
}

type StepFunctionsCall<T> = (sfn: typeof import('./stepFunctions.ts'), client: SFNClient) => Promise<T>

/**
 * The last attempt that a token had, by what `find` tells of its first, second and so on. None follows on one that runs or
 * has succeeded.
 */
export async function latestAttempt<Found extends { status: string | undefined }>(
  find: (number: number) => Promise<Found | undefined>,
): Promise<Found | undefined> {
  let latest: Found | undefined
  for (let number = 1; ; number++) {
    const found = await find(number)
    if (!found) return latest
    latest = found
    if (found.status === 'RUNNING' || found.status === 'SUCCEEDED') return latest
  }
}

/** Step Functions keeps Lambda's whole answer as the cause; its message is ours, and begins with the step's name. */
export function errorMessageIn(cause = ''): string | undefined {
  try {
    return JSON.parse(cause).errorMessage
  } catch {
    return cause || undefined
  }
}
