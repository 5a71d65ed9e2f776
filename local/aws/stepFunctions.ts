import type { MachineName } from '../../fleet/states.ts'
import { type Execution, type Failure, runExecution, type Tasks } from '../embedded/stateMachine.ts'
import { AwsError } from './awsError.ts'
import { type CertificateFiles, serveJsonService } from './localService.ts'

/** A local Step Functions. All maps are by the execution's name. */
export type StepFunctionsServer = {
  /** For AWS_ENDPOINT_URL_SFN. */
  url: string
  /** Names of further executions of rotate. DescribeExecution says that they run; ListExecutions leaves them out. A test adds them. */
  foreignRunning: Set<string>
  /** Executions of rotate-due that are shown as running, and the definition of each. A test adds them. */
  foreignDueRuns: Map<string, string>
  /** What each state of a started execution does, by the name of the state. */
  tasks: Tasks
  /** Every execution of rotate that was started here. */
  rotateExecutions: Map<string, StartedExecution>
  /** Every execution of rotate-server that was started here. */
  rotateServerExecutions: Map<string, StartedExecution>
  /** Every execution of promote that was started here. */
  promoteExecutions: Map<string, StartedExecution>
  /** Every execution of set-admin that was started here. */
  setAdminExecutions: Map<string, StartedExecution>
  /** Every call so far. */
  calls: { action: string }[]
  stop(): Promise<void>
}

/** An execution. Dates are seconds since 1970; `history` is what GetExecutionHistory answers; `result` is set when it has ended. */
type StartedExecution = {
  input: string
  startDate: number
  stopDate?: number
  history: Event[]
  ended: Promise<Execution>
  result?: Execution
}

type Event = {
  id: number
  /** The id of the event before it. For an event of a task that is the last event of the same state, also in a Parallel state. */
  previousEventId: number
  /** Seconds since 1970. */
  timestamp: number
  type: string
  executionStartedEventDetails?: { input: string }
  executionSucceededEventDetails?: { output: string }
  stateEnteredEventDetails?: { name: string; input: string }
  lambdaFunctionFailedEventDetails?: ErrorDetails | undefined
  executionFailedEventDetails?: ErrorDetails
}
type ErrorDetails = { error: string; cause: string }
type Request = {
  executionArn?: string
  name?: string
  input?: string
  includeExecutionData?: boolean
  reverseOrder?: boolean
  stateMachineArn?: string
}

/**
 * Starts the part of AWS Step Functions that Keyturn's functions use, in this process, on a free port of 127.0.0.1; with `tls` over
 * HTTPS. The ARN of an execution is its name here.
 */
export async function startStepFunctions({
  tls,
}: {
  tls?: CertificateFiles
} = {}): Promise<StepFunctionsServer> {
  const calls: { action: string }[] = []
  const stateMachines = new StateMachines()
  const answerTo = (action: string, request: object) => {
    calls.push({ action })
    return respond(stateMachines, action, request)
  }
  const served = await serveJsonService('AWSStepFunctions', answerTo, tls)
  return {
    ...served,
    foreignRunning: stateMachines.foreignRunning,
    foreignDueRuns: stateMachines.foreignDueRuns,
    tasks: stateMachines.tasks,
    rotateExecutions: stateMachines.rotateExecutions,
    rotateServerExecutions: stateMachines.rotateServerExecutions,
    promoteExecutions: stateMachines.promoteExecutions,
    setAdminExecutions: stateMachines.setAdminExecutions,
    calls,
  }
}

function respond(stateMachines: StateMachines, action: string, request: Request): object {
  try {
    if (!Object.hasOwn(stateMachines.actions, action)) throw new AwsError('UnknownOperationException')
    return stateMachines.actions[action as keyof StateMachines['actions']](request)
  } catch (error) {
    return { __type: error instanceof AwsError ? error.name : 'InternalServerError' }
  }
}

/** The state machines, and their executions, which run in this process. Of rotate-due only `foreignDueRuns` are shown. */
class StateMachines {
  readonly foreignRunning = new Set<string>()
  readonly foreignDueRuns = new Map<string, string>()
  readonly tasks: Tasks = {}
  readonly rotateExecutions = new Map<string, StartedExecution>()
  readonly rotateServerExecutions = new Map<string, StartedExecution>()
  readonly promoteExecutions = new Map<string, StartedExecution>()
  readonly setAdminExecutions = new Map<string, StartedExecution>()

