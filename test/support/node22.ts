import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const version = '22.23.3'
const cache = join(import.meta.dirname, '../../node_modules/.cache')

/**
 * Node 22, fetched from npm when first asked for. It is none of the project's own packages: each Node brings a command of
 * that name, and one would take the other's place. Undefined, with a warning, where it cannot be had.
 * @throws Error in CI instead, so that no test is left out there unseen
 */
export async function node22(): Promise<string | undefined> {
  const folder = join(cache, `keyturn-node-${version}`)
  const file = join(folder, 'node_modules/node/bin/node')
  if (existsSync(file)) return file
  await mkdir(cache, { recursive: true })
  const made = await mkdtemp(`${folder}-`)
  try {
    // Which of its versions may run a script of its own, npm reads in the manifest.
    const manifest = { private: true, dependencies: { node: version }, allowScripts: { node: true } }
    await writeFile(join(made, 'package.json'), JSON.stringify(manifest))
    await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund'], { cwd: made })
    // Another process may have been faster.
    await rename(made, folder).catch(() => {})
    return file
  } catch (error) {
    if (process.env.CI === 'true') throw error
    console.warn(`SKIPPED: the command under Node 22, which npm could not fetch. ${error}`)
    return undefined
  } finally {
    await rm(made, { recursive: true, force: true })
  }
}
