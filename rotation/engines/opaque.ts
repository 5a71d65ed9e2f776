import type { Engine, Session } from './engine.ts'

/** The engine of a value without a database. Every stored value counts as valid, and its sessions do nothing. */
export class Opaque implements Engine {
  async login(): Promise<Session> {
    return {
      setPassword: async () => {},
      wouldSetPassword: async () => {},
      openUser: async () => [],
      wouldOpenUser: async () => [],
      closeUser: async () => {},
      countSessions: async () => undefined,
      countFreeConnections: async () => undefined,
      dropClone: async () => {},
      wouldDropClone: async () => [],
      differences: async () => [],
      runTestQuery: async () => {},
      [Symbol.asyncDispose]: async () => {},
    }
  }
}
