import { randomUUID } from 'node:crypto'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { TagResourceCommand } from '@aws-sdk/client-secrets-manager'
import { SERVICE_STEPS } from '../../fleet/serviceSteps.ts'
import type { StateName } from '../../fleet/states.ts'
import type { Admin } from '../../local/client/users.ts'
import { type Embedded, loadHandler, startEmbedded } from '../../local/embedded/embedded.ts'
import { runRotation, type Tasks } from '../../local/embedded/stateMachine.ts'
import { Rds } from '../../rotation/rds.ts'
import { StandInRds } from './standInRds.ts'

/** Whose password turns: one user's own, that of two users in turns, as the value names an admin, or RDS's master's. */
type RotationKind = 'single' | 'alternating' | 'master'

/** One kind of rotation. */
type Scenario = {
  title: string
  kind: RotationKind
  /** Rotations of the same secret that went before, each with its retirement. */
  earlierRotationCount: number
  /** The test query fails, after the database learned the new password. */
  isRolledBack: boolean
}

const ALTERNATING_SCENARIO = {
  title: 'alternating-users',
  kind: 'alternating',
  earlierRotationCount: 2,
  isRolledBack: false,
} as const
const SINGLE_SCENARIO = {
  title: 'single-user',
  kind: 'single',
  earlierRotationCount: 2,
  isRolledBack: false,
} as const
const MASTER_SCENARIO = { ...SINGLE_SCENARIO, title: 'master', kind: 'master' } as const
export const SCENARIOS: Scenario[] = [
  SINGLE_SCENARIO,
  MASTER_SCENARIO,
  { ...ALTERNATING_SCENARIO, title: 'alternating-users, the first', earlierRotationCount: 0 },
  { ...ALTERNATING_SCENARIO, title: 'alternating-users, a later one' },
  { ...SINGLE_SCENARIO, title: 'single-user, rolled back', isRolledBack: true },
  { ...MASTER_SCENARIO, title: 'master, rolled back', isRolledBack: true },
  { ...ALTERNATING_SCENARIO, title: 'alternating-users, rolled back', isRolledBack: true },
]

/**
 * The most that a rotation that goes well may need: its retirement, later, counts by itself but for the transitions. Two of
 * those ask whether there are replicas. The second summand is what the rehearsal adds where there is one user.
 */
const COUNT_LIMITS: Record<
  RotationKind,
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
type StateCounts = {
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

export type Counts = Omit<StateCounts, 'state' | 'began' | 'ended'>

/** One rotation, measured. */
export type MeasuredRotation = {
  scenario: Scenario
  /** What all its steps did together, but for the retirement. */
  rotation: Counts
  retirement: Counts | undefined
  /** States that were entered, and tries that were repeated: what Step Functions bills. */
  transitions: number
  /** Milliseconds until the outcome was announced. */
  tookMs: number
  retirementTookMs: number | undefined
  /** Milliseconds from the begin of setSecret to the end of finishSecret. */
  mismatchMs: number | undefined
}

/** Something that was found, and the most it may be. */
export type LimitCheck = { what: string; found: number; limit: number; unit?: string }

export function checkLimits({ scenario, rotation, transitions }: MeasuredRotation): LimitCheck[] {
  if (scenario.isRolledBack) return []
  const limit = COUNT_LIMITS[scenario.kind]
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
export class RotationBench implements AsyncDisposable {
  readonly #embedded: Embedded
  readonly #admin: Admin
  readonly #rds: StandInRds
  /** How the functions make their RDS elsewhere. */
  readonly #over: typeof Rds.fromConfig
  /** The server's log: each read goes on where the last one ended. */
  readonly #log: number
  #users = 0

  private constructor(embedded: Embedded, admin: Admin) {
    this.#embedded = embedded
    this.#admin = admin
    this.#rds = new StandInRds(embedded.users)
    this.#over = Rds.fromConfig
    Rds.fromConfig = () => this.#rds as unknown as Rds
    this.#log = openSync(embedded.postgres.logFile, 'r')
  }

  static async start(): Promise<RotationBench> {
    const embedded = await startEmbedded()
    return new RotationBench(embedded, await embedded.users.makeAdmin('master'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    closeSync(this.#log)
    Rds.fromConfig = this.#over
    await this.#embedded.stop()
  }

  /** Runs one rotation of a new user. @throws if it does not end as the scenario says */
  async rotate(scenario: Scenario): Promise<MeasuredRotation> {
    const { users, secrets } = this.#embedded
    const user = `user${this.#users++}`
    const secret = await this.#enrol(user, scenario.kind)
    for (let i = 0; i < scenario.earlierRotationCount; i++) await this.#run(secret, false)
    if (scenario.isRolledBack) {
      const query =
        scenario.kind === 'alternating' ? 'table no_such_table' : await users.failOnceChanged(user)
      const Tags = [{ Key: 'keyturn:test-query', Value: query }]
      await secrets.send(new TagResourceCommand({ SecretId: secret, Tags }))
    }
    const { began, steps, transitions } = await this.#run(secret, scenario.isRolledBack)
    const step = (state: StateName<'rotate'>) => steps.find(step => step.state === state)
    const retirement = step('RetireSecret')
    const announced = step(scenario.isRolledBack ? 'AnnounceFailure' : 'AnnounceSuccess')
    if (!announced) throw new Error(`${scenario.title}: no outcome was announced`)
    const [set, finish] = [step('SetSecret'), step('FinishSecret')]
    return {
      scenario,
      rotation: sumCounts(steps.filter(step => step !== retirement)),
      retirement: retirement && sumCounts([retirement]),
      transitions,
      tookMs: announced.began - began,
      retirementTookMs: retirement && retirement.ended - retirement.began,
      mismatchMs: set && finish && finish.ended - set.began,
    }
  }

  /**
   * Runs one rotation of a new user as Secrets Manager asks for it, by the four steps of rotateSecret. The retirement is
   * among what it gives back. @throws if it fails
   */
  async rotateAsService({
    kind,
    earlierRotationCount,
  }: Scenario): Promise<Omit<Counts, 'stepFunctions'> & { stepFunctions: string[] }> {
    const { stepFunctions, secretsManager } = this.#embedded
    const secret = await this.#enrol(`user${this.#users++}`, kind)
    for (let i = 0; i < earlierRotationCount; i++) await this.#run(secret, false)
    const rotateSecret = await loadHandler('rotateSecret')
    const token = secretsManager.stagePending(secret)
    const event = { SecretId: secret, ClientRequestToken: token, RotationToken: randomUUID() }
    this.#seen()
    for (const Step of SERVICE_STEPS) await rotateSecret({ Step, ...event })
    const calls = stepFunctions.calls.map(({ action }) => action)
    await stepFunctions.rotateExecutions.get(token)?.ended
    return { ...this.#seen(), stepFunctions: calls }
  }

  #enrol(user: string, kind: RotationKind): Promise<string> {
    const tags = { 'keyturn:strategy': 'master' }
    const more = { single: {}, alternating: { admin: this.#admin }, master: { tags } }[kind]
    return this.#embedded.users.enrol(user, more)
  }

  async #run(secret: string, fails: boolean) {
    const steps: StateCounts[] = []
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
  #watched(steps: StateCounts[]): Tasks {
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
  #seen(): Counts {
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

function sumCounts(steps: StateCounts[]): Counts {
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
