import type { Engine, Session } from './engine.ts'

/** Stands in where no database has to learn a value: whatever is stored is valid, and nothing is to be done. */
export class Opaque implements Engine {
  async login(): Promise<Session> {
    return {
      setPassword: async () => {},
      wouldSetPassword: async () => {},
      cloneUser: async () => [],
      wouldClone: async () => [],
      lockUser: async () => {},
      countSessions: async () => undefined,
      countFreeConnections: async () => undefined,
      dropClone: async () => {},
      wouldDropUser: async () => [],
      differences: async () => [],
      runTestQuery: async () => {},
      [Symbol.asyncDispose]: async () => {},
    }
  }
}
