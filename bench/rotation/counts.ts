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

/** Which strategy rotates: single user, alternating users (the value names an admin), or master (RDS sets the password). */
type RotationKind = 'single' | 'alternating' | 'master'

/** A rotation that is measured. */
type Scenario = {
  title: string
  kind: RotationKind
  /** How many rotations of the same secret come before, each with its retirement. */
  earlierRotationCount: number
  /** Whether the test query fails after the database has the new password, so that the rotation is rolled back. */
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

/** All rotations that are measured. */
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
 * The maximum that a successful rotation may need, without its retirement, but with the retirement's state transitions. In a sum,
 * the second number is what the rehearsal adds, which only a single user and a master have. Two transitions are the questions
 * whether there are replicas.
 */
const COUNT_LIMITS: Record<
  RotationKind,
  Record<'calls' | 'describeSecret' | 'stepFunctions' | 'rds' | 'logins' | 'transitions', number>
> = {
  single: {
    // In the rehearsal TestSecret's function reads current and pending, FinishSecret's describes the secret, and RollbackSecret's
    // does all three.
    calls: 7 + 6,
    // FinishSecret's function and RollbackSecret's rehearse it.
    describeSecret: 1 + 2,
    // RollbackSecret's function rehearses its question whether this rotation has changed anything.
    stepFunctions: 0 + 1,
    rds: 0,
    // TestSecret's function rehearses with current.
    logins: 2 + 1,
    // These are Rehearse, a state in each of its three branches, and Rehearsed.
    transitions: 9 + 5,
  },
  // The same as for a single user, and in setSecret three calls of RDS (which database it is, set the password, is it set) and a
  // login with the new password.
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

/** What one state of a rotation did. */
type StateCounts = {
  state: string
  /** When its task began and ended, by `performance.now()`. */
  began: number
  ended: number
  /** The actions of its Secrets Manager calls. */
  calls: string[]
  /** How many calls of Step Functions and of RDS. */
  stepFunctions: number
  rds: number
  /** How many logins to the database, and how many of them were refused. */
  logins: number
  refused: number
  /** How many messages with SQL. A message may hold several statements. */
  messages: number
}

/** What several states did together. */
export type Counts = Omit<StateCounts, 'state' | 'began' | 'ended'>

/** One rotation, measured. */
export type MeasuredRotation = {
  scenario: Scenario
  /** What all states did together, but for the retirement. */
  rotation: Counts
  retirement: Counts | undefined
  /** State transitions, which Step Functions bills: entered states and retries. https://aws.amazon.com/step-functions/pricing/ */
  transitions: number
  /** Milliseconds from the start of the execution to the start of the state that announces the outcome. */
  tookMs: number
  retirementTookMs: number | undefined
  /** Milliseconds from the start of SetSecret to the end of FinishSecret, in which database and secret may not match. */
  mismatchMs: number | undefined
}

/** A measured value, and its maximum. */
export type LimitCheck = { what: string; found: number; limit: number; unit?: string }

/** The checks of one rotation. A rotation that is rolled back has no limits. */
export function checkLimits({ scenario, rotation, transitions }: MeasuredRotation): LimitCheck[] {
  if (scenario.isRolledBack) return []
  const limit = COUNT_LIMITS[scenario.kind]
  const describeCount = rotation.calls.filter(action => action === 'DescribeSecret').length
  return [
    { what: 'Secrets Manager calls', found: rotation.calls.length, limit: limit.calls },
    { what: 'DescribeSecret calls', found: describeCount, limit: limit.describeSecret },
    { what: 'Step Functions calls', found: rotation.stepFunctions, limit: limit.stepFunctions },
    ...(limit.rds ? [{ what: 'RDS calls', found: rotation.rds, limit: limit.rds }] : []),
    { what: 'database logins', found: rotation.logins, limit: limit.logins },
    { what: 'state transitions', found: transitions, limit: limit.transitions },
  ].map(check => ({ ...check, what: `${scenario.title}: ${check.what}` }))
}

/** A PostgreSQL, local services and the functions, by which rotations are run and measured. */
export class RotationBench implements AsyncDisposable {
  readonly #embedded: Embedded
  readonly #admin: Admin
  readonly #rds: StandInRds
  /** The original `Rds.fromConfig`, in whose place functions get the stand-in here. */
  readonly #rdsFromConfig: typeof Rds.fromConfig
  /** File descriptor of the server's log. Each read continues where the last one ended. */
  readonly #log: number
  #userCount = 0

  private constructor(embedded: Embedded, admin: Admin) {
    this.#embedded = embedded
    this.#admin = admin
    this.#rds = new StandInRds(embedded.users)
    this.#rdsFromConfig = Rds.fromConfig
    Rds.fromConfig = () => this.#rds as unknown as Rds
    this.#log = openSync(embedded.postgres.logFile, 'r')
  }

  /** Starts everything, and makes the admin for alternating users. */
  static async start(): Promise<RotationBench> {
    const embedded = await startEmbedded()
    return new RotationBench(embedded, await embedded.users.makeAdmin('master'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    closeSync(this.#log)
    Rds.fromConfig = this.#rdsFromConfig
    await this.#embedded.stop()
  }

  /** Runs and measures one rotation of a new user. @throws Error if it does not end as the scenario says */
  async rotate(scenario: Scenario): Promise<MeasuredRotation> {
    const { users, secrets } = this.#embedded
    const user = `user${this.#userCount++}`
    const secret = await this.#enrol(user, scenario.kind)
    for (let i = 0; i < scenario.earlierRotationCount; i++) await this.#run(secret, false)
    if (scenario.isRolledBack) {
      const query =
        scenario.kind === 'alternating' ? 'table no_such_table' : await users.failOnceChanged(user)
      const Tags = [{ Key: 'keyturn:test-query', Value: query }]
      await secrets.send(new TagResourceCommand({ SecretId: secret, Tags }))
    }
    const { began, steps, transitions } = await this.#run(secret, scenario.isRolledBack)
    const countsOf = (state: StateName<'rotate'>) => steps.find(step => step.state === state)
    const retirement = countsOf('RetireSecret')
    const announced = countsOf(scenario.isRolledBack ? 'AnnounceFailure' : 'AnnounceSuccess')
    if (!announced) throw new Error(`${scenario.title}: no outcome was announced`)
    const [set, finish] = [countsOf('SetSecret'), countsOf('FinishSecret')]
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
   * Runs one rotation of a new user as Secrets Manager does, by calling the function rotateSecret for each of the four steps.
   * @returns what the rotation did, with its retirement; `stepFunctions` has the actions of the calls that Step Functions got
   *   until the fourth step was answered: rotateSecret's, and that of the rehearsal if there was one
   * @throws Error if it fails
   */
  async rotateAsService({
    kind,
    earlierRotationCount,
  }: Scenario): Promise<Omit<Counts, 'stepFunctions'> & { stepFunctions: string[] }> {
    const { stepFunctions, secretsManager } = this.#embedded
    const secret = await this.#enrol(`user${this.#userCount++}`, kind)
    for (let i = 0; i < earlierRotationCount; i++) await this.#run(secret, false)
    const rotateSecret = await loadHandler('rotateSecret')
    const token = secretsManager.stagePending(secret)
    const event = { SecretId: secret, ClientRequestToken: token, RotationToken: randomUUID() }
    this.#takeCounts()
    for (const Step of SERVICE_STEPS) await rotateSecret({ Step, ...event })
    const calls = stepFunctions.calls.map(({ action }) => action)
    await stepFunctions.rotateExecutions.get(token)?.ended
    return { ...this.#takeCounts(), stepFunctions: calls }
  }

  /** Makes a user and its secret. @returns the secret's ARN */
  #enrol(user: string, kind: RotationKind): Promise<string> {
    const tags = { 'keyturn:strategy': 'master' }
    const more = { single: {}, alternating: { admin: this.#admin }, master: { tags } }[kind]
    return this.#embedded.users.enrol(user, more)
  }

  /** Runs one rotation. @param fails whether it should fail by its test query @throws Error if it ends otherwise */
  async #run(secret: string, fails: boolean) {
    const steps: StateCounts[] = []
    const began = performance.now()
    const execution = await runRotation(this.#measuredTasks(steps), randomUUID(), {
      store: 'secrets-manager',
      id: secret,
    })
    const { failure, states, tries } = execution
    if (failure?.error !== (fails ? 'TestFailed' : undefined))
      throw new Error(`a rotation did not end as it should: ${JSON.stringify(failure)}`)
    const retryCount = Object.values(tries).reduce((sum, count) => sum + count - 1, 0)
    return { began, steps, transitions: states.length + retryCount }
  }

  /**
   * All tasks, each of which adds what it did to `steps`. The tasks of a rehearsal run at once, so the counts of one may include
   * what another did.
   */
  #measuredTasks(steps: StateCounts[]): Tasks {
    let running = 0
    const measured = Object.entries(this.#embedded.tasks).map(([state, task]) => [
      state,
      async (input: unknown) => {
        if (running++ === 0) this.#takeCounts()
        const began = performance.now()
        try {
          return await task(input)
        } finally {
          running--
          steps.push({ state, began, ended: performance.now(), ...this.#takeCounts() })
        }
      },
    ])
    return Object.fromEntries(measured)
  }

  /** What the services and the database got since this was called last. */
  #takeCounts(): Counts {
    const log = readFileSync(this.#log, 'utf8')
    const countLines = (pattern: RegExp) => log.match(pattern)?.length ?? 0
    const refused = countLines(/ FATAL: {2}password authentication failed /g)
    return {
      calls: this.#embedded.secretsManager.calls.splice(0).map(({ action }) => action),
      stepFunctions: this.#embedded.stepFunctions.calls.splice(0).length,
      rds: this.#rds.calls.splice(0).length,
      // The server logs a login before it answers, so the line is there by now.
      logins: countLines(/ LOG: {2}connection authorized: .* application_name=keyturn /g) + refused,
      refused,
      messages: countLines(/ LOG: {2}(statement|execute [^:]+): /g),
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
