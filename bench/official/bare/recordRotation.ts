import { randomUUID } from 'node:crypto'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { functionOfState } from '../../../local/embedded/embedded.ts'
import type { Package } from '../../rotation/start.ts'
import { FunctionsProcess, makeFunctionTasks, rotateWithTasks } from '../keyturnRotator.ts'
import type { Scene } from '../scene.ts'
import type { Engine } from '../source.ts'
import type { Call, LoopStep } from './loop.ts'

/** All steps of one rotation, and the token of the version that it made current. */
export type RecordedRotation = { steps: LoopStep[]; token: string }

/** Rotates a secret of a single user by Keyturn and records what it calls and sends. @throws Error if the rotation fails */
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
    const isPasswordSet = steps.some(({ logins }) =>
      logins.flat().some(statement => LOGGED_PASSWORD.test(statement)),
    )
    steps.push({
      ...step,
      function: functionOfState(state),
      loginStage: isPasswordSet ? 'pending' : 'current',
    })
    return outcome
  })
  await rotateWithTasks(tasks, secret, token)
  return { steps, token }
}

/** A password or a password hash in a statement, as servers log it. */
export const LOGGED_PASSWORD = /'SCRAM-SHA-256\$[^']+'|'\*[0-9A-F]{40}'|<secret>/

/** Runs `act` and records what was called and sent meanwhile. @param token the id of the pending version */
export async function recordCallsDuring<T>(
  scene: Scene,
  token: string,
  act: () => Promise<T>,
): Promise<T & { step: Pick<LoopStep, 'calls' | 'logins'> }> {
  const log = openSync(scene.server.logFile, 'r')
  try {
    readFileSync(log)
    for (const { calls } of [scene.secretsManager, scene.stepFunctions]) calls.length = 0
    const result = await act()
    const calls = scene.secretsManager.calls.splice(0).map(
      ({ action, version, stage }): Call => ({
        action,
        version: version === undefined ? undefined : version === token ? 'pending' : 'current',
        stage,
      }),
    )
    // A step calls Step Functions after all its calls of Secrets Manager.
    calls.push(...scene.stepFunctions.calls.splice(0))
    return { ...result, step: { calls, logins: statementsByLogin(scene.engine, readFileSync(log, 'utf8')) } }
  } finally {
    closeSync(log)
  }
}

/** Patterns of the servers' logs: where an entry begins, a login, and a statement. A statement may have several lines. */
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

/** The statements of each login in a server's log. A session must end before the next one begins. */
export function statementsByLogin(engine: Engine, log: string): string[][] {
  const { entry, login, statement } = LOG_PATTERNS[engine === 'postgres' ? 'postgres' : 'mysql']
  const logins: string[][] = []
  for (const text of log.split(entry)) {
    if (login.test(text)) logins.push([])
    const [, sql] = statement.exec(text) ?? []
    // PostgreSQL's log has a tab before each further line of a statement.
    if (sql !== undefined) logins.at(-1)?.push(engine === 'postgres' ? sql.replaceAll('\n\t', '\n') : sql)
  }
  return logins
}
