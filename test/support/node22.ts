import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const NODE_VERSION = '22.23.3'
const cache = join(import.meta.dirname, '../../node_modules/.cache')

/**
 * Installs Node 22 from npm at the first call. It is not a dependency of the project, as its command `node` would replace that
 * of the Node which the project uses.
 * @returns the path of its command, or undefined, with a warning, if npm cannot fetch it
 * @throws Error in CI if npm cannot fetch it, so that no test is skipped there unnoticed
 */
export async function node22(): Promise<string | undefined> {
  const folder = join(cache, `keyturn-node-${NODE_VERSION}`)
  const file = join(folder, 'node_modules/node/bin/node')
  if (existsSync(file)) return file
  await mkdir(cache, { recursive: true })
  const made = await mkdtemp(`${folder}-`)
  try {
    // npm reads in the manifest which packages may run an install script.
    const manifest = { private: true, dependencies: { node: NODE_VERSION }, allowScripts: { node: true } }
    await writeFile(join(made, 'package.json'), JSON.stringify(manifest))
    await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund'], { cwd: made })
    // Another process may have installed it meanwhile.
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
