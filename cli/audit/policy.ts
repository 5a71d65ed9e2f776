import { DEFAULT_POLICY, type Policy } from '../../fleet/audit/policy/policy.ts'
import { InvalidPolicy, MAX_POLICY_LENGTH, readPolicy } from '../../fleet/audit/policy/readPolicy.ts'
import { usageError } from '../exit.ts'
import { readTextFile } from '../files.ts'
import { sanitize } from '../output.ts'

/** Reads the policy in a file; without a file, the default policy. @throws CommandError with the wrong line and field */
export async function readPolicyFile(path: string | undefined): Promise<Policy> {
  if (path === undefined) return DEFAULT_POLICY
  const text = await readTextFile(path, '--policy', MAX_POLICY_LENGTH)
  try {
    return readPolicy(text)
  } catch (error) {
    if (!(error instanceof InvalidPolicy)) throw error
    throw usageError(
      `--policy ${sanitize(path)}: ${sanitize(error.message)}`,
      'See docs/audit.md for what a policy may have.',
      error,
    )
  }
}
