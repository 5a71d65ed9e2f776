import { once } from 'node:events'
import { createServer } from 'node:http'
import { type Execution, type Failure, runRotation, type Task } from '../embedded/stateMachine.ts'

export type StepFunctionsServer = {
  /** For AWS_ENDPOINT_URL_SFN. */
  url: string
  /** The names of executions that run though nobody started them here. */
  running: Set<string>
  /** The names of executions of rotate-due that run, though nobody started them here. */
  runs: string[]
  /** What the states of an execution do that is started here, by name. */
  tasks: Record<string, Task>
  /** Every execution that was started here, by name. */
  executions: Map<string, Started>
  /** Every call so far. */
  calls: { action: string }[]
  stop(): void
}

/** An execution; `history` is what GetExecutionHistory tells of it. */
type Started = {
  input: string
  startDate: number
  history: Event[]
  ended: Promise<Execution>
  result?: Execution
}
type Event = {
  type: string
  stateEnteredEventDetails?: { name: string; input: string }
  lambdaFunctionFailedEventDetails?: ErrorDetails
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

class Refused extends Error {}

/** Starts as much of AWS Step Functions as the functions use, in this process, on a free port of 127.0.0.1. */
export async function startStepFunctions(): Promise<StepFunctionsServer> {
  const calls: { action: string }[] = []
  const stateMachine = new Rotate()
  const server = createServer(async (incoming, outgoing) => {
    const action = String(incoming.headers['x-amz-target']).replace('AWSStepFunctions.', '')
    calls.push({ action })
    const request: Request = JSON.parse(Buffer.concat(await incoming.toArray()).toString())
    const answer = respond(stateMachine, action, request)
    outgoing.writeHead('__type' in answer ? 400 : 200, { 'content-type': 'application/x-amz-json-1.0' })
    outgoing.end(JSON.stringify(answer))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    running: stateMachine.running,
    runs: stateMachine.runs,
    tasks: stateMachine.tasks,
    executions: stateMachine.executions,
    calls,
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function respond(stateMachine: Rotate, action: string, request: Request): object {
  try {
    if (!Object.hasOwn(stateMachine.actions, action)) throw new Refused('UnknownOperationException')
    return stateMachine.actions[action as keyof Rotate['actions']](request)
  } catch (error) {
    return { __type: error instanceof Refused ? error.message : 'InternalServerError' }
  }
}

/** The rotate state machine and its executions, which run in this process. */
class Rotate {
  readonly running = new Set<string>()
  readonly runs: string[] = []
  readonly tasks: Record<string, Task> = {}
  readonly executions = new Map<string, Started>()

  readonly actions = {
    StartExecution: ({ name = '', input = '{}' }: Request) => {
      const existing = this.executions.get(name)
      if (existing && (existing.result || existing.input !== input))
        throw new Refused('ExecutionAlreadyExists')
      if (!existing) this.#start(name, input)
      return { executionArn: name, startDate: 0 }
    },

    ListExecutions: ({ stateMachineArn = '' }: Request) => {
      if (stateMachineArn.endsWith('-due'))
        return { executions: this.runs.map(name => ({ name, startDate: 0 })) }
      const all = [...this.executions].map(([name, { startDate }]) => ({ name, startDate }))
      return { executions: all.reverse() }
    },

    DescribeExecution: ({ executionArn }: Request) => {
      const name = lastOf(executionArn)
      if (this.running.has(name)) return { status: 'RUNNING' }
      const { input, startDate, result } = this.#find(name)
      const common = { input, startDate }
      if (!result) return { ...common, status: 'RUNNING' }
      if (!result.failure) return { ...common, status: 'SUCCEEDED', output: JSON.stringify(result.output) }
      return { ...common, status: 'FAILED', ...detailsOf(result.failure) }
    },

    GetExecutionHistory: ({ executionArn, includeExecutionData = true, reverseOrder }: Request) => {
      const name = lastOf(executionArn)
      const history = this.running.has(name) ? [] : this.#find(name).history
      const events = history.map(({ stateEnteredEventDetails, ...event }) => {
        if (!stateEnteredEventDetails) return event
        const { name, input } = stateEnteredEventDetails
        return { ...event, stateEnteredEventDetails: { name, ...(includeExecutionData && { input }) } }
      })
      return { events: reverseOrder ? events.reverse() : events }
    },
  }

  #find(name: string): Started {
    const started = this.executions.get(name)
    if (!started) throw new Refused('ExecutionDoesNotExist')
    return started
  }

  #start(name: string, input: string): void {
    const history: Event[] = [{ type: 'ExecutionStarted' }]
    const ended = runRotation(this.tasks, name, JSON.parse(input), {
      entered: (state, input) =>
        history.push({
          type: 'StateEntered',
          stateEnteredEventDetails: { name: state, input: JSON.stringify(input) },
        }),
      tried(_, failure) {
        history.push({ type: 'LambdaFunctionScheduled' })
        if (failure)
          history.push({ type: 'LambdaFunctionFailed', lambdaFunctionFailedEventDetails: detailsOf(failure) })
      },
    })
    const started: Started = { input, startDate: Date.now() / 1000, history, ended }
    this.executions.set(name, started)
    ended.then(result => {
      started.result = result
      history.push(
        result.failure
          ? { type: 'ExecutionFailed', executionFailedEventDetails: detailsOf(result.failure) }
          : { type: 'ExecutionSucceeded' },
      )
    })
  }
}

const lastOf = (arn = '') => arn.split(':').at(-1) ?? ''

const detailsOf = ({ error, cause }: Failure): ErrorDetails => ({
  error,
  cause: JSON.stringify(cause),
})
