import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { StateName } from '../fleet/states.ts'
import { Application, type StoredValue } from './client/application.ts'
import { type Proof, proveRotated, proveUnchanged, sayProofs } from './client/proofs.ts'
import { SecretValueStore } from './client/valueStores.ts'
import { type Embedded, functionOfState, startEmbedded } from './embedded/embedded.ts'
import {
  definitionOf,
  type Execution,
  type Failure,
  runRotation,
  type Task,
  type Tasks,
} from './embedded/stateMachine.ts'
import { say, sayAt } from './say.ts'
import { runShow } from './show.ts'

/** What a rotation does in each state that the demo prints. */
const STATE_DESCRIPTIONS: Record<string, string> = {
  MayHaveReplicas: 'are other Regions to be asked?',
  CreateSecret: 'a new password is stored as AWSPENDING; the database does not know it yet',
  HasReplicas: 'are there copies in other Regions?',
  Rehearse: 'what follows SetSecret is tried with current: login, test query, reads; nothing changes',
  Rehearsed: 'did it go well?',
  SetSecret: 'the database learns it, as a SCRAM verifier, never in clear text',
  TestSecret: 'a login with it; what it may do is compared with what current may do',
  FinishSecret: 'AWSPENDING becomes AWSCURRENT, if current has not moved',
  AnnounceSuccess: 'event "Credential Rotated"',
  MustRetire: 'was a user replaced?',
  Grace: 'the grace time (cut short here)',
  RetireSecret: 'the replaced user is closed',
  Rotated: 'done',
  DiscardSecret: 'AWSPENDING is discarded',
  RollbackSecret: 'current is made valid again, AWSPENDING is discarded',
  HadFinished: 'had it succeeded after all?',
  AnnounceFailure: 'event "Credential Rotation Failed"',
  RotationFailed: 'the execution fails, with the error of the step',
} satisfies Partial<Record<StateName<'rotate'>, string>>

/** How a rotation ended. `called off`: before the database was changed. `rolled back`: after that. */
type Ending = 'rotated' | 'called off' | 'rolled back'

/** One rotation of the demo. */
type EmbeddedScene = {
  title: string
  /** ARN of the secret that rotates. */
  secret: string
  /** What states do in place of what they usually do. */
  tasks?: Tasks
  /** A remark that follows the numbers of the application's queries. */
  note?: string
  expectedEnding: Ending
  /** Proves what must be true afterwards. `before` is the current value from before the rotation. */
  prove(application: Application, before: StoredValue, execution: Execution): Promise<Proof[]>
}

/** A line of the table at the end: `served` and `failed` count the application's queries. */
type Row = {
  ended: string
  states: number
  ms: number
  served: number
  failed: number
  proven: 'yes' | 'NO'
}

