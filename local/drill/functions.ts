import { parentPort } from 'node:worker_threads'
import { type FunctionName, load } from '../embedded/embedded.ts'
import { eventBus } from '../embedded/eventBus.ts'
import { functionsOf, runExecution, type Tasks } from '../embedded/stateMachine.ts'
import type { Asked, Told } from './secondRegion.ts'

/** The thread of SecondRegion: it loads a Region's functions, says so, and runs each execution that it is asked for. */
const tell = (told: Told | 'loaded') => parentPort?.postMessage(told)

const tasks: Tasks = eventBus()
for (const machine of ['promote', 'rotate'] as const)
  for (const [state, file] of functionsOf(machine)) tasks[state] = await load(file as FunctionName)

parentPort?.on('message', async ({ number, machine, name, input, grace }: Asked) => {
  const execution = await runExecution(machine, tasks, name, input, {
    retryPause: 100,
    grace,
    entered: entered => tell({ number, entered }),
    tried: (tried, failure) => tell({ number, tried, failure }),
  })
  tell({ number, execution })
})
tell('loaded')
