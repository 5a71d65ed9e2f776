import { checkEndpoint, checkPython, checkTemporaryFolder, PrerequisiteMissing } from '../prerequisites.ts'
import { isPythonMade, makePython } from './python.ts'

/**
 * Sees that a stack can be deployed on this machine, and fetches Python's packages if they are needed and not there.
 * @throws Lacking
 */
export async function prepareMachine(tell: (step: string) => void): Promise<void> {
  checkTemporaryFolder()
  const { AWS_ENDPOINT_URL: given } = process.env
  if (given) return checkEndpoint(given)
  await checkPython()
  if (!(await isPythonMade())) tell('fetching Python packages, this first time only: a minute or two')
  try {
    await makePython()
  } catch (error) {
    const [last = ''] = (error as { stderr?: string }).stderr?.trim().split('\n').toReversed() ?? []
    throw new PrerequisiteMissing(
      `The Python packages of local/stack/requirements.txt could not be installed: ${last}`,
      'See that this machine reaches pypi.org or the index that pip is set to, and try again.',
    )
  }
}
