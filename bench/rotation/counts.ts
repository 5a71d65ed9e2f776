import { randomUUID } from 'node:crypto'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { TagResourceCommand } from '@aws-sdk/client-secrets-manager'
import { serviceSteps } from '../../fleet/serviceSteps.ts'
import type { StateName } from '../../fleet/states.ts'
import type { Admin } from '../../local/client/users.ts'
import { type Embedded, load, startEmbedded } from '../../local/embedded/embedded.ts'
import { runRotation, type Tasks } from '../../local/embedded/stateMachine.ts'
import { Rds } from '../../rotation/rds.ts'
import { StandInRds } from './rds.ts'

/** Whose password turns: one user's own, that of two users in turns, as the value names an admin, or RDS's master's. */
type Kind = 'single' | 'alternating' | 'master'

/** One kind of rotation. */
type Scenario = {
  title: string
  kind: Kind
  /** Rotations of the same secret that went before, each with its retirement. */
  earlier: number
  /** The test query fails, after the database learned the new password. */
  fails: boolean
}

const alternating = { title: 'alternating-users', kind: 'alternating', earlier: 2, fails: false } as const
const single = { title: 'single-user', kind: 'single', earlier: 2, fails: false } as const
const master = { ...single, title: 'master', kind: 'master' } as const
export const scenarios: Scenario[] = [
  single,
  master,
  { ...alternating, title: 'alternating-users, the first', earlier: 0 },
  { ...alternating, title: 'alternating-users, a later one' },
  { ...single, title: 'single-user, rolled back', fails: true },
  { ...master, title: 'master, rolled back', fails: true },
  { ...alternating, title: 'alternating-users, rolled back', fails: true },
]

/**
 * The most that a rotation that goes well may need: its retirement, later, counts by itself but for the transitions. Two of
 * those ask whether there are replicas. The second summand is what the rehearsal adds where there is one user.
 */
const limits: Record<
  Kind,
  Record<'calls' | 'describeSecret' | 'stepFunctions' | 'rds' | 'logins' | 'transitions', number>
> = {
  single: {
    // TestSecret's function reads current and pending, FinishSecret's describes the secret, RollbackSecret's does all three.
    calls: 7 + 6,
    // FinishSecret's function, and RollbackSecret's.
    describeSecret: 1 + 2,
    // RollbackSecret's function asks, as it would later, whether this rotation has changed anything.
    stepFunctions: 0 + 1,
    rds: 0,
    // TestSecret's function, with current.
    logins: 2 + 1,
    // Rehearse, a state in each of its three branches, and Rehearsed.
    transitions: 9 + 5,
  },
  // As a single user, but that setSecret asks RDS for the database and its master, tells it the password, asks once more whether
  // it is set, and then logs in with it.
  master: {
    calls: 7 + 6,
    describeSecret: 1 + 2,
    stepFunctions: 0 + 1,
    rds: 3,
    logins: 3 + 1,
    transitions: 9 + 5,
  },
  alternating: { calls: 8, describeSecret: 1, stepFunctions: 0, rds: 0, logins: 3, transitions: 10 },
}

/** What one state did. */
type Step = {
  state: string
  /** Milliseconds, as `performance.now()` counts them. */
  began: number
  ended: number
  /** Secrets Manager calls, by action. */
  calls: string[]
  stepFunctions: number
  rds: number
  /** Logins to the database, of which `refused` in vain. */
  logins: number
  refused: number
  /** Messages with SQL in them; one may hold several statements. */
  messages: number
}

export type Count = Omit<Step, 'state' | 'began' | 'ended'>

/** One rotation, measured. */
export type Measured = {
  scenario: Scenario
  /** What all its steps did together, but for the retirement. */
  rotation: Count
  retirement: Count | undefined
  /** States that were entered, and tries that were repeated: what Step Functions bills. */
  transitions: number
  /** Milliseconds until the outcome was announced. */
  took: number
  retirementTook: number | undefined
  /** Milliseconds from the begin of setSecret to the end of finishSecret. */
  window: number | undefined
}

/** Something that was found, and the most it may be. */
export type Check = { what: string; found: number; limit: number; unit?: string }

export function checks({ scenario, rotation, transitions }: Measured): Check[] {
  if (scenario.fails) return []
  const limit = limits[scenario.kind]
  const described = rotation.calls.filter(action => action === 'DescribeSecret').length
  return [
    { what: 'Secrets Manager calls', found: rotation.calls.length, limit: limit.calls },
    { what: 'DescribeSecret calls', found: described, limit: limit.describeSecret },
    { what: 'Step Functions calls', found: rotation.stepFunctions, limit: limit.stepFunctions },
    ...(limit.rds ? [{ what: 'RDS calls', found: rotation.rds, limit: limit.rds }] : []),
    { what: 'database logins', found: rotation.logins, limit: limit.logins },
    { what: 'state transitions', found: transitions, limit: limit.transitions },
  ].map(check => ({ ...check, what: `${scenario.title}: ${check.what}` }))
}

/** A database, the services and the functions, to be measured. */
export class Bench implements AsyncDisposable {
  readonly #embedded: Embedded
  readonly #admin: Admin
  readonly #rds: StandInRds
  /** How the functions make their RDS elsewhere. */
  readonly #over: typeof Rds.over
  /** The server's log: each read goes on where the last one ended. */
  readonly #log: number
  #users = 0

  private constructor(embedded: Embedded, admin: Admin) {
    this.#embedded = embedded
    this.#admin = admin
    this.#rds = new StandInRds(embedded.users)
    this.#over = Rds.over
    Rds.over = () => this.#rds as unknown as Rds
    this.#log = openSync(embedded.postgres.logFile, 'r')
  }

