import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { leaveOut } from '../servers/required.ts'

const cacheFolder = join(import.meta.dirname, '../../node_modules/.cache')

/**
 * A Python script that makes a virtual environment, unless it is complete. A lock keeps two processes from making it at once. The
 * operating system frees the lock when a process dies, and an environment that is not complete is made anew.
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
            sys.exit(1)  # pip has printed the reason.
        done.touch()
`

/** The text of the requirements file of the tests and `npm run local`. */
const ownRequirements = () => readFile(join(import.meta.dirname, 'requirements.txt'), 'utf8')

/** The folder of an environment. Its name depends on the requirements, so other work trees with this node_modules keep theirs. */
function environmentFolder(requirements: string): string {
  const hash = createHash('sha256').update(requirements).digest('hex')
  return join(cacheFolder, `keyturn-python-${hash.slice(0, 8)}`)
}

/** Whether the environment of the tests and `npm run local` is complete. */
export const isPythonMade = async () => existsSync(join(environmentFolder(await ownRequirements()), 'done'))

/**
 * Makes a virtual environment of Python, unless it is there. Several processes may call this at once.
 * @param requirements the text of a requirements file, by default that of the tests and `npm run local`
 * @returns the environment's bin folder
 * @throws Error if there is no Python 3, or its packages cannot be installed
 */
export async function makePython(requirements?: string): Promise<string> {
  await mkdir(cacheFolder, { recursive: true })
  const text = requirements ?? (await ownRequirements())
  const environment = environmentFolder(text)
  await promisify(execFile)('python3', ['-c', MAKE_ENVIRONMENT_SCRIPT, environment, text])
  return join(environment, 'bin')
}

/**
 * Makes the environment of the tests and `npm run local`.
 * @returns its bin folder; undefined, after a warning, if it cannot be made
 * @throws Error instead of the warning in CI, if this system must have Python: see local/servers/required.ts
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
