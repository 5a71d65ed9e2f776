import { Opaque } from '../../rotation/engines/opaque.ts'
import type { Pipeline } from '../../rotation/pipeline.ts'
import type { Store } from '../../rotation/stores/store.ts'
import type { TestServer } from '../support/testServers.ts'

/** What a process dies of. No code of ours can know it, so none can catch it by kind. */
class ProcessDied extends Error {}

/** Called at every point of a run, in order; it may wait, or throw to let the process die there. */
export type VisitPoint = (point: string) => Promise<void> | void

/**
 * One process that runs steps: every store call, login and statement it makes passes two points, `before …` and
 * `after …` it took effect. Once it is dead nothing it does has an effect any more.
 */
export class Process {
  readonly pipeline: Pipeline
  dead = false
  readonly #visit: VisitPoint

  constructor(base: Pipeline, place: TestServer, visit: VisitPoint) {
    this.#visit = visit
    const call = <T>(name: string, effect: () => Promise<T>) => this.#call(name, effect)
    const engine = place.engine(call)
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
   * One whose points are the one before its first call, and the one after each: between two calls it does nothing
   * lasting. They are added to `points`, and it dies where `fatal`, told the number of the point, says so. `visit` is
   * called at the others too.
   */
  static counting(
    base: Pipeline,
    place: TestServer,
    points: string[],
    fatal: (n: number) => boolean,
    visit: VisitPoint = () => {},
  ): Process {
    let begun = false
    const process: Process = new Process(base, place, async point => {
      await visit(point)
      if (begun && point.startsWith('before')) return
      begun = true
      points.push(point)
      if (fatal(points.length - 1)) process.die()
    })
    return process
  }

  /** Dies at the point that it is called from. */
  die(): never {
    this.dead = true
    throw new ProcessDied('the process died')
  }

  /** Runs one step. `died` if the process did, whatever the step then made of it. */
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