function sayTable(rows: Row[]): void {
  const head = ['', 'ended', 'states', 'ms', 'served', 'failed', 'proven']
  const cells = rows.map((row, i) => [`${i + 1}`, ...Object.values(row).map(String)])
  const widths = head.map((_, column) => Math.max(...[head, ...cells].map(row => row[column]?.length ?? 0)))
  for (const row of [head, ...cells])
    say(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
}

/** The password of each secret after its rotation. */
const seenPasswords = new Set<string>()

async function play(scene: EmbeddedScene, number: number, embedded: Embedded): Promise<Row> {
  say(`\n${number}. ${scene.title}`)
  const store = new SecretValueStore(embedded.secrets)
  const application = new Application(store, scene.secret, embedded.postgres.caFile)
  const before = (await application.read()) as StoredValue
  application.start()
  await sleep(300)
  const began = performance.now()
  const execution = await rotateAndPrint({ ...embedded.tasks, ...scene.tasks }, scene.secret)
  const ms = Math.round(performance.now() - began)
  await sleep(300)
  await application.stop()

  const { served, failed } = application
  const outage = failed ? `, for ${Math.round(application.longestOutage)} ms` : ''
  process.stdout.write('   ')
  sayAt(
    3,
    `the application meanwhile: ${served} queries served, ${failed} failed${outage}${scene.note ?? ''}`,
  )
  const ended = endingOf(execution)
  const proofs: Proof[] = [
    [`the execution ended as it should: ${scene.expectedEnding}`, ended === scene.expectedEnding],
    ...(await scene.prove(application, before, execution)),
  ]
  const proven = sayProofs(proofs) ? 'yes' : 'NO'

  seenPasswords.add(((await application.read()) as StoredValue).password)
  return { ended, states: execution.states.length, ms, served, failed, proven }
}

function endingOf({ failure, states }: Execution): Ending {
  if (!failure) return 'rotated'
  return states.includes('SetSecret') ? 'rolled back' : 'called off'
}

/** The states of the machine itself, which run one after the other: not those inside the branches of its Parallel states. */
const sequentialStates = definitionOf('rotate').States

/** Rotates a secret by the state machine and prints each state as it ends, with a dot for each retry. */
async function rotateAndPrint(tasks: Tasks, id: string): Promise<Execution> {
  let enteredAt = 0
  let state = ''
  /** By the name of the state: what its task failed with at the last try. */
  const failures = new Map<string, Failure>()
  let retries = 0
  const printEndOfState = () => {
    if (!state) return
    process.stdout.write(`${`${Math.round(performance.now() - enteredAt)} ms`.padStart(10)}  `)
    sayAt(31 + retries, STATE_DESCRIPTIONS[state] ?? '')
    for (const { error, cause } of failures.values()) {
      process.stdout.write('      ')
      sayAt(6, `failed: ${error}: ${cause.errorMessage}`)
    }
  }
  const execution = await runRotation(
    tasks,
    randomUUID(),
    { store: 'secrets-manager', id },
    {
      retryPauseMs: 100,
      graceMs: 1000,
      onStateEntered(next) {
        if (!(next in sequentialStates)) return
        printEndOfState()
        state = next
        enteredAt = performance.now()
        failures.clear()
        retries = 0
        process.stdout.write(`   ${state.padEnd(16)}`)
      },
      onTaskTried(task, failure) {
        if (failures.delete(task)) {
          process.stdout.write('.')
          retries++
        }
        if (failure) failures.set(task, failure)
      },
    },
  )
  printEndOfState()
  for (const [name, count] of Object.entries(execution.tries))
    if (count > 1) say(`   ${name} was tried ${count} times`)
  return execution
}

/** A task that runs a function in a process that is killed at every try, at the first one right after the password was changed. */
function makeDyingTask(functionName: string): Task {
  let attempt = 0
  return async event => {
    attempt++
    const script = fileURLToPath(new URL('embedded/dyingFunction.ts', import.meta.url))
    const child = spawn(process.execPath, [script, functionName, `${attempt}`, JSON.stringify(event)], {
      stdio: 'ignore',
    })
    const [, signal] = await once(child, 'exit')
    if (signal === null) return null
    // Lambda reports a process that ended early so: https://repost.aws/knowledge-center/lambda-runtime-error
    throw Object.assign(new Error(`Runtime exited with error: signal: ${signal}`), {
      name: 'Runtime.ExitError',
    })
  }
}

async function makeScenes(embedded: Embedded): Promise<EmbeddedScene[]> {
  const admin = await embedded.users.makeAdmin('master')
  const single = { 'keyturn:strategy': 'single-user' }
  return [
    {
      title: 'Single user: one user, a new password',
      secret: await embedded.users.enrol('shop'),
      expectedEnding: 'rotated',
      prove: proveRotated,
    },
    {
      title: 'Alternating users: the application is never without a valid login',
      secret: await embedded.users.enrol('billing', { admin }),
      expectedEnding: 'rotated',
      prove: async (application, before) => [
        ...(await proveRotated(application, before)),
        ['not one query failed', application.failed === 0],
      ],
    },
    {
      title: 'A rotation whose test could not go well: the rehearsal finds it before anything is changed',
      secret: await embedded.users.enrol('parcels', {
        tags: { ...single, 'keyturn:test-query': 'TABLE no_such_table' },
      }),
      expectedEnding: 'called off',
      prove: async (application, before, execution) => [
        ...(await proveUnchanged(application, before)),
        ['the execution carries the error of the step', execution.failure?.error === 'TestFailed'],
        ['not one query failed', application.failed === 0],
      ],
    },
    {
      title: 'A rotation whose test fails with the new password alone, after that was set',
      secret: await embedded.users.enrol('orders', { tags: single, failsOnceChanged: true }),
      expectedEnding: 'rolled back',
      prove: async (application, before, execution) => [
        ...(await proveUnchanged(application, before)),
        ['the execution carries the error of the step', execution.failure?.error === 'TestFailed'],
      ],
    },
    {
      title: 'A rotation whose process is killed once the password was changed',
      secret: await embedded.users.enrol('ledger', { tags: single }),
      tasks: { SetSecret: makeDyingTask(functionOfState('SetSecret')) },
      note: '. With one user nothing can be done while each try dies: the rollback comes when the last one has',
      expectedEnding: 'rolled back',
      prove: async (application, before, execution) => [
        ...(await proveUnchanged(application, before)),
        ['the execution carries the error of the step', execution.failure?.error === 'Runtime.ExitError'],
      ],
    },
  ]
}

/** Plays all rotations one after the other. @returns true if everything was proven */
async function playAll(embedded: Embedded): Promise<boolean> {
  const rows: Row[] = []
  for (const [i, scene] of (await makeScenes(embedded)).entries())
    rows.push(await play(scene, i + 1, embedded))
  const log = readFileSync(embedded.postgres.logFile, 'utf8')
  const leaked = [...seenPasswords].filter(password => log.includes(password))
  say(
    `\n${leaked.length ? '✗ NOT TRUE:' : '✓'} the server logs every statement, and its log holds no password\n`,
  )
  sayTable(rows)
  return rows.every(row => row.proven === 'yes') && leaked.length === 0
}

await runShow(
  'Keyturn: five rotations of real PostgreSQL users, by the state machine that is deployed to AWS.',
  () => startEmbedded(),
  playAll,
  'Next: README.md, "Deploy".',
)
