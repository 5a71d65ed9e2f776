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

/** What a state does, for a reader who sees it go by. */
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
  RetireSecret: 'the replaced user is locked',
  Rotated: 'done',
  DiscardSecret: 'AWSPENDING is taken back',
  RollbackSecret: 'current is made valid again, AWSPENDING is taken back',
  HadFinished: 'had it succeeded after all?',
  AnnounceFailure: 'event "Credential Rotation Failed"',
  RotationFailed: 'the execution fails, with the error of the step',
} satisfies Partial<Record<StateName<'rotate'>, string>>

type Ending = 'rotated' | 'called off' | 'rolled back'
type EmbeddedScene = {
  title: string
  user: string
  secret: string
  tasks?: Tasks
  /** What a reader should know of the outage. */
  note?: string
  /** How the execution should end, and what must be true afterwards. */
  expectedEnding: Ending
  prove(application: Application, before: StoredValue, execution: Execution): Promise<Proof[]>
}
type Row = {
  scene: string
  ended: string
  states: number
  ms: number
  served: number
  failed: number
  proven: string
}

function sayTable(rows: Row[]): void {
  const head = ['', 'ended', 'states', 'ms', 'served', 'failed', 'proven']
  const cells = rows.map(({ scene: _, ...row }, i) => [`${i + 1}`, ...Object.values(row).map(String)])
  const widths = head.map((name, n) =>
    Math.max(...[head, ...cells].map(row => row[n]?.length ?? 0), name.length),
  )
  for (const row of [head, ...cells])
    say(
      row
        .map((cell, n) => cell.padEnd(widths[n] ?? 0))
        .join('  ')
        .trimEnd(),
    )
}

const seenPasswords = new Set<string>()

async function play(scene: EmbeddedScene, number: number, embedded: Embedded): Promise<Row> {
  say(`\n${number}. ${scene.title}`)
  const shelf = new SecretValueStore(embedded.secrets)
  const application = new Application(shelf, scene.secret, embedded.postgres.caFile)
  const before = (await application.read()) as StoredValue
  application.start()
  await sleep(300)
  const begun = performance.now()
  const execution = await watch({ ...embedded.tasks, ...scene.tasks }, scene.secret)
  const ms = Math.round(performance.now() - begun)
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
  return { scene: scene.title, ended, states: execution.states.length, ms, served, failed, proven }
}

function endingOf({ failure, states }: Execution): Ending {
  if (!failure) return 'rotated'
  return states.includes('SetSecret') ? 'rolled back' : 'called off'
}

/** States that go by one after the other: not those of a Parallel's branches. */
const sequentialStates = definitionOf('rotate').States

/** Runs the state machine and prints each state as it goes by, with a dot for each retry. */
async function watch(tasks: Tasks, id: string): Promise<Execution> {
  let since = 0
  let state = ''
  /** What each task failed with at its last try. */
  const failures = new Map<string, Failure>()
  let retries = 0
  const close = () => {
    if (!state) return
    process.stdout.write(`${`${Math.round(performance.now() - since)} ms`.padStart(10)}  `)
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
        close()
        state = next
        since = performance.now()
        failures.clear()
        retries = 0
        process.stdout.write(`   ${state.padEnd(16)}`)
      },
      onTaskTried(task, why) {
        if (failures.delete(task)) {
          process.stdout.write('.')
          retries++
        }
        if (why) failures.set(task, why)
      },
    },
  )
  close()
  for (const [name, count] of Object.entries(execution.tries))
    if (count > 1) say(`   ${name} was tried ${count} times`)
  return execution
}

/** A function whose process is killed at every try: the first time right after the password was changed. */
function makeDyingTask(file: string): Task {
  let attempt = 0
  return async event => {
    attempt++
    const script = fileURLToPath(new URL('embedded/dyingFunction.ts', import.meta.url))
    const child = spawn(process.execPath, [script, file, `${attempt}`, JSON.stringify(event)], {
      stdio: 'ignore',
    })
    const [, signal] = await once(child, 'exit')
    if (signal === null) return null
    // As Lambda reports it.
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
      user: 'shop',
      secret: await embedded.users.enrol('shop'),
      expectedEnding: 'rotated',
      prove: proveRotated,
    },
    {
      title: 'Alternating users: the application is never without a valid login',
      user: 'billing',
      secret: await embedded.users.enrol('billing', { admin }),
      expectedEnding: 'rotated',
      prove: async (application, before) => [
        ...(await proveRotated(application, before)),
        ['not one query failed', application.failed === 0],
      ],
    },
    {
      title: 'A rotation whose test could not go well: the rehearsal finds it before anything is changed',
      user: 'parcels',
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
      user: 'orders',
      secret: await embedded.users.enrol('orders', { tags: single, failsOnceChanged: true }),
      expectedEnding: 'rolled back',
      prove: async (application, before, execution) => [
        ...(await proveUnchanged(application, before)),
        ['the execution carries the error of the step', execution.failure?.error === 'TestFailed'],
      ],
    },
    {
      title: 'A rotation whose process is killed once the password was changed',
      user: 'ledger',
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