  static async start(): Promise<Bench> {
    const embedded = await startEmbedded()
    return new Bench(embedded, await embedded.users.makeAdmin('master'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    closeSync(this.#log)
    Rds.over = this.#over
    await this.#embedded.stop()
  }

  /** Runs one rotation of a new user. @throws if it does not end as the scenario says */
  async rotate(scenario: Scenario): Promise<Measured> {
    const { users, secrets } = this.#embedded
    const user = `user${this.#users++}`
    const secret = await this.#enrol(user, scenario.kind)
    for (let i = 0; i < scenario.earlier; i++) await this.#run(secret, false)
    if (scenario.fails) {
      const query =
        scenario.kind === 'alternating' ? 'table no_such_table' : await users.failOnceChanged(user)
      const Tags = [{ Key: 'keyturn:test-query', Value: query }]
      await secrets.send(new TagResourceCommand({ SecretId: secret, Tags }))
    }
    const { began, steps, transitions } = await this.#run(secret, scenario.fails)
    const step = (state: StateName<'rotate'>) => steps.find(step => step.state === state)
    const retirement = step('RetireSecret')
    const announced = step(scenario.fails ? 'AnnounceFailure' : 'AnnounceSuccess')
    if (!announced) throw new Error(`${scenario.title}: no outcome was announced`)
    const [set, finish] = [step('SetSecret'), step('FinishSecret')]
    return {
      scenario,
      rotation: total(steps.filter(step => step !== retirement)),
      retirement: retirement && total([retirement]),
      transitions,
      took: announced.began - began,
      retirementTook: retirement && retirement.ended - retirement.began,
      window: set && finish && finish.ended - set.began,
    }
  }

  /**
   * Runs one rotation of a new user as Secrets Manager asks for it, by the four steps of rotateSecret. The retirement is
   * among what it gives back. @throws if it fails
   */
  async call({
    kind,
    earlier,
  }: Scenario): Promise<Omit<Count, 'stepFunctions'> & { stepFunctions: string[] }> {
    const { stepFunctions, secretsManager } = this.#embedded
    const secret = await this.#enrol(`user${this.#users++}`, kind)
    for (let i = 0; i < earlier; i++) await this.#run(secret, false)
    const rotateSecret = await load('rotateSecret')
    const token = secretsManager.stagePending(secret)
    const event = { SecretId: secret, ClientRequestToken: token, RotationToken: randomUUID() }
    this.#seen()
    for (const Step of serviceSteps) await rotateSecret({ Step, ...event })
    const calls = stepFunctions.calls.map(({ action }) => action)
    await stepFunctions.executions.get(token)?.ended
    return { ...this.#seen(), stepFunctions: calls }
  }

  #enrol(user: string, kind: Kind): Promise<string> {
    const tags = { 'keyturn:strategy': 'master' }
    const more = { single: {}, alternating: { admin: this.#admin }, master: { tags } }[kind]
    return this.#embedded.users.enrol(user, more)
  }

  async #run(secret: string, fails: boolean) {
    const steps: Step[] = []
    const began = performance.now()
    const execution = await runRotation(this.#watched(steps), randomUUID(), {
      store: 'secrets-manager',
      id: secret,
    })
    const { failure, states, tries } = execution
    if (failure?.error !== (fails ? 'TestFailed' : undefined))
      throw new Error(`a rotation ended unlike it should: ${JSON.stringify(failure)}`)
    const repeated = Object.values(tries).reduce((sum, count) => sum + count - 1, 0)
    return { began, steps, transitions: states.length + repeated }
  }

  /** Every task, so that it leaves what it did in `steps`. Of those that a rehearsal
   * runs at once, which did what is not told apart. */
  #watched(steps: Step[]): Tasks {
    let running = 0
    const watched = Object.entries(this.#embedded.tasks).map(([state, task]) => [
      state,
      async (input: unknown) => {
        if (running++ === 0) this.#seen()
        const began = performance.now()
        try {
          return await task(input)
        } finally {
          running--
          steps.push({ state, began, ended: performance.now(), ...this.#seen() })
        }
      },
    ])
    return Object.fromEntries(watched)
  }

  /** What the services and the database saw since this was asked last. */
  #seen(): Count {
    const log = readFileSync(this.#log, 'utf8')
    const lines = (pattern: RegExp) => log.match(pattern)?.length ?? 0
    const refused = lines(/ FATAL: {2}password authentication failed /g)
    return {
      calls: this.#embedded.secretsManager.calls.splice(0).map(({ action }) => action),
      stepFunctions: this.#embedded.stepFunctions.calls.splice(0).length,
      rds: this.#rds.calls.splice(0).length,
      // The server logs before it answers, so whoever has the answer finds the line.
      logins: lines(/ LOG: {2}connection authorized: .* application_name=keyturn /g) + refused,
      refused,
      messages: lines(/ LOG: {2}(statement|execute [^:]+): /g),
    }
  }
}

function total(steps: Step[]): Count {
  const sum = (field: 'stepFunctions' | 'rds' | 'logins' | 'refused' | 'messages') =>
    steps.reduce((sum, step) => sum + step[field], 0)
  return {
    calls: steps.flatMap(({ calls }) => calls),
    stepFunctions: sum('stepFunctions'),
    rds: sum('rds'),
    logins: sum('logins'),
    refused: sum('refused'),
    messages: sum('messages'),
  }
}
