import type { MachineName } from '../../fleet/states.ts'
import { type Execution, type Failure, runExecution, type Tasks } from '../embedded/stateMachine.ts'
import { type CertificateFiles, serveJsonService } from './localService.ts'

export type StepFunctionsServer = {
  /** For AWS_ENDPOINT_URL_SFN. */
  url: string
  /** The names of executions that run though nobody started them here. */
  foreignRunning: Set<string>
  /** The executions of rotate-due that run, though nobody started them here: their definitions, by name. */
  foreignDueRuns: Map<string, string>
  /** What the states of an execution do that is started here, by name. */
  tasks: Tasks
  /** Every execution of rotate that was started here, by name. */
  rotateExecutions: Map<string, StartedExecution>
  /** The same of rotate-server. */
  rotateServerExecutions: Map<string, StartedExecution>
  /** The same of promote. */
  promoteExecutions: Map<string, StartedExecution>
  /** The same of set-admin. */
  setAdminExecutions: Map<string, StartedExecution>
  /** Every call so far. */
  calls: { action: string }[]
  stop(): Promise<void>
}

/** An execution; `history` is what GetExecutionHistory tells of it. */
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
  /** The event before it in its own branch, where states run side by side. */
  previousEventId: number
  /** In seconds. */
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

class AwsError extends Error {}

/**
 * Starts as much of AWS Step Functions as the functions use, in this process, on a free port of 127.0.0.1. With `tls` it is
 * served over HTTPS, as AWS is.
 */
export async function startStepFunctions({
  tls,
}: {
  tls?: CertificateFiles
} = {}): Promise<StepFunctionsServer> {
  const calls: { action: string }[] = []
  const stateMachine = new StateMachines()
  const answerTo = (action: string, request: object) => {
    calls.push({ action })
    return respond(stateMachine, action, request)
  }
  const served = await serveJsonService('AWSStepFunctions', answerTo, tls)
  return {
    ...served,
    foreignRunning: stateMachine.running,
    foreignDueRuns: stateMachine.runs,
    tasks: stateMachine.tasks,
    rotateExecutions: stateMachine.executions,
    rotateServerExecutions: stateMachine.servers,
    promoteExecutions: stateMachine.promotions,
    setAdminExecutions: stateMachine.edits,
    calls,
  }
}

function respond(stateMachine: StateMachines, action: string, request: Request): object {
  try {
    if (!Object.hasOwn(stateMachine.actions, action)) throw new AwsError('UnknownOperationException')
    return stateMachine.actions[action as keyof StateMachines['actions']](request)
  } catch (error) {
    return { __type: error instanceof AwsError ? error.message : 'InternalServerError' }
  }
}

/** The state machines but rotate-due, and their executions, which run in this process. */
class StateMachines {
  readonly running = new Set<string>()
  readonly runs = new Map<string, string>()
  readonly tasks: Tasks = {}
  readonly executions = new Map<string, StartedExecution>()
  readonly servers = new Map<string, StartedExecution>()
  readonly promotions = new Map<string, StartedExecution>()
  readonly edits = new Map<string, StartedExecution>()

  readonly actions = {
    StartExecution: ({ stateMachineArn, name = '', input = '{}' }: Request) => {
      const { machine, all } = this.#of(stateMachineArn)
      const existing = all.get(name)
      if (existing && (existing.result || existing.input !== input))
        throw new AwsError('ExecutionAlreadyExists')
      if (!existing) all.set(name, this.#start(machine, name, input))
      return { executionArn: name, startDate: 0 }
    },

    ListExecutions: ({ stateMachineArn = '' }: Request) => {
      if (stateMachineArn.endsWith('-due'))
        return {
          executions: [...this.runs.keys()].map(name => ({ executionArn: name, name, startDate: 0 })),
        }
      const all = [...this.#of(stateMachineArn).all].map(([name, { startDate, stopDate, result }]) => ({
        executionArn: name,
        name,
        startDate,
        ...(stopDate !== undefined && { stopDate }),
        status: statusOf(result),
      }))
      return { executions: all.reverse() }
    },

    DescribeStateMachineForExecution: ({ executionArn }: Request) => ({
      definition: this.runs.get(lastPartOf(executionArn)),
    }),

    DescribeExecution: ({ executionArn }: Request) => {
      const name = lastPartOf(executionArn)
      if (this.running.has(name)) return { status: 'RUNNING' }
      const { input, startDate, result } = this.#find(name)
      const common = { input, startDate, status: statusOf(result) }
      if (result?.failure) return { ...common, ...detailsOf(result.failure) }
      return result ? { ...common, output: JSON.stringify(result.output) } : common
    },

    GetExecutionHistory: ({ executionArn, includeExecutionData = true, reverseOrder }: Request) => {
      const name = lastPartOf(executionArn)
      const history = this.running.has(name) ? [] : this.#find(name).history
      const events = includeExecutionData ? [...history] : history.map(withoutData)
      return { events: reverseOrder ? events.reverse() : events }
    },
  }

  #find(name: string): StartedExecution {
    const all = [this.executions, this.servers, this.promotions, this.edits]
    const started = all.find(executions => executions.has(name))?.get(name)
    if (!started) throw new AwsError('ExecutionDoesNotExist')
    return started
  }

  #of(stateMachineArn = ''): { machine: MachineName; all: Map<string, StartedExecution> } {
    if (stateMachineArn.endsWith('-server')) return { machine: 'rotate-server', all: this.servers }
    if (stateMachineArn.endsWith('-promote')) return { machine: 'promote', all: this.promotions }
    if (stateMachineArn.endsWith('-set-admin')) return { machine: 'set-admin', all: this.edits }
    return { machine: 'rotate', all: this.executions }
  }

  #start(stateMachine: MachineName, name: string, input: string): StartedExecution {
    const history: Event[] = []
    const happened = (
      event: Omit<Event, 'id' | 'previousEventId' | 'timestamp'>,
      previousEventId = history.length,
    ) => history.push({ id: history.length + 1, previousEventId, timestamp: Date.now() / 1000, ...event })
    /** The last event of each state. */
    const last = new Map<string, number>()
    happened({ type: 'ExecutionStarted', executionStartedEventDetails: { input } })
    const ended = runExecution(stateMachine, this.tasks, name, JSON.parse(input), {
      onStateEntered(state, input) {
        const stateEnteredEventDetails = { name: state, input: JSON.stringify(input) }
        last.set(state, happened({ type: 'StateEntered', stateEnteredEventDetails }))
      },
      onTaskTried(state, failure) {
        const scheduled = happened({ type: 'LambdaFunctionScheduled' }, last.get(state))
        const lambdaFunctionFailedEventDetails = failure && detailsOf(failure)
        const ended = failure
          ? happened({ type: 'LambdaFunctionFailed', lambdaFunctionFailedEventDetails }, scheduled)
          : scheduled
        last.set(state, ended)
      },
    })
    const started: StartedExecution = { input, startDate: Date.now() / 1000, history, ended }
    ended.then(result => {
      started.result = result
      started.stopDate = Date.now() / 1000
      if (result.failure)
        happened({ type: 'ExecutionFailed', executionFailedEventDetails: detailsOf(result.failure) })
      else
        happened({
          type: 'ExecutionSucceeded',
          executionSucceededEventDetails: { output: JSON.stringify(result.output ?? null) },
        })
    })
    return started
  }
}

/** As with `includeExecutionData: false`: no input and no output. */
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
