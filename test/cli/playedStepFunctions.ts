import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An execution of any state machine, as DescribeExecution returns it. */
export type Execution = {
  executionArn: string
  stateMachineArn: string
  input: string
  /** Seconds since 1970. */
  startDate: number
  status: 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'ABORTED' | 'TIMED_OUT'
  output?: string
  error?: string
  cause?: string
}

/** A running server that plays Step Functions. */
export type PlayedStepFunctions = {
  /** The URL of this server. */
  url: string
  executions: Execution[]
  /** Called with each execution that was started. It may change the status, which is RUNNING until then. */
  onStarted: (execution: Execution) => void | Promise<void>
  /** Adds a running execution that the command did not start. */
  addRunning(stateMachineArn: string, input: object): Execution
  stop(): void
}

type Request = { stateMachineArn?: string; executionArn?: string; input?: string; statusFilter?: string }

/** Starts a server with the calls of Step Functions that `promote` and `failback` make. Tests say how executions end. */
export async function startPlayedStepFunctions(): Promise<PlayedStepFunctions> {
  const executions: Execution[] = []
  const add = (stateMachineArn: string, input: string): Execution => {
    const name = `${executions.length}`.padStart(8, '0')
    const executionArn = `${stateMachineArn.replace(':stateMachine:', ':execution:')}:${name}`
    const startDate = Math.floor(Date.now() / 1000)
    const execution: Execution = { executionArn, stateMachineArn, input, startDate, status: 'RUNNING' }
    executions.push(execution)
    return execution
  }
  const states: PlayedStepFunctions = {
    url: '',
    executions,
    onStarted: () => {},
    addRunning: (stateMachineArn, input) => add(stateMachineArn, JSON.stringify(input)),
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
  const actions: Record<string, (request: Request) => object> = {
    StartExecution({ stateMachineArn = '', input = '{}' }) {
      const execution = add(stateMachineArn, input)
      setImmediate(() => states.onStarted(execution))
      return { executionArn: execution.executionArn, startDate: execution.startDate }
    },
    ListExecutions: ({ stateMachineArn, statusFilter }) => ({
      executions: executions.filter(
        each => each.stateMachineArn === stateMachineArn && each.status === (statusFilter ?? each.status),
      ),
    }),
    DescribeExecution: ({ executionArn }) =>
      executions.find(each => each.executionArn === executionArn) ?? { __type: 'ExecutionDoesNotExist' },
  }
  const server = createServer(async (incoming, outgoing) => {
    const action = `${incoming.headers['x-amz-target']}`.replace('AWSStepFunctions.', '')
    const request: Request = JSON.parse(Buffer.concat(await incoming.toArray()).toString())
    const answer = actions[action]?.(request) ?? { __type: 'UnknownOperationException' }
    outgoing.writeHead('__type' in answer ? 400 : 200, { 'content-type': 'application/x-amz-json-1.0' })
    outgoing.end(JSON.stringify(answer))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  states.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return states
}
