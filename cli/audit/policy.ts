import { defaults, type Policy } from '../../fleet/audit/policy/policy.ts'
import { InvalidPolicy, LONGEST_POLICY, readPolicy } from '../../fleet/audit/policy/read.ts'
import { CommandError, exit } from '../exit.ts'
import { textOf } from '../files.ts'
import { plain } from '../output.ts'

/** The policy in a file, or the defaults without one. @throws CommandError naming the line and the field that is wrong */
export async function policyIn(path: string | undefined): Promise<Policy> {
  if (path === undefined) return defaults
  const text = await textOf(path, '--policy', LONGEST_POLICY)
  try {
    return readPolicy(text)
  } catch (error) {
    if (!(error instanceof InvalidPolicy)) throw error
    throw new CommandError(
      exit.usage,
      `--policy ${plain(path)}: ${plain(error.message)}`,
      'docs/audit.md says what a policy may hold.',
      error,
    )
  }
}
