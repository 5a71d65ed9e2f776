import { readFileSync } from 'node:fs'
import { StateMachine } from 'aws-local-stepfunctions'
import type { MachineName, StateName } from '../../fleet/states.ts'

/** A state machine in Amazon States Language, as the interpreter takes it. */
export type Definition = ConstructorParameters<typeof StateMachine>[0]

/** The names of all state machines, which are also the names of their files in statemachines/. */
export const MACHINE_NAMES = [
  'check',
  'promote',
  'rotate',
  'rotate-due',
  'rotate-server',
  'set-admin',
] as const satisfies MachineName[]

/** An ARN in the account and Region in which state machines pretend to run here. */
export const arnOf = (service: string, resource: string) =>
  `arn:aws:${service}:eu-west-1:123456789012:${resource}`

/** The value of the placeholder StoreWithPeers: the store whose secrets may have replicas, if the deployment names peer Regions. */
const storeWithPeers = () => (process.env.KEYTURN_PEER_REGIONS ? 'secrets-manager' : 'none')

/** The definition of a state machine, with made-up ARNs for its placeholders. @param folder where its file is */
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

/** All states with their names, also those inside of Map and Parallel states. */
export function statesOf({ States }: Pick<Definition, 'States'>): [string, State][] {
  return Object.entries(States).flatMap(([name, state]): [string, State][] => [
    [name, state],
    ...('ItemProcessor' in state && state.ItemProcessor ? statesOf(state.ItemProcessor) : []),
    ...('Branches' in state ? state.Branches.flatMap(statesOf) : []),
  ])
}

/** The name of the function that each state runs, if it runs one. The placeholder in its Resource names the function. */
export function functionsOf(machine: MachineName): Map<StateName, string> {
  const functions = new Map<StateName, string>()
  for (const [name, state] of statesOf(definitionOf(machine))) {
    const resource = 'Resource' in state ? state.Resource : ''
    const [, initial, rest] = /:function:(.)(\w+)FunctionArn$/.exec(resource) ?? []
    if (initial) functions.set(name as StateName, initial.toLowerCase() + rest)
  }
  return functions
}

/** Interpreters, by the machine's name and StoreWithPeers. Each is made when it is first needed. */
const machines = new Map<string, StateMachine>()

function machineOf(name: MachineName): StateMachine {
  const key = `${name} ${storeWithPeers()}`
  const machine = machines.get(key) ?? new StateMachine(definitionOf(name))
  machines.set(key, machine)
  return machine
}

/** Does what a state calls: runs its function, or stands for the event bus. What it throws is the state's error. */
export type Task = (input: unknown) => unknown
/** The task of each state. */
export type Tasks = Partial<Record<StateName, Task>>

/** How many milliseconds a Wait state takes. */
type Pauses = Partial<Record<StateName, number>>

/** An execution that has ended. */
export type Execution = {
  /** Every state that was entered, in order. */
  states: string[]
  /** How often the task of each state was tried. */
  tries: Record<string, number>
  /** Only of an execution that succeeded. */
  output?: unknown
  /** Only of an execution that failed. */
  failure?: Failure
}

/** An error of a state or an execution: its name, and its cause as Lambda writes one. */
export type Failure = { error: string; cause: { errorType: string; errorMessage: string } }

/** Options of `runExecution`, with their defaults. */
const DEFAULT_EXECUTION_OPTIONS = {
  definition: undefined as Definition | undefined,
  retryPauseMs: 0,
  graceMs: 0,
  onStateEntered: (_state: string, _input: unknown) => {},
  onTaskTried: (_state: string, _failure?: Failure) => {},
}

/** Runs one execution of rotate to its end: see `runExecution`. */
export const runRotation = (
  tasks: Tasks,
  name: string,
  input: unknown,
  options: Partial<typeof DEFAULT_EXECUTION_OPTIONS> = {},
): Promise<Execution> => runExecution('rotate', tasks, name, input, options)

/**
 * Runs one execution of a state machine in this process, to its end. It does not throw when the execution fails. Options:
 * - `definition`: the state machine, by default the one in statemachines/
 * - `retryPauseMs`: the pause before each retry, by default 0
 * - `graceMs`: how long the grace time takes, by default 0
 * - `onStateEntered`: called with each state that is entered, and its input
 * - `onTaskTried`: called after each try of a state's task, with the error of a try that failed
 */
export async function runExecution(
  stateMachine: MachineName,
  tasks: Tasks,
  name: string,
  input: unknown,
  options: Partial<typeof DEFAULT_EXECUTION_OPTIONS> = {},
): Promise<Execution> {
  const { definition, retryPauseMs, graceMs, onStateEntered, onTaskTried } = {
    ...DEFAULT_EXECUTION_OPTIONS,
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
  // The events tell how the execution ended, so the rejected promise is not needed.
  run.result.catch(() => {})
  // The states whose error was caught, and whose StateExited event is yet to come. Parallel branches mix their events.
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

/**
 * A function's error as Step Functions gets it: its name is the errorType of Lambda's answer, its cause the whole answer.
 * https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
 */
function toLambdaError(error: Error): Error {
  const cause = new Error(JSON.stringify({ errorType: error.name, errorMessage: error.message }))
  cause.name = error.name
  return cause
}

/** Parses a cause: Lambda's answer, or the plain text of a Fail state. */
function parseCause(cause: string): { errorType: string; errorMessage: string } {
  try {
    return JSON.parse(cause)
  } catch {
    return { errorType: '', errorMessage: cause }
  }
}
