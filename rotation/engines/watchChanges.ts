import type { RdsCalls } from '../rds.ts'
import type { Engine, Session } from './engine.ts'

/** Whether using each member may change a database. Every member must be listed, or this does not compile. */
type Effects<T> = Record<keyof Required<T>, 'reads' | 'changes'>

const SESSION_EFFECTS: Effects<Session> = {
  accountQualifier: 'reads',
  isBehindPooler: 'reads',
  setPassword: 'changes',
  wouldSetPassword: 'reads',
  openUser: 'changes',
  wouldOpenUser: 'reads',
  closeUser: 'changes',
  countSessions: 'reads',
  countFreeConnections: 'reads',
  dropClone: 'changes',
  wouldDropClone: 'reads',
  // Reading the property counts as a change: its methods are not watched, and most of them change something.
  dualPassword: 'changes',
  differences: 'reads',
  requirePasswordCheck: 'reads',
  requiresClientCertificate: 'reads',
  failedLoginsUntilLock: 'reads',
  isStandby: 'reads',
  requireTransactions: 'reads',
  // A test query may write, but only testSecret runs one.
  runTestQuery: 'reads',
  [Symbol.asyncDispose]: 'reads',
}

const RDS_EFFECTS: Effects<RdsCalls> = {
  sharesUsers: 'reads',
  isSettingPassword: 'reads',
  setMasterPassword: 'changes',
  wouldSetMasterPassword: 'reads',
}

/**
 * Wraps an engine so that its sessions call `onChange` right before each call that may change a database. setSecret marks an error that comes
 * before the first such call, so that a rollback knows that there is nothing to undo (see changedNothingMark.ts).
 */
export function watchEngine(engine: Engine, onChange: () => void): Engine {
  // loginUnchecked is left out: only a rollback calls it, and a rollback is not watched.
  return { login: async (...args) => watch(await engine.login(...args), SESSION_EFFECTS, onChange) }
}

/** Wraps the calls to RDS so that they call `onChange` right before they change a database. */
export const watchRds = (calls: RdsCalls, onChange: () => void): RdsCalls =>
  watch(calls, RDS_EFFECTS, onChange)

/**
 * Returns a new object with the members of `object`, which itself is not modified, as others may be using it. Methods run
 * on `object`, because they may use its private fields. `Symbol.asyncDispose` is a plain function, as versions of V8 refuse
 * other kinds in `await using` ("is not a function" of a bound one: seen on Node 24.21).
 */
function watch<T extends object>(object: T, effects: Effects<T>, onChange: () => void): T {
  const members = (Reflect.ownKeys(effects) as (keyof T)[]).map(name => {
    const get = () => {
      if (effects[name] === 'changes') onChange()
      const member = object[name]
      return typeof member === 'function' ? (...args: unknown[]) => member.apply(object, args) : member
    }
    return [name, typeof name === 'symbol' ? { value: get() } : { get }]
  })
  return Object.defineProperties({} as T, Object.fromEntries(members))
}
