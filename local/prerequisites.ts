import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { tmpdir } from 'node:os'
import { promisify } from 'node:util'

/** Something that a command on this machine needs is missing. The message has two lines: what is missing, and what to do. */
export class PrerequisiteMissing extends Error {
  override readonly name = 'PrerequisiteMissing'
  constructor(problem: string, remedy: string) {
    super(`${problem}\n${remedy}`)
  }
}

/** Checks that the folder for temporary files is writable, as every local server needs one. @throws PrerequisiteMissing */
export function checkTemporaryFolder(): void {
  try {
    accessSync(tmpdir(), constants.W_OK)
  } catch {
    throw new PrerequisiteMissing(
      `The folder for temporary files, ${tmpdir()}, is not there or may not be written to.`,
      'Set TMPDIR to a folder that you may write to, or unset it.',
    )
  }
}

/** Checks that something answers at this URL within ten seconds, with whatever status. @throws PrerequisiteMissing */
export async function checkEndpoint(url: string): Promise<void> {
  try {
    await fetch(url, { signal: AbortSignal.timeout(10_000) })
  } catch {
    throw new PrerequisiteMissing(
      `Nothing answers at ${url}, which is your AWS_ENDPOINT_URL.`,
      'Start that local AWS, or unset AWS_ENDPOINT_URL to have one started here.',
    )
  }
}

/** Checks that there is a Python 3 that can make a virtual environment. @throws PrerequisiteMissing */
export async function checkPython(): Promise<void> {
  try {
    await promisify(execFile)('python3', ['-c', 'import ensurepip, venv'])
  } catch {
    throw new PrerequisiteMissing(
      'There is no python3 with venv and pip, which the local AWS runs on.',
      'Install them (Debian, Ubuntu: apt-get install python3-venv), or set AWS_ENDPOINT_URL to a local AWS that runs already.',
    )
  }
}

/** Runs a command. If a prerequisite is missing, prints the message without a stack trace and sets the exit code 1. */
export async function runCommand(command: () => Promise<void>): Promise<void> {
  try {
    await command()
  } catch (error) {
    if (!(error instanceof PrerequisiteMissing)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}
