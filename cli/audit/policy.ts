import { DEFAULT_POLICY, type Policy } from '../../fleet/audit/policy/policy.ts'
import { InvalidPolicy, MAX_POLICY_LENGTH, readPolicy } from '../../fleet/audit/policy/readPolicy.ts'
import { CommandError, EXIT } from '../exit.ts'
import { readTextFile } from '../files.ts'
import { sanitize } from '../output.ts'

/** The policy in a file, or the defaults without one. @throws CommandError naming the line and the field that is wrong */
export async function readPolicyFile(path: string | undefined): Promise<Policy> {
  if (path === undefined) return DEFAULT_POLICY
  const text = await readTextFile(path, '--policy', MAX_POLICY_LENGTH)
  try {
    return readPolicy(text)
  } catch (error) {
    if (!(error instanceof InvalidPolicy)) throw error
    throw new CommandError(
      EXIT.usage,
      `--policy ${sanitize(path)}: ${sanitize(error.message)}`,
      'docs/audit.md says what a policy may hold.',
      error,
    )
  }
}
