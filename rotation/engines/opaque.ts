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
      sessionsOf: async () => undefined,
      roomFor: async () => undefined,
      dropUser: async () => {},
      wouldDropUser: async () => [],
      differences: async () => [],
      run: async () => {},
      [Symbol.asyncDispose]: async () => {},
    }
  }
}
