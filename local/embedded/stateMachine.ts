import { readFileSync } from 'node:fs'
import { StateMachine } from 'aws-local-stepfunctions'
import type { MachineName, StateName } from '../../fleet/states.ts'

export type Definition = ConstructorParameters<typeof StateMachine>[0]
export const MACHINE_NAMES = [
  'check',
  'promote',
  'rotate',
  'rotate-due',
  'rotate-server',
  'set-admin',
] as const satisfies MachineName[]

/** Account and Region that the local state machine pretends to be in. */
export const arnOf = (service: string, resource: string) =>
  `arn:aws:${service}:eu-west-1:123456789012:${resource}`

/** As a deployment says it in its definition: replicas are looked at where it names peer Regions. */
const storeWithPeers = () => (process.env.KEYTURN_PEER_REGIONS ? 'secrets-manager' : 'none')

/** A state machine as it is deployed, with made-up ARNs where the stack's stand; `folder` is where its file is. */
export function definitionOf(
  name: MachineName,
  folder = new URL('../../statemachines/', import.meta.url),
): Definition {
  const file = new URL(`${name}.asl.json`, folder)
  const text = readFileSync(file, 'utf8').replace(/\$\{(\w+)\}/g, (_, name: string) => {
    if (name === 'PutEventsArn') return 'arn:aws:states:::events:putEvents'
    if (name === 'StartExecutionArn') return 'arn:aws:states:::states:startExecution'
    if (name === 'StoreWithPeers') return storeWithPeers()
    return name === 'EventBusName' ? 'default' : arnOf('lambda', `function:${name}`)
  })
  return JSON.parse(text)
}

type State = Definition['States'][string]

/** All states by name, also those inside a Map or a Parallel. */
export function statesOf({ States }: Pick<Definition, 'States'>): [string, State][] {
  return Object.entries(States).flatMap(([name, state]): [string, State][] => [
    [name, state],
    ...('ItemProcessor' in state && state.ItemProcessor ? statesOf(state.ItemProcessor) : []),
    ...('Branches' in state ? state.Branches.flatMap(statesOf) : []),
  ])
}

/** Which function each state runs, by the names of their files: the placeholder of its Resource says so. */
export function functionsOf(machine: MachineName): Map<StateName, string> {
  const functions = new Map<StateName, string>()
  for (const [name, state] of statesOf(definitionOf(machine))) {
    const resource = 'Resource' in state ? state.Resource : ''
    const [, initial, rest] = /:function:(.)(\w+)FunctionArn$/.exec(resource) ?? []
    if (initial) functions.set(name as StateName, initial.toLowerCase() + rest)
  }
  return functions
}

/** Made when first used, each for a deployment with peers or without. */
const machines = new Map<string, StateMachine>()

function machineOf(name: MachineName): StateMachine {
  const key = `${name} ${storeWithPeers()}`
  const machine = machines.get(key) ?? new StateMachine(definitionOf(name))
  machines.set(key, machine)
  return machine
}

/** What a state does: the handler of its function, or whatever stands for the event bus. */
export type Task = (input: unknown) => unknown
/** What the states do, by their names. */
export type Tasks = Partial<Record<StateName, Task>>
type Pauses = Partial<Record<StateName, number>>

export type Execution = {
  /** Every state that was entered, in order. */
  states: string[]
  /** How often each task was tried. */
  tries: Record<string, number>
  output?: unknown
  /** What the execution failed with: the error's name, and the cause as Lambda words it. */
  failure?: Failure
}

export type Failure = { error: string; cause: { errorType: string; errorMessage: string } }

const defaultExecutionOptions = {
  definition: undefined as Definition | undefined,
  retryPauseMs: 0,
  graceMs: 0,
  onStateEntered: (_state: string, _input: unknown) => {},
  onTaskTried: (_state: string, _failure?: Failure) => {},
}

/** Runs one execution of rotate. */
export const runRotation = (
  tasks: Tasks,
  name: string,
  input: unknown,
  options: Partial<typeof defaultExecutionOptions> = {},
): Promise<Execution> => runExecution('rotate', tasks, name, input, options)

/**
 * Runs one execution of a state machine in this process, as today's definition or another one says. Before a retry it pauses `retryPauseMs` milliseconds, and for
 * the grace time `grace`. `entered` is told of each state as it goes by, with its input; `tried`, of each try of a
 * task, with what it failed with.
 */
export async function runExecution(
  stateMachine: MachineName,
  tasks: Tasks,
  name: string,
  input: unknown,
  options: Partial<typeof defaultExecutionOptions> = {},
): Promise<Execution> {
  const { definition, retryPauseMs, graceMs, onStateEntered, onTaskTried } = {
    ...defaultExecutionOptions,
    ...options,
  }
  const states = statesOf(definition ?? definitionOf(stateMachine))
  const machine = definition ? new StateMachine(definition) : machineOf(stateMachine)
  const execution: Execution = { states: [], tries: {} }
  const handlers = Object.entries(tasks).map(([state, task]) => [
    state,
    async (event: unknown) => {
      execution.tries[state] = (execution.tries[state] ?? 0) + 1
      try {
        return toPlainJson((await task(toPlainJson(event))) ?? null)
      } catch (error) {
        throw toLambdaError(error as Error)
      }
    },
  ])
  const run = machine.run(toPlainJson(input), {
    overrides: {
      taskResourceLocalHandlers: Object.fromEntries(handlers),
      waitTimeOverrides: { Grace: graceMs, GraceBeforeLook: graceMs, StayOnClone: graceMs } satisfies Pauses,
      retryIntervalOverrides: Object.fromEntries(states.map(([state]) => [state, retryPauseMs])),
    },
    context: {
      StateMachine: { Id: arnOf('states', `stateMachine:keyturn-local-${stateMachine}`) },
      Execution: {
        Id: arnOf('states', `execution:keyturn-local-${stateMachine}:${name}`),
        Name: name,
        StartTime: new Date().toISOString(),
      },
    },
  })
  // How it ended is told by the events; the rejection says the same.
  run.result.catch(() => {})
  // Those of a Parallel go by in one another's midst.
  const caught = new Set<string>()
  for await (const event of run.eventLogs) {
    if (event.type === 'StateEntered') {
      execution.states.push(event.state.name)
      onStateEntered(event.state.name, event.state.input)
    }
    if (event.type === 'StateFailed')
      onTaskTried(event.state.name, { error: event.Error, cause: parseCause(String(event.Cause)) })
    if (event.type === 'StateCaught') caught.add(event.state.name)
    if (event.type === 'StateExited' && event.state.type === 'Task' && !caught.delete(event.state.name))
      onTaskTried(event.state.name)
    if (event.type === 'ExecutionSucceeded') execution.output = event.output
    if (event.type === 'ExecutionFailed')
      execution.failure = { error: event.Error, cause: parseCause(String(event.Cause)) }
  }
  return execution
}

// biome-ignore lint/suspicious/noExplicitAny: the interpreter's own type of a JSON value is not exported
const toPlainJson = (value: unknown): any => JSON.parse(JSON.stringify(value))

/** Step Functions takes the error's name from Lambda's answer, and the whole answer as the cause. */
function toLambdaError(error: Error): Error {
  const cause = new Error(JSON.stringify({ errorType: error.name, errorMessage: error.message }))
  cause.name = error.name
  return cause
}

/** What Lambda said, or the text that a Fail state has of its own. */
function parseCause(cause: string): { errorType: string; errorMessage: string } {
  try {
    return JSON.parse(cause)
  } catch {
    return { errorType: '', errorMessage: cause }
  }
}
