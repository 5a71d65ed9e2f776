import { Opaque } from '../../rotation/engines/opaque.ts'
import type { Pipeline } from '../../rotation/pipeline.ts'
import type { Store } from '../../rotation/stores/store.ts'
import type { MatrixServer } from '../support/testServers.ts'

/** Thrown where a process dies. The code under test does not have this class, so it cannot catch it by type. */
class ProcessDied extends Error {}

/** Called at every point of a run, in order. It may wait, or throw to have the process die there. */
export type VisitPoint = (point: string) => Promise<void> | void

/**
 * One process that runs steps. Each call of a store or of AWS, each login and each statement has two points: `before …` and `after
 * …` its effect. Once the process is dead, no call has an effect.
 */
export class Process {
  readonly pipeline: Pipeline
  dead = false
  readonly #visit: VisitPoint

  constructor(base: Pipeline, testServer: MatrixServer, visit: VisitPoint) {
    this.#visit = visit
    const call = <T>(name: string, effect: () => Promise<T>) => this.#call(name, effect)
    const engine = testServer.engine(call)
    this.pipeline = {
      ...base,
      loadEngine: async name => (name === 'opaque' ? new Opaque() : engine),
      readAdmin: arn => call('admin', () => base.readAdmin(arn)),
      readConnection: name => call('connection', () => base.readConnection(name)),
      rds: async () => {
        const rds = await base.rds()
        return {
          sharesUsers: (address, primary) => call('follows', () => rds.sharesUsers(address, primary)),
          isSettingPassword: master => call('isSettingPassword', () => rds.isSettingPassword(master)),
          setMasterPassword: master => call('setMasterPassword', () => rds.setMasterPassword(master)),
          wouldSetMasterPassword: master => rds.wouldSetMasterPassword(master),
        }
      },
      isRotating: token => call('rotating', () => base.isRotating(token)),
      isExecutionRunning: token => call('running', () => base.isExecutionRunning(token)),
      hasChangedNothing: token => call('untouched', () => base.hasChangedNothing(token)),
      store: this.#storeOf(base.store),
    }
  }

  /**
   * Makes a process that counts the point before its first call and the point after each call, as nothing lasting happens between
   * two calls. It adds these points to `points`, and dies where `isFatal` says so by the point's number. `visit` is called at all
   * points, also those not counted.
   */
  static counting(
    base: Pipeline,
    testServer: MatrixServer,
    points: string[],
    isFatal: (n: number) => boolean,
    visit: VisitPoint = () => {},
  ): Process {
    let begun = false
    const process: Process = new Process(base, testServer, async point => {
      await visit(point)
      if (begun && point.startsWith('before')) return
      begun = true
      points.push(point)
      if (isFatal(points.length - 1)) process.die()
    })
    return process
  }

  /** Kills the process at the point from which this is called. */
  die(): never {
    this.dead = true
    throw new ProcessDied('the process died')
  }

  /** Runs one step. @returns `died` if the process died, whatever the step then returned or threw */
  async run<T>(step: (pipeline: Pipeline) => Promise<T>): Promise<T | 'died'> {
    try {
      const result = await step(this.pipeline)
      return this.dead ? 'died' : result
    } catch (error) {
      if (this.dead) return 'died'
      throw error
    }
  }

  async #call<T>(name: string, effect: () => Promise<T>): Promise<T> {
    if (this.dead) throw new ProcessDied('the process died')
    await this.#visit(`before ${name}`)
    const result = await effect()
    await this.#visit(`after ${name}`)
    return result
  }

  #storeOf(store: Store): Store {
    return {
      withParser: format => this.#storeOf(store.withParser(format)),
      describe: id => this.#call('describe', () => store.describe(id)),
      read: (id, which) => this.#call(`read ${which.stage ?? 'by token'}`, () => store.read(id, which)),
      propose: (id, token, value) => this.#call('propose', () => store.propose(id, token, value)),
      promote: (id, token, old) => this.#call('promote', () => store.promote(id, token, old)),
      rehearsePromote: (id, token) => this.#call('rehearse', () => store.rehearsePromote(id, token)),
      discard: (id, token) => this.#call('discard', () => store.discard(id, token)),
      listTokens: id => this.#call('tokens', () => store.listTokens(id)),
    }
  }
}
