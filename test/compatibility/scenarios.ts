import { createHash, randomUUID } from 'node:crypto'
import { PutParameterCommand, type SSMClient } from '@aws-sdk/client-ssm'
import { Inventory, type ScheduledCredential } from '../../fleet/inventory.ts'
import { type Embedded, loadHandler } from '../../local/embedded/embedded.ts'
import { makeEventBusTasks } from '../../local/embedded/eventBus.ts'
import { arnOf, type Definition, runExecution, type Task } from '../../local/embedded/stateMachine.ts'

/** The input of one state, and its output or the name of its error. */
export type Step = { state: string; input: unknown; output?: unknown; error?: string }
/** One execution, and what its tasks did, in order. */
export type Scenario = { name: string; stateMachine: 'rotate' | 'rotate-due'; steps: Step[] }

type Machine = Scenario['stateMachine']
type Definitions = Partial<Record<Machine, Definition>>

/**
 * Runs executions that reach every state and every strategy, with the functions of this working tree and PostgreSQL. record.ts
 * keeps the result of one release, with which the tests of the next release compare theirs.
 */
export async function playScenarios(
  embedded: Embedded,
  ssm: SSMClient,
  definitions: Definitions = {},
): Promise<Scenario[]> {
  return new Player(embedded, ssm, definitions).play()
}

