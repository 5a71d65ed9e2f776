import { randomUUID } from 'node:crypto'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { functionOfState } from '../../../local/embedded/embedded.ts'
import type { Package } from '../../rotation/start.ts'
import { FunctionsProcess, makeFunctionTasks, rotateWithTasks } from '../keyturnRotator.ts'
import type { Scene } from '../scene.ts'
import type { Engine } from '../source.ts'
import type { Call, LoopStep } from './loop.ts'

/** All steps of one rotation, and the version that it left current. */
export type RecordedRotation = { steps: LoopStep[]; token: string }

/** Rotates a secret of a single user by Keyturn, and writes down what it calls and sends. @throws if the rotation fails */
export async function recordRotation(
  scene: Scene,
  packages: Package[],
  secret: string,
): Promise<RecordedRotation> {
  await using functions = new FunctionsProcess(scene)
  await functions.loadAll(packages)
  const token = randomUUID()
  const steps: LoopStep[] = []
  const tasks = makeFunctionTasks(functions, async (state, call) => {
    const { step, ...outcome } = await recordCallsDuring(scene, token, call)
    const isSet = steps.some(({ logins }) => logins.flat().some(statement => LOGGED_PASSWORD.test(statement)))
    steps.push({ ...step, function: functionOfState(state), loginStage: isSet ? 'pending' : 'current' })
    return outcome
  })
  await rotateWithTasks(tasks, secret, token)
  return { steps, token }
}

/** How the servers' logs write a password in a statement, or its verifier. */
export const LOGGED_PASSWORD = /'SCRAM-SHA-256\$[^']+'|'\*[0-9A-F]{40}'|<secret>/

/** Does something, and tells what was called and sent meanwhile. `token` is the version that is pending. */
export async function recordCallsDuring<T>(
  scene: Scene,
  token: string,
  act: () => Promise<T>,
): Promise<T & { step: Pick<LoopStep, 'calls' | 'logins'> }> {
  const log = openSync(scene.server.logFile, 'r')
  try {
    readFileSync(log)
    for (const { calls } of [scene.secretsManager, scene.stepFunctions]) calls.length = 0
    const done = await act()
    const calls = scene.secretsManager.calls.splice(0).map(
      ({ action, version, stage }): Call => ({
        action,
        version: version === undefined ? undefined : version === token ? 'pending' : 'current',
        stage,
      }),
    )
    // A step asks Step Functions last.
    calls.push(...scene.stepFunctions.calls.splice(0))
    return { ...done, step: { calls, logins: statementsByLogin(scene.engine, readFileSync(log, 'utf8')) } }
  } finally {
    closeSync(log)
  }
}

/** How each server's log tells of a login and of a statement. An entry has as many lines as its statement. */
const LOG_PATTERNS = {
  postgres: {
    entry: /^(?=\d{4}-\d\d-\d\d [\d:.]+ UTC \[\d+\] )/m,
    login: / LOG: {2}connection authorized: user=/,
    statement: / LOG: {2}statement: (.*?)\n*$/s,
  },
  mysql: {
    entry: /^(?=(?:\d\S+(?: +\S+)?)?\t+ *\d+ (?:Connect|Query|Quit)\t)/m,
    login: / Connect\t/,
    statement: / Query\t(.*?)\n*$/s,
  },
}

/** The statements of each login that a server's log tells of, where one login ends before the next begins. */
export function statementsByLogin(engine: Engine, log: string): string[][] {
  const { entry, login, statement } = LOG_PATTERNS[engine === 'postgres' ? 'postgres' : 'mysql']
  const logins: string[][] = []
  for (const text of log.split(entry)) {
    if (login.test(text)) logins.push([])
    const [, sent] = statement.exec(text) ?? []
    // PostgreSQL begins each further line of a statement with a tab.
    if (sent !== undefined) logins.at(-1)?.push(engine === 'postgres' ? sent.replaceAll('\n\t', '\n') : sent)
  }
  return logins
}
