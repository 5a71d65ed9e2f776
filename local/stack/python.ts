import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const requirements = join(import.meta.dirname, 'requirements.txt')
const cache = join(import.meta.dirname, '../../node_modules/.cache')

/**
 * Makes the environment, unless it is there. The operating system frees the lock when
 * a process dies, so a half-made environment is simply made anew.
 */
const make = `
import fcntl, pathlib, subprocess, sys, venv
folder, requirements = map(pathlib.Path, sys.argv[1:])
done = folder / "done"
with open(f"{folder}.lock", "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not done.exists():
        venv.create(folder, clear=True, with_pip=True)
        pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--requirement", requirements]
        subprocess.run(pip, check=True)
        done.touch()
`

/**
 * The bin folder of a virtual environment with what requirements.txt lists, made when first asked for; any number of
 * processes may ask at once. Undefined, with a warning, where Python cannot be had.
 * @throws Error in CI instead, so that no test is left out there unseen
 */
export async function pythonBin(): Promise<string | undefined> {
  await mkdir(cache, { recursive: true })
  // By its requirements, so that other work trees on the same node_modules keep theirs.
  const hash = createHash('sha256')
    .update(await readFile(requirements))
    .digest('hex')
  const environment = join(cache, `keyturn-python-${hash.slice(0, 8)}`)
  try {
    await promisify(execFile)('python3', ['-c', make, environment, requirements])
    return join(environment, 'bin')
  } catch (error) {
    if (process.env.CI === 'true') throw error
    console.warn(`SKIPPED: all that needs Python. Install python3 with venv and pip to run it. ${error}`)
    return undefined
  }
}
