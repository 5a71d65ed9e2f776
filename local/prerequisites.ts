import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { tmpdir } from 'node:os'
import { promisify } from 'node:util'

/** What a run on this machine cannot be without: what is the matter, and what to do about it, a line each. */
export class PrerequisiteMissing extends Error {
  override readonly name = 'Lacking'
  constructor(matter: string, todo: string) {
    super(`${matter}\n${todo}`)
  }
}

/** @throws Lacking if there is no folder for temporary files, as every server here needs one */
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

/** @throws Lacking if nothing answers there */
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

/** @throws Lacking if there is no Python that could make a virtual environment */
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

/** Runs a command to its end. What it lacks is told without a stack, and it exits with 1. */
export async function runCommand(command: () => Promise<void>): Promise<void> {
  try {
    await command()
  } catch (error) {
    if (!(error instanceof PrerequisiteMissing)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}
