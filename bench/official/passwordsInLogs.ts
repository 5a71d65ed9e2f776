import { closeSync, openSync, readFileSync } from 'node:fs'
import { formatTable } from '../markdown.ts'
import { type ComparisonInputs, type SideRun, startSides } from './compare.ts'
import { STRATEGY_TITLES } from './report.ts'
import type { Scene } from './scene.ts'
import type { Strategy } from './source.ts'

/** In how many rotations of one secret a password of it stood in the server's log of statements. */
export type LoggedPasswords = {
  database: string
  strategy: Strategy
  side: string
  rotations: number
  shown: number
}

/**
 * Rotates a secret of each side by turns, and looks after each rotation for its passwords in what the server has logged
 * meanwhile. A side whose rotation fails rotates no more: what it logged until then counts.
 * @throws if the log does not have the change of a password, as then nothing that is not in it proves anything
 */
export async function readLogs(
  scene: Scene,
  strategy: Strategy,
  sides: ComparisonInputs,
  rotations: number,
): Promise<LoggedPasswords[]> {
  await using stack = new AsyncDisposableStack()
  const log = stack.adopt(openSync(scene.server.logFile, 'r'), closeSync)
  const read = () => readFileSync(log, 'utf8')
  const runs: (SideRun & { logged: LoggedPasswords; failed: boolean })[] = []
  for (const run of await startSides(stack, scene, strategy, sides)) {
    const logged = { database: scene.name, strategy, side: run.rotator.title, rotations: 0, shown: 0 }
    runs.push({ ...run, logged, failed: false })
  }
  for (let round = 0; round < rotations; round++)
    for (const run of runs) {
      if (run.failed) continue
      const before = await passwordsOf(scene, run.secret)
      read()
      run.failed = Boolean((await run.rotator.rotate(run.secret)).failure)
      const text = read()
      if (!PASSWORD_CHANGE.test(text) && !run.failed)
        throw new Error(`the log of ${scene.name} has no change of a password`)
      const passwords = [...before, ...(await passwordsOf(scene, run.secret))]
      run.logged.rotations++
      if (passwords.some(password => containsPassword(text, password))) run.logged.shown++
    }
  return runs.map(({ logged }) => logged)
}

/** Those of the versions that are current and pending, where there is one. */
async function passwordsOf({ shelf }: Scene, secret: string): Promise<string[]> {
  const values = [await shelf.read(secret, 'current'), await shelf.read(secret, 'pending')]
  return values.flatMap(value => (value ? JSON.parse(value).password : []))
}

/** What changes a password, in all servers' languages. */
const PASSWORD_CHANGE = /\b((create|alter) (user|role)|set password)\b/i

/** Characters in a row of a password that no text has by chance. */
const RECOGNIZABLE_CHARACTER_COUNT = 8

/**
 * Whether a password stands in a text, in whole or in part. However the text quotes it, some characters of it follow each
 * other.
 */
export function containsPassword(text: string, password: string): boolean {
  const pieces = Array.from({ length: password.length - RECOGNIZABLE_CHARACTER_COUNT + 1 }, (_, i) =>
    password.slice(i, i + RECOGNIZABLE_CHARACTER_COUNT),
  )
  return pieces.some(piece => text.includes(piece))
}

export const LOGS_HEADING = "## Passwords in the server's log"

/** The section of RESULTS.md about what servers log. */
export const logsReport = (all: LoggedPasswords[]) => `${LOGS_HEADING}

In how many rotations a password of the secret stands in clear text in what the server logs of them. The servers log all
statements: PostgreSQL by \`log_statement = all\`, MySQL and MariaDB by the general log. Hashes and verifiers are not counted.

${formatTable(
  ['', "AWS's", 'Keyturn'],
  all.flatMap(logged => {
    const ours = all.find(
      other =>
        other.side === 'Keyturn' && other.database === logged.database && other.strategy === logged.strategy,
    )
    if (logged.side === 'Keyturn' || !ours) return []
    const cell = ({ shown, rotations }: LoggedPasswords) => `${shown} of ${rotations}`
    const [, ...change] = logged.side.split(', ')
    const title = [logged.database, STRATEGY_TITLES[logged.strategy], ...change].join(', ')
    return [[title, cell(logged), cell(ours)]]
  }),
)}

MySQL writes \`<secret>\` in a password's place, unless \`log_raw\` is on. A side whose rotation fails rotates once.
`
