import { parentPort } from 'node:worker_threads'
import { type FunctionName, loadHandler } from '../embedded/embedded.ts'
import { makeEventBusTasks } from '../embedded/eventBus.ts'
import { functionsOf, runExecution, type Tasks } from '../embedded/stateMachine.ts'
import type { ExecutionMessage, ExecutionRequest } from './secondRegion.ts'

// The thread of SecondRegion. It loads the functions, sends 'loaded', and then runs each execution that a message asks for.

const send = (message: ExecutionMessage | 'loaded') => parentPort?.postMessage(message)

const tasks: Tasks = makeEventBusTasks()
for (const machine of ['promote', 'rotate'] as const)
  for (const [state, file] of functionsOf(machine)) tasks[state] = await loadHandler(file as FunctionName)

parentPort?.on('message', async ({ number, machine, name, input, graceMs }: ExecutionRequest) => {
  const execution = await runExecution(machine, tasks, name, input, {
    retryPauseMs: 100,
    graceMs,
    onStateEntered: entered => send({ number, entered }),
    onTaskTried: (tried, failure) => send({ number, tried, failure }),
  })
  send({ number, execution })
})
send('loaded')
