import type { HistoryEvent, SFNClient, SFNClientConfig } from '@aws-sdk/client-sfn'
import { callAws, type ErrorHandlers } from '../rotation/callAws.ts'
import { hasChangedNothingMark } from '../rotation/changedNothingMark.ts'
import { InvalidInput, RotationError } from '../rotation/errors.ts'
import type { StoreName } from '../rotation/stores/store.ts'
import { errorMessageIn } from './errorMessageIn.ts'
import type { StateName } from './states.ts'
import { createStateTracker } from './statesOfEvents.ts'
import { isToken } from './token.ts'

/** One execution of the state machine rotate. A token may have several, one after the other; `number` is 1 for the first. */
export type Attempt = { token: string; number: number }

/**
 * The input of an execution that a function of Keyturn starts. `group` is the name of the rotations that one run of the schedule
 * started on one database server; `event` is the id of the event that asked for the rotation.
 */
export type RotationInput = { store: StoreName; id: string; token: string; group?: string; event?: string }
type Status = 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED' | 'PENDING_REDRIVE'

/** The last attempt of a token, its status, and when it began. */
type LatestAttempt = Attempt & { status: Status; started: Date | undefined }

/** The states that an attempt has entered, and whether it has ended. */
export type AttemptProgress = { enteredStates: Set<StateName<'rotate'>>; hasEnded: boolean }

/**
 * The errors of a state that tell that its function did nothing: Lambda did not run the code, or the code refused the event.
 * https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html lists Lambda's errors.
 */
const NOT_RUN_ERRORS = [
  /^Lambda\.(CodeArtifactUser|EC2|EFSMount|ENI|Invalid|KMS|Resource|SubnetIP)\w+Exception$/,
  /^Lambda\.(AccessDenied|TooManyRequests)Exception$/,
  /^Runtime\.(ImportModuleError|HandlerNotFound|UserCodeSyntaxError)$/,
  /^InvalidInput$/,
]

/** The name of an execution: `TOKEN` for the first attempt, `TOKEN-2` for the second, and so on. */
export const executionName = ({ token, number }: Attempt) => (number === 1 ? token : `${token}-${number}`)

/** A rotation's execution did not succeed. `name` is the name of the error that it failed with. */
export class ExecutionFailed extends RotationError {
  override readonly name: string
  constructor(name: string, message: string) {
    super(message)
    this.name = name
  }
}

/**
 * The executions of this stack's state machine rotate. The client of Step Functions is loaded when it is first used, as most
 * rotations never need it.
 *
 * Every method may throw NotPermitted, Throttled, or InvalidInput if the environment does not name the state machine's
 * executions.
 */
export class Executions {
  readonly #prefix: string | undefined
  readonly #settings: SFNClientConfig
  #client: SFNClient | undefined

  /** @param prefix what the ARNs of all executions begin with, up to the colon before the name */
  constructor(prefix: string | undefined, settings: SFNClientConfig) {
    this.#prefix = prefix
    this.#settings = settings
  }

  /**
   * The last attempt of `token`. An execution that failed keeps its name for 90 days, so the next attempt gets the next name
   * (https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html). No attempt follows one that runs
   * or has succeeded.
   */
  async findLatestAttempt(token: string): Promise<LatestAttempt | undefined> {
    const prefix = this.#executionArnPrefix()
    // Keyturn names no execution like that: another tool has made the version with this id.
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
   * Starts an attempt, or joins the running one that has this name and input.
   * @returns false if the name is taken by an execution that has ended or has another input
   */
  async startOrJoin(attempt: Attempt, rotation: RotationInput): Promise<boolean> {
    const stateMachineArn = this.#executionArnPrefix().replace(':execution:', ':stateMachine:')
    const settings = { stateMachineArn, name: executionName(attempt), input: JSON.stringify(rotation) }
    const begun = await this.#ask(
      ({ StartExecutionCommand }, client) => client.send(new StartExecutionCommand(settings)),
      { ExecutionAlreadyExists: () => undefined },
    )
    return begun !== undefined
  }