  readonly actions = {
    StartExecution: ({ stateMachineArn, name = '', input = '{}' }: Request) => {
      const { machine, all } = this.#machineAndExecutions(stateMachineArn)
      const existing = all.get(name)
      if (existing && (existing.result || existing.input !== input))
        throw new AwsError('ExecutionAlreadyExists')
      if (!existing) all.set(name, this.#start(machine, name, input))
      return { executionArn: name, startDate: 0 }
    },

    ListExecutions: ({ stateMachineArn = '' }: Request) => {
      if (stateMachineArn.endsWith('-due'))
        return {
          executions: [...this.foreignDueRuns.keys()].map(name => ({
            executionArn: name,
            name,
            startDate: 0,
          })),
        }
      const all = [...this.#machineAndExecutions(stateMachineArn).all].map(
        ([name, { startDate, stopDate, result }]) => ({
          executionArn: name,
          name,
          startDate,
          ...(stopDate !== undefined && { stopDate }),
          status: statusOf(result),
        }),
      )
      return { executions: all.reverse() }
    },

    DescribeStateMachineForExecution: ({ executionArn }: Request) => ({
      definition: this.foreignDueRuns.get(lastPartOf(executionArn)),
    }),

    DescribeExecution: ({ executionArn }: Request) => {
      const name = lastPartOf(executionArn)
      if (this.foreignRunning.has(name)) return { status: 'RUNNING' }
      const { input, startDate, result } = this.#find(name)
      const common = { input, startDate, status: statusOf(result) }
      if (result?.failure) return { ...common, ...detailsOf(result.failure) }
      return result ? { ...common, output: JSON.stringify(result.output) } : common
    },

    GetExecutionHistory: ({ executionArn, includeExecutionData = true, reverseOrder }: Request) => {
      const name = lastPartOf(executionArn)
      const history = this.foreignRunning.has(name) ? [] : this.#find(name).history
      const events = includeExecutionData ? [...history] : history.map(withoutData)
      return { events: reverseOrder ? events.reverse() : events }
    },
  }

  #find(name: string): StartedExecution {
    const all = [
      this.rotateExecutions,
      this.rotateServerExecutions,
      this.promoteExecutions,
      this.setAdminExecutions,
    ]
    const started = all.find(executions => executions.has(name))?.get(name)
    if (!started) throw new AwsError('ExecutionDoesNotExist')
    return started
  }

  /** The state machine with this ARN, and its executions. */
  #machineAndExecutions(stateMachineArn = ''): { machine: MachineName; all: Map<string, StartedExecution> } {
    if (stateMachineArn.endsWith('-server'))
      return { machine: 'rotate-server', all: this.rotateServerExecutions }
    if (stateMachineArn.endsWith('-promote')) return { machine: 'promote', all: this.promoteExecutions }
    if (stateMachineArn.endsWith('-set-admin')) return { machine: 'set-admin', all: this.setAdminExecutions }
    return { machine: 'rotate', all: this.rotateExecutions }
  }

  /** Starts an execution and writes its history down as it goes on. */
  #start(machine: MachineName, name: string, input: string): StartedExecution {
    const history: Event[] = []
    const addEvent = (
      event: Omit<Event, 'id' | 'previousEventId' | 'timestamp'>,
      previousEventId = history.length,
    ) => history.push({ id: history.length + 1, previousEventId, timestamp: Date.now() / 1000, ...event })
    /** By the name of a state, the id of its last event. */
    const lastEvents = new Map<string, number>()
    addEvent({ type: 'ExecutionStarted', executionStartedEventDetails: { input } })
    const ended = runExecution(machine, this.tasks, name, JSON.parse(input), {
      onStateEntered(state, input) {
        const stateEnteredEventDetails = { name: state, input: JSON.stringify(input) }
        lastEvents.set(state, addEvent({ type: 'StateEntered', stateEnteredEventDetails }))
      },
      onTaskTried(state, failure) {
        const scheduled = addEvent({ type: 'LambdaFunctionScheduled' }, lastEvents.get(state))
        const lambdaFunctionFailedEventDetails = failure && detailsOf(failure)
        const ended = failure
          ? addEvent({ type: 'LambdaFunctionFailed', lambdaFunctionFailedEventDetails }, scheduled)
          : scheduled
        lastEvents.set(state, ended)
      },
    })
    const started: StartedExecution = { input, startDate: Date.now() / 1000, history, ended }
    ended.then(result => {
      started.result = result
      started.stopDate = Date.now() / 1000
      if (result.failure)
        addEvent({ type: 'ExecutionFailed', executionFailedEventDetails: detailsOf(result.failure) })
      else
        addEvent({
          type: 'ExecutionSucceeded',
          executionSucceededEventDetails: { output: JSON.stringify(result.output ?? null) },
        })
    })
    return started
  }
}

/** An event as it is answered with `includeExecutionData: false`: without input and output. */
function withoutData({ stateEnteredEventDetails: entered, ...event }: Event): Partial<Event> {
  const { executionStartedEventDetails: _, executionSucceededEventDetails: __, ...rest } = event
  return { ...rest, ...(entered && { stateEnteredEventDetails: { name: entered.name, input: '' } }) }
}

const statusOf = (result: Execution | undefined) =>
  result ? (result.failure ? 'FAILED' : 'SUCCEEDED') : 'RUNNING'

const lastPartOf = (arn = '') => arn.split(':').at(-1) ?? ''

const detailsOf = ({ error, cause }: Failure): ErrorDetails => ({
  error,
  cause: JSON.stringify(cause),
})
