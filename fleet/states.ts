import type check from '../statemachines/check.asl.json'
import type promote from '../statemachines/promote.asl.json'
import type rotate from '../statemachines/rotate.asl.json'
import type rotateDue from '../statemachines/rotate-due.asl.json'
import type rotateServer from '../statemachines/rotate-server.asl.json'
import type setAdmin from '../statemachines/set-admin.asl.json'

/** The definitions of the state machines, by the names of their files. They are imported as types, so no bundle has their text. */
type Machines = {
  check: typeof check
  promote: typeof promote
  rotate: typeof rotate
  'rotate-due': typeof rotateDue
  'rotate-server': typeof rotateServer
  'set-admin': typeof setAdmin
}
/** The name of a state machine, such as `rotate-due`. */
export type MachineName = keyof Machines

/** The states of a state machine, each with its name, also those inside its Maps and the branches of its Parallels. */
type NamedStates<Machine> = Machine extends { States: infer States }
  ? { [Name in keyof States]-?: NamedStateAndInner<Name, NonNullable<States[Name]>> }[keyof States]
  : never
/** A state and those inside it. In the type of a Parallel, a branch also has the other branches' names, with undefined states. */
type NamedStateAndInner<Name, State> = [State] extends [never]
  ? never
  : { name: Name; state: State } | InnerStates<State>
type InnerStates<State> = State extends { ItemProcessor: infer Machine }
  ? NamedStates<Machine>
  : State extends { Branches: (infer Branch)[] }
    ? NamedStates<Branch>
    : never
type NamedState<Name extends MachineName> = { [N in Name]: NamedStates<Machines[N]> }[Name]

/**
 * The name of a state of the named state machine, or of any. State names read from an execution's history have this type too,
 * though a history may hold names of another release: so a comparison with a name that no state has does not compile.
 */
export type StateName<Name extends MachineName = MachineName> = NamedState<Name>['name']

/** The name of a Task state: one that calls a function or a service of AWS. */
export type TaskName<Name extends MachineName = MachineName> = Extract<
  NamedState<Name>,
  { state: { Resource: string } }
>['name']
