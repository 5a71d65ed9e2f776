import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { leaveOut } from '../servers/required.ts'

const cacheFolder = join(import.meta.dirname, '../../node_modules/.cache')

/**
 * Makes the environment, unless it is there. The operating system frees the lock when
 * a process dies, so a half-made environment is simply made anew.
 */
const MAKE_ENVIRONMENT_SCRIPT = `
import fcntl, pathlib, subprocess, sys, venv
folder, requirements = pathlib.Path(sys.argv[1]), sys.argv[2]
done = folder / "done"
with open(f"{folder}.lock", "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not done.exists():
        venv.create(folder, clear=True, with_pip=True)
        listed = folder / "requirements.txt"
        listed.write_text(requirements)
        pip = [folder / "bin/python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        if subprocess.run([*pip, "--requirement", listed]).returncode:
            sys.exit(1)  # It has said why.
        done.touch()
`

/** What the tests and `npm run local` require, as the text of a requirements file. */
const ownRequirements = () => readFile(join(import.meta.dirname, 'requirements.txt'), 'utf8')

/** Where the environment is, or will be. Named by its requirements, so that other work trees on the same node_modules keep theirs. */
function environmentFolder(requirements: string): string {
  const hash = createHash('sha256').update(requirements).digest('hex')
  return join(cacheFolder, `keyturn-python-${hash.slice(0, 8)}`)
}

/** Whether the environment of the tests has been made. */
export const isPythonMade = async () => existsSync(join(environmentFolder(await ownRequirements()), 'done'))

/**
 * Makes a virtual environment with what `requirements`, the text of a requirements file, lists, when first asked for; any
 * number of processes may ask at once. Without a text it is the environment of the tests and of `npm run local`.
 * @returns its bin folder @throws if Python cannot be had, or its packages cannot
 */
export async function makePython(requirements?: string): Promise<string> {
  await mkdir(cacheFolder, { recursive: true })
  const text = requirements ?? (await ownRequirements())
  const environment = environmentFolder(text)
  await promisify(execFile)('python3', ['-c', MAKE_ENVIRONMENT_SCRIPT, environment, text])
  return join(environment, 'bin')
}

/**
 * The same for tests. Undefined, with a warning, where Python cannot be had.
 * @throws Error in CI instead, if this system must have it: see local/servers/required.ts
 */
export async function pythonBin(): Promise<string | undefined> {
  try {
    return await makePython()
  } catch (error) {
    leaveOut([{ server: 'Python', reason: error }])
    console.warn(`SKIPPED: all that needs Python. Install python3 with venv and pip to run it. ${error}`)
    return undefined
  }
}
