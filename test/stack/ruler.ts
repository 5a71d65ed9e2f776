import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { checkMaven } from '../support/maven.ts'

const run = promisify(execFile)
const folder = join(import.meta.dirname, 'ruler')
const cache = join(import.meta.dirname, '../../node_modules/.cache')

/**
 * Downloads AWS's own matcher of event patterns (https://github.com/aws/event-ruler) by Maven into a folder that is kept.
 * @returns the folder, or undefined if there is no Java or Maven: test/support/servers.ts has said so then, or has failed in CI
 */
async function downloadMatcher(): Promise<string | undefined> {
  try {
    await checkMaven()
  } catch {
    return undefined
  }
  const pom = join(folder, 'pom.xml')
  const digest = createHash('sha256')
    .update(await readFile(pom))
    .digest('hex')
    .slice(0, 8)
  const jars = join(cache, `keyturn-ruler-${digest}`)
  const made = await readdir(jars).catch(() => [])
  if (made.length) return jars
  await mkdir(cache, { recursive: true })
  // A complete folder is renamed, as another run may look for it meanwhile.
  const making = `${jars}.${process.pid}`
  await run('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${making}`])
  await rename(making, jars).catch(() => rm(making, { recursive: true, force: true }))
  return jars
}

const jars = await downloadMatcher()
/** Whether AWS's matcher is available. */
export const hasRuler = jars !== undefined

/** @returns for each event the names of the rules that match it, by AWS's own matcher */
export async function matching(rules: Record<string, object>, events: object[]): Promise<string[][]> {
  const child = spawn('java', ['-cp', `${jars}/*`, join(folder, 'Match.java')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.end(JSON.stringify({ rules, events }))
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  if (code) throw new Error(`the matcher ended with ${code}`)
  return JSON.parse(output)
}
