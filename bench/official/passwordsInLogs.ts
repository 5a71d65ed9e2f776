import { closeSync, openSync, readFileSync } from 'node:fs'
import { formatTable } from '../markdown.ts'
import { type ComparisonInputs, type SideRun, startSides } from './compare.ts'
import { STRATEGY_TITLES } from './report.ts'
import type { Scene } from './scene.ts'
import type { Strategy } from './source.ts'

/** In how many rotations of a secret (`shown`) the server's log of statements contained one of its passwords. */
export type LoggedPasswords = {
  database: string
  strategy: Strategy
  side: string
  rotations: number
  shown: number
}

/**
 * Rotates a secret of each side in turns, and after each rotation searches for its passwords in what the server has logged.
 * A side rotates no more after a rotation that fails; what was logged until then counts.
 * @throws Error if the log has no statement that changes a password: the server then does not log what it should, and the absence
 *   of a password from the log says nothing
 */
export async function readLogs(
  scene: Scene,
  strategy: Strategy,
  inputs: ComparisonInputs,
  rotations: number,
): Promise<LoggedPasswords[]> {
  await using stack = new AsyncDisposableStack()
  const log = stack.adopt(openSync(scene.server.logFile, 'r'), closeSync)
  /** Reads what was logged since the last call: reading a descriptor goes on where it ended. */
  const readNewText = () => readFileSync(log, 'utf8')
  const runs: (SideRun & { logged: LoggedPasswords; failed: boolean })[] = []
  for (const run of await startSides(stack, scene, strategy, inputs)) {
    const logged = { database: scene.name, strategy, side: run.rotator.title, rotations: 0, shown: 0 }
    runs.push({ ...run, logged, failed: false })
  }
  for (let round = 0; round < rotations; round++)
    for (const run of runs) {
      if (run.failed) continue
      const before = await passwordsOf(scene, run.secret)
      // Skips what was logged before this rotation.
      readNewText()
      run.failed = Boolean((await run.rotator.rotate(run.secret)).failure)
      const text = readNewText()
      if (!PASSWORD_CHANGE.test(text) && !run.failed)
        throw new Error(`the log of ${scene.name} has no change of a password`)
      const passwords = [...before, ...(await passwordsOf(scene, run.secret))]
      run.logged.rotations++
      if (passwords.some(password => containsPassword(text, password))) run.logged.shown++
    }
  return runs.map(({ logged }) => logged)
}

/** The passwords of the current and the pending version. */
async function passwordsOf({ valueStore }: Scene, secret: string): Promise<string[]> {
  const values = [await valueStore.read(secret, 'current'), await valueStore.read(secret, 'pending')]
  return values.flatMap(value => (value ? JSON.parse(value).password : []))
}

/** A statement that changes a password, on any of the servers. */
const PASSWORD_CHANGE = /\b((create|alter) (user|role)|set password)\b/i

/** So many characters of a password in a row do not occur in a text by chance. */
const RECOGNIZABLE_CHARACTER_COUNT = 8

/**
 * Whether a text contains a password or a part of it. A part is enough, as the log may write some characters of the password in
 * an escaped form.
 */
export function containsPassword(text: string, password: string): boolean {
  const pieces = Array.from({ length: password.length - RECOGNIZABLE_CHARACTER_COUNT + 1 }, (_, i) =>
    password.slice(i, i + RECOGNIZABLE_CHARACTER_COUNT),
  )
  return pieces.some(piece => text.includes(piece))
}

/** The heading of the section on logs. */
export const LOGS_HEADING = "## Passwords in the server's log"

/** The section of RESULTS.md on passwords in logs. */
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
    // The title of a side is `AWS's`, or `AWS's, one string changed` if its function was adapted.
    const [, ...adaptation] = logged.side.split(', ')
    const title = [logged.database, STRATEGY_TITLES[logged.strategy], ...adaptation].join(', ')
    return [[title, cell(logged), cell(ours)]]
  }),
)}

MySQL writes \`<secret>\` in a password's place, unless \`log_raw\` is on. A side rotates no more after a rotation that fails; that one is counted.
`
