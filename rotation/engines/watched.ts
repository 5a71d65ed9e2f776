import type { RdsCalls } from '../rds.ts'
import type { Engine, Session } from './engine.ts'

/** What using a member may do to a database. A member that is not decided on does not compile. */
type Uses<T> = Record<keyof Required<T>, 'reads' | 'changes'>

const session: Uses<Session> = {
  host: 'reads',
  pooled: 'reads',
  setPassword: 'changes',
  wouldSetPassword: 'reads',
  cloneUser: 'changes',
  wouldClone: 'reads',
  lockUser: 'changes',
  sessionsOf: 'reads',
  roomFor: 'reads',
  dropUser: 'changes',
  wouldDropUser: 'reads',
  // Whoever takes them is about to call one of them.
  passwords: 'changes',
  differences: 'reads',
  proven: 'reads',
  wantsCertificate: 'reads',
  locksAfter: 'reads',
  isStandby: 'reads',
  testable: 'reads',
  // A test query may write, and is run by testSecret alone.
  run: 'reads',
  [Symbol.asyncDispose]: 'reads',
}

const rds: Uses<RdsCalls> = {
  follows: 'reads',
  isSettingPassword: 'reads',
  setMasterPassword: 'changes',
  wouldSetMasterPassword: 'reads',
}

/** The same engine, which calls `touch` before anything in a session of it changes a database. */
export function watchedEngine(engine: Engine, touch: () => void): Engine {
  // Nobody enters without a proof but a rollback, which needs no watching.
  return { login: async (...credential) => watched(await engine.login(...credential), session, touch) }
}

/** The same for RDS. */
export const watchedRds = (calls: RdsCalls, touch: () => void): RdsCalls => watched(calls, rds, touch)

/**
 * Another object with the members of this one, which is left as it is: others may be using it too. A method is called on
 * the real one, as private fields are its alone. What ends a session is a plain member, and no method is bound: V8's
 * `await using` takes neither a getter, nor a Proxy, nor a bound function.
 */
function watched<T extends object>(object: T, uses: Uses<T>, touch: () => void): T {
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
