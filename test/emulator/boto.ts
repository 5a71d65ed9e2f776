import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** A Python environment with boto3, which has clients that this project does not, and the environment variables of a user. */
export type Boto = { bin: string; env: Record<string, string> }

/** Runs a Python script with these arguments. @returns what it prints */
export async function boto({ bin, env }: Boto, script: string, words: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(join(bin, 'python'), ['-c', script, ...words], {
    env: { ...process.env, ...env },
  })
  return stdout
}