  /**
   * Starts an attempt. It is a success as well if there is an execution of this name and input already, even an ended one:
   * another caller was faster, or the answer to an earlier call was lost.
   * @returns false if there is an execution of this name with another input
   */
  async ensureStarted(attempt: Attempt, rotation: RotationInput): Promise<boolean> {
    if (await this.startOrJoin(attempt, rotation)) return true
    const executionArn = `${this.#executionArnPrefix()}:${executionName(attempt)}`
    const found = await this.#ask(({ DescribeExecutionCommand }, client) =>
      client.send(new DescribeExecutionCommand({ executionArn })),
    )
    return found.input === JSON.stringify(rotation)
  }

  /** How far an attempt has come; undefined if there is no such attempt. It takes one call for every 1000 events of its history. */
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
   * Whether no attempt of `token` can have changed a database: every call of the state SetSecret failed with an error that says
   * that it changed nothing. False if that is not known.
   */
  async hasChangedNothing(token: string): Promise<boolean> {
    if (!isToken(token)) return false
    for (let number = 1; ; number++) {
      const isUnchanged = await this.#hasChangedNothing({ token, number })
      // All attempts were looked at, and there was at least one. An attempt that seems to run may not be the last one: it may have
      // been redriven, and its history may lack its end yet.
      if (isUnchanged === undefined) return number > 1
      if (!isUnchanged) return false
    }
  }

  /** The same of one attempt. Undefined if there is no such attempt. */
  #hasChangedNothing(attempt: Attempt): Promise<boolean | undefined> {
    return this.#read(attempt, async events => {
      let lastState: EventInState['state'] = ''
      /** Calls of the function that may have changed the database: those begun, without those that failed without a change. */
      let unclearCount = 0
      let hasEnded = false
      for await (const { event, state } of events) {
        lastState = state
        hasEnded = isExecutionEnd(event)
        if (state !== 'SetSecret') continue
        // The events are named after the way in which the state machine calls the function.
        if (/^(LambdaFunction|Task)Scheduled$/.test(event.type ?? '')) unclearCount++
        const failed =
          event.lambdaFunctionFailedEventDetails ??
          event.lambdaFunctionStartFailedEventDetails ??
          event.taskFailedEventDetails ??
          event.taskStartFailedEventDetails
        const neverRan = NOT_RUN_ERRORS.some(name => name.test(failed?.error ?? ''))
        if (neverRan || hasChangedNothingMark(errorMessageIn(failed?.cause) ?? '')) unclearCount--
      }
      // While the execution is in SetSecret, the history may not have its last call yet.
      return unclearCount === 0 && (hasEnded || lastState !== 'SetSecret')
    })
  }

  /** Whether SetSecret has succeeded in any attempt of `token`. */
  async wasSet(token: string): Promise<boolean> {
    if (!isToken(token)) return false
    for (let number = 1; ; number++) {
      const wasSet = await this.#wasSet({ token, number })
      if (wasSet === undefined) return false
      if (wasSet) return true
    }
  }

  /** Whether SetSecret has succeeded in one attempt. Undefined if there is no such attempt. */
  #wasSet(attempt: Attempt): Promise<boolean | undefined> {
    return this.#read(attempt, async events => {
      for await (const { event, state } of events)
        if (state === 'SetSecret' && /^(LambdaFunction|Task)Succeeded$/.test(event.type ?? '')) return true
      return false
    })
  }

  /**
   * Gives the events of an attempt's history, from the first one on, to `read`.
   * @returns what `read` returns; undefined if there is no such attempt
   */
  #read<T>(
    attempt: Attempt,
    read: (events: AsyncIterable<EventInState>) => Promise<T>,
  ): Promise<T | undefined> {
    const query = {
      executionArn: `${this.#executionArnPrefix()}:${executionName(attempt)}`,
      maxResults: 1000,
    }
    return this.#ask(({ paginateGetExecutionHistory }, client) => {
      const pages = paginateGetExecutionHistory({ client }, { ...query, includeExecutionData: false })
      return read(withStates(pages))
    }, undefinedIfMissing)
  }

  /** The error that an ended attempt failed with; its message is one line. */
  async failureOf(attempt: Attempt): Promise<ExecutionFailed> {
    const executionArn = `${this.#executionArnPrefix()}:${executionName(attempt)}`
    const { status, error, cause } = await this.#ask(({ DescribeExecutionCommand }, client) =>
      client.send(new DescribeExecutionCommand({ executionArn })),
    )
    const message = errorMessageIn(cause) ?? `execution ${executionName(attempt)} is ${status}`
    return new ExecutionFailed(error ?? 'ExecutionFailed', message.replaceAll(/\s+/g, ' '))
  }

  #executionArnPrefix(): string {
    if (!this.#prefix) throw new InvalidInput('environment variable KEYTURN_EXECUTIONS: is not set')
    return this.#prefix
  }

  async #ask<T, Else = never>(
    call: StepFunctionsCall<T>,
    errorHandlers: ErrorHandlers<Else> = {},
  ): Promise<T | Else> {
    const sfn = await import('./stepFunctions.ts')
    this.#client ??= new sfn.SFNClient(this.#settings)
    const client = this.#client
    return callAws('Step Functions', () => call(sfn, client), { ...refusedArnErrors, ...errorHandlers })
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

/**
 * Whether an execution that has no later event ended with this one. A redriven execution goes on after such an event.
 * https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
 */
const isExecutionEnd = ({ type }: HistoryEvent) =>
  /^Execution(Succeeded|Failed|Aborted|TimedOut)$/.test(type ?? '')

/** An event of a history, and the state that the execution was in; '' before the first state. */
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
 * The last attempt of a token. `find` is asked for the first attempt, the second and so on, until one is missing, runs or has
 * succeeded: no attempt follows such a one.
 * @returns undefined if the token had no attempt
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