class Player {
  readonly #embedded: Embedded
  readonly #ssm: SSMClient
  readonly #definitions: Definitions
  readonly #scenarios: Scenario[] = []
  /** Tasks for the states that are no Lambda functions. */
  readonly #others: Record<string, Task> = {
    MoveBack: () => ({ ExecutionArn: 'arn' }),
  }

  constructor(embedded: Embedded, ssm: SSMClient, definitions: Definitions) {
    this.#embedded = embedded
    this.#ssm = ssm
    this.#definitions = definitions
  }

  async play(): Promise<Scenario[]> {
    await this.#strategies()
    await this.#failures()
    await this.#otherValues()
    await this.#withoutDatabase()
    await this.#due()
    return this.#scenarios
  }

  async #strategies(): Promise<void> {
    const { users } = this.#embedded
    const admin = await users.makeAdmin('compatible_admin')
    const tags = { 'keyturn:test-query': 'select 1', 'keyturn:grace': 'never' }
    await this.#rotate('single user', { id: await users.enrol('alone', { tags }), group: 'run-1 db' })
    const turning = await users.enrol('turning', { admin, tags: { 'keyturn:grace': '1s' } })
    await this.#rotate('alternating users, onto the clone', { id: turning })
    await this.#rotate('alternating users, back to the user', { id: turning })
    const borrowing = await users.enrol('borrowing', {
      admin,
      tags: { 'keyturn:strategy': 'temporary-clone', 'keyturn:grace': '1s' },
    })
    const token = await this.#rotate('temporary clone, halfway', { id: borrowing })
    const back = createHash('sha256').update(token).digest('hex')
    await this.#rotate('temporary clone, the way back', { id: borrowing, moveBack: true }, back)
  }

  async #failures(): Promise<void> {
    const { users, tasks } = this.#embedded
    const absent = { 'keyturn:test-query': 'TABLE absent' }
    // The table exists in the rehearsal and not in TestSecret. Otherwise the rehearsal would fail, with nothing to roll back.
    await users.runSql('create table absent (); grant select on absent to public')
    const TestSecret: Task = async input => {
      await users.runSql('drop table absent')
      return tasks.TestSecret?.(input)
    }
    const rolled = await users.enrol('rolled', { tags: absent })
    await this.#rotate('rolled back', { id: rolled }, randomUUID(), { TestSecret })
    const wrong = await users.enrol('wrong', { tags: { 'keyturn:strategy': 'nonsense' } })
    await this.#rotate('createSecret failed', { id: wrong })
    const abandoned = await users.enrol('abandoned')
    await tasks.CreateSecret?.({ execution: randomUUID(), rotation: { ...inSecrets, id: abandoned } })
    await this.#rotate('an abandoned rotation before', { id: abandoned })
  }

  async #otherValues(): Promise<void> {
    const { users, postgres } = this.#embedded
    const opaque = { 'keyturn:engine': 'opaque', 'keyturn:managed': 'true' }
    await this.#rotate('opaque', { id: await users.valueStore.put('compatible/opaque', 'text', opaque) })
    const id = await users.enrol('connected')
    const { password, ...rest } = JSON.parse((await users.valueStore.read(id, 'current')) ?? '')
    await this.#put('/compatible/connection', JSON.stringify(rest))
    const managed = { 'keyturn:managed': 'true' }
    const connected = { ...managed, 'keyturn:connection': '/compatible/connection' }
    await this.#put('/compatible/password', password, connected)
    await this.#rotate('password alone', { store: 'parameter-store', id: '/compatible/password' })
    await this.#put(
      '/compatible/value',
      JSON.stringify({ ...rest, password: 'x', port: postgres.port }),
      managed,
    )
    await this.#rotate('locked out', { store: 'parameter-store', id: '/compatible/value' })
  }

  async #put(Name: string, Value: string, tags: Record<string, string> = {}): Promise<void> {
    const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
    await this.#ssm.send(new PutParameterCommand({ Name, Value, Type: 'SecureString', Tags }))
  }

  /** Engines and strategies without a server. What CreateSecret returns is real here; the other functions are played. */
  async #withoutDatabase(): Promise<void> {
    const nothing: Record<string, Task> = {
      RehearseTest: () => null,
      SetSecret: () => null,
      TestSecret: () => null,
      RetireSecret: () => ({ outcome: 'retired' }),
      MayMoveBack: () => ({ outcome: 'superseded' }),
    }
    const masterarn = `${arnOf('secretsmanager', 'secret')}:admin-AbCdEf`
    for (const [engine, strategy, more] of [
      ['postgres', 'master', {}],
      ['mysql', 'dual-password', {}],
      ['mariadb', 'temporary-clone', { masterarn }],
      ['redis', 'dual-password', { masterarn }],
      ['mongo', 'alternating-users', { masterarn }],
      ['redshift', 'alternating-users', { masterarn }],
    ] as const) {
      const value = { engine, host: 'db.example.com', username: 'app', password: 'x', ...more }
      const tags = { 'keyturn:managed': 'true', 'keyturn:strategy': strategy }
      const name = `compatible/${engine}`
      const id = await this.#embedded.users.valueStore.put(name, JSON.stringify(value), tags)
      await this.#rotate(`${engine}, ${strategy}`, { id }, randomUUID(), nothing)
    }
  }

  /** @returns the execution's name */
  async #rotate(
    name: string,
    input: object,
    execution: string = randomUUID(),
    given: Record<string, Task> = {},
  ): Promise<string> {
    const tasks = { ...this.#embedded.tasks, ...this.#others, ...given }
    await this.#run('rotate', name, execution, { ...inSecrets, ...input }, tasks)
    return execution
  }

  /** A run of rotate-due over three secrets, one after the other. */
  async #due(): Promise<void> {
    Object.assign(process.env, {
      KEYTURN_RUNS: arnOf('states', 'stateMachine:keyturn-local-rotate-due'),
      KEYTURN_ROTATION_FUNCTION: arnOf('lambda', 'function:keyturn-local-rotateSecret'),
      KEYTURN_MAX_ROTATIONS: '1',
      KEYTURN_MAX_ROTATIONS_PER_HOST: '1',
    })
    const { users, stepFunctions } = this.#embedded
    Object.assign(stepFunctions.tasks, this.#others)
    const ids = [
      await users.enrol('due_first'),
      await users.enrol('due_second', { tags: { 'keyturn:test-query': 'TABLE absent' } }),
      await users.enrol('due_third', { tags: { 'keyturn:test-query': 'TABLE absent' } }),
    ]
    const tags = { 'keyturn:managed': 'true', 'keyturn:every': '1h' }
    const scheduled = Inventory.prototype.listScheduled
    Inventory.prototype.listScheduled = async () =>
      ids.map((id, n): ScheduledCredential => {
        const since = new Date(Date.now() - (1.5 - n / 10) * 3_600_000)
        return { store: 'secrets-manager', id, tags, currentSince: since }
      })
    const { AnnounceFailures, AnnounceRun } = makeEventBusTasks()
    // The other scenarios have what the executions of rotate announce.
    const tasks = { AnnounceFailures, AnnounceRun } as Record<string, Task>
    for (const file of [
      'findDue',
      'rotateServer',
      'takeSlot',
      'startRotation',
      'awaitRotation',
      'reportRotations',
    ] as const)
      tasks[file.replace(/^./, letter => letter.toUpperCase())] = await loadHandler(file)
    await this.#run('rotate-due', 'a run', randomUUID(), {}, tasks)
    Inventory.prototype.listScheduled = scheduled
  }

  async #run(
    stateMachine: Machine,
    name: string,
    execution: string,
    input: object,
    tasks: Record<string, Task>,
  ): Promise<void> {
    const steps: Step[] = []
    const watched = Object.entries(tasks).map(([state, task]): [string, Task] => [
      state,
      async input => {
        try {
          const output = (await task(input)) ?? null
          steps.push({ state, input, output })
          return output
        } catch (error) {
          steps.push({ state, input, error: (error as Error).name })
          throw error
        }
      },
    ])
    // The executions of rotate-server that a run starts are part of its scenario.
    if (stateMachine === 'rotate-due')
      Object.assign(this.#embedded.stepFunctions.tasks, Object.fromEntries(watched))
    const definition = this.#definitions[stateMachine]
    await runExecution(stateMachine, Object.fromEntries(watched), execution, input, {
      ...(definition && { definition }),
    })
    this.#scenarios.push({ name, stateMachine, steps: maskVarying(steps) })
  }
}

const inSecrets = { store: 'secrets-manager' }

/** @returns the same steps, with what differs from run to run (ids, digests, ports, times) replaced by constants of that form */
function maskVarying<T>(steps: T): T {
  const seen: Record<string, string> = {}
  const number = (text: string, as: (n: string) => string) => {
    seen[text] ??= as(String(Object.keys(seen).length + 1).padStart(4, '0'))
    return seen[text]
  }
  // Error messages are for people, and may change.
  const text = JSON.stringify(steps, (key, value) => (key === 'Cause' || key === 'reason' ? '' : value))
  return JSON.parse(
    text
      .replace(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, id =>
        number(id, n => `00000000-0000-4000-8000-00000000${n}`),
      )
      .replace(/\b[\da-f]{64}\b/g, id => number(id, n => `${'0'.repeat(60)}${n}`))
      .replace(/(?<=:secret:[\w/]+)-\w{6}(?=")/g, '-AbCdEf')
      .replace(/(?<=127\.0\.0\.1:)\d+/g, '5432')
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '2026-11-28T00:00:00.000Z'),
  )
}
