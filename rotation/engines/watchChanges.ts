import type { RdsCalls } from '../rds.ts'
import type { Engine, Session } from './engine.ts'

/** What using a member may do to a database. A member that is not decided on does not compile. */
type Effects<T> = Record<keyof Required<T>, 'reads' | 'changes'>

const SESSION_EFFECTS: Effects<Session> = {
  accountQualifier: 'reads',
  behindPooler: 'reads',
  setPassword: 'changes',
  wouldSetPassword: 'reads',
  cloneUser: 'changes',
  wouldClone: 'reads',
  lockUser: 'changes',
  countSessions: 'reads',
  countFreeConnections: 'reads',
  dropClone: 'changes',
  wouldDropUser: 'reads',
  // Whoever takes them is about to call one of them.
  dualPassword: 'changes',
  differences: 'reads',
  requirePasswordCheck: 'reads',
  requiresClientCertificate: 'reads',
  failedLoginsUntilLock: 'reads',
  isStandby: 'reads',
  requireTransactions: 'reads',
  // A test query may write, and is run by testSecret alone.
  runTestQuery: 'reads',
  [Symbol.asyncDispose]: 'reads',
}

const RDS_EFFECTS: Effects<RdsCalls> = {
  sharesUsers: 'reads',
  isSettingPassword: 'reads',
  setMasterPassword: 'changes',
  wouldSetMasterPassword: 'reads',
}

/** The same engine, which calls `touch` before anything in a session of it changes a database. */
export function watchEngine(engine: Engine, touch: () => void): Engine {
  // Nobody enters without a proof but a rollback, which needs no watching.
  return { login: async (...credential) => watch(await engine.login(...credential), SESSION_EFFECTS, touch) }
}

/** The same for RDS. */
export const watchRds = (calls: RdsCalls, touch: () => void): RdsCalls => watch(calls, RDS_EFFECTS, touch)

/**
 * Another object with the members of this one, which is left as it is: others may be using it too. A method is called on
 * the real one, as private fields are its alone. What ends a session is a plain member, and no method is bound: V8's
 * `await using` takes neither a getter, nor a Proxy, nor a bound function.
 */
function watch<T extends object>(object: T, uses: Effects<T>, touch: () => void): T {
  const members = (Reflect.ownKeys(uses) as (keyof T)[]).map(name => {
    const get = () => {
      if (uses[name] === 'changes') touch()
      const member = object[name]
      return typeof member === 'function' ? (...given: unknown[]) => member.apply(object, given) : member
    }
    return [name, typeof name === 'symbol' ? { value: get() } : { get }]
  })
  return Object.defineProperties({} as T, Object.fromEntries(members))
}
