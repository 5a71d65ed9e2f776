import { parentPort } from 'node:worker_threads'
import { type FunctionName, loadHandler } from '../embedded/embedded.ts'
import { makeEventBusTasks } from '../embedded/eventBus.ts'
import { functionsOf, runExecution, type Tasks } from '../embedded/stateMachine.ts'
import type { ExecutionMessage, ExecutionRequest } from './secondRegion.ts'

/** The thread of SecondRegion: it loads a Region's functions, says so, and runs each execution that it is asked for. */
const tell = (told: ExecutionMessage | 'loaded') => parentPort?.postMessage(told)

const tasks: Tasks = makeEventBusTasks()
for (const machine of ['promote', 'rotate'] as const)
  for (const [state, file] of functionsOf(machine)) tasks[state] = await loadHandler(file as FunctionName)

parentPort?.on('message', async ({ number, machine, name, input, grace }: ExecutionRequest) => {
  const execution = await runExecution(machine, tasks, name, input, {
    retryPauseMs: 100,
    graceMs: grace,
    onStateEntered: entered => tell({ number, entered }),
    onTaskTried: (tried, failure) => tell({ number, tried, failure }),
  })
  tell({ number, execution })
})
tell('loaded')
