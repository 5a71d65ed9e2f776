import type check from '../statemachines/check.asl.json'
import type promote from '../statemachines/promote.asl.json'
import type rotate from '../statemachines/rotate.asl.json'
import type rotateDue from '../statemachines/rotate-due.asl.json'
import type rotateServer from '../statemachines/rotate-server.asl.json'
import type setAdmin from '../statemachines/set-admin.asl.json'

/** The state machines, by the names of their files. They are types alone: a zip that held one would carry all its lines. */
type Machines = {
  check: typeof check
  promote: typeof promote
  rotate: typeof rotate
  'rotate-due': typeof rotateDue
  'rotate-server': typeof rotateServer
  'set-admin': typeof setAdmin
}
export type MachineName = keyof Machines

/** A state machine's states by name, also those inside its Maps and the branches of its Parallels. */
type NamedStates<Machine> = Machine extends { States: infer States }
  ? { [Name in keyof States]-?: Named<Name, NonNullable<States[Name]>> }[keyof States]
  : never
/** A branch's type has every name of the other branches as well, of a state that is undefined. */
type Named<Name, State> = [State] extends [never] ? never : { name: Name; state: State } | Inside<State>
type Inside<State> = State extends { ItemProcessor: infer Machine }
  ? NamedStates<Machine>
  : State extends { Branches: (infer Branch)[] }
    ? NamedStates<Branch>
    : never
type NamedState<Name extends MachineName> = { [N in Name]: NamedStates<Machines[N]> }[Name]

/**
 * The name of a state, of a machine or of any. A history may hold names that another release had: what is read from one
 * is typed so all the same, as a comparison with a name that no state has then does not compile.
 */
export type StateName<Name extends MachineName = MachineName> = NamedState<Name>['name']

/** The name of a state that calls something, be it a function or a service. */
export type TaskName<Name extends MachineName = MachineName> = Extract<
  NamedState<Name>,
  { state: { Resource: string } }
>['name']
