import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An execution of any state machine, as DescribeExecution tells it. */
export type Execution = {
  executionArn: string
  stateMachineArn: string
  input: string
  /** In seconds. */
  startDate: number
  status: 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'ABORTED' | 'TIMED_OUT'
  output?: string
  error?: string
  cause?: string
}

export type PlayedStepFunctions = {
  /** For whatever plays Step Functions in an account. */
  url: string
  executions: Execution[]
  /** What becomes of an execution that is started; until it says so, it runs. */
  onStarted: (execution: Execution) => void | Promise<void>
  /** An execution that runs though the command did not start it. */
  addRunning(stateMachineArn: string, input: object): Execution
  stop(): void
}

type Request = { stateMachineArn?: string; executionArn?: string; input?: string; statusFilter?: string }

/** As much of Step Functions as `promote` and `failback` ask, in this process: what executions do, tests say. */
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
