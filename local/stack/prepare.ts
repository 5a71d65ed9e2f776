import { checkEndpoint, checkPython, checkTemporaryFolder, PrerequisiteMissing } from '../prerequisites.ts'
import { isPythonMade, makePython } from './python.ts'

/**
 * Checks that the stack can be deployed on this machine, and installs MiniStack's Python packages if they are needed.
 * @param tell called with a description of a step that takes long
 * @throws PrerequisiteMissing
 */
export async function prepareMachine(tell: (step: string) => void): Promise<void> {
  checkTemporaryFolder()
  const endpoint = process.env.AWS_ENDPOINT_URL
  if (endpoint) return checkEndpoint(endpoint)
  await checkPython()
  if (!(await isPythonMade())) tell('fetching Python packages, this first time only: a minute or two')
  try {
    await makePython()
  } catch (error) {
    const [lastLine = ''] = (error as { stderr?: string }).stderr?.trim().split('\n').toReversed() ?? []
    throw new PrerequisiteMissing(
      `The Python packages of local/stack/requirements.txt could not be installed: ${lastLine}`,
      'See that this machine reaches pypi.org or the index that pip is set to, and try again.',
    )
  }
}
