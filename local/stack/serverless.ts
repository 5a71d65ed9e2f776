import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { withoutAwsVariables } from './ministack.ts'

const serverlessFile = join(import.meta.dirname, '../../node_modules/serverless/bin/serverless.js')

/** The folder in which `serverless` runs, its parameters (`--param`), and its environment variables for AWS. */
type ServerlessOptions = { folder: string; params: Record<string, string>; env: Record<string, string> }

/** Runs `serverless deploy` or `remove` for the stage `local`. @returns what it prints to stdout */
export async function runServerless(
  command: 'deploy' | 'remove',
  { folder, params, env }: ServerlessOptions,
): Promise<string> {
  const options = Object.entries(params).map(([name, value]) => `--param=${name}=${value}`)
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [serverlessFile, command, '--stage', 'local', ...options],
    {
      cwd: folder,
      env: {
        ...withoutAwsVariables(process.env),
        ...env,
        // A profile of the user must not send it to a real account.
        AWS_CONFIG_FILE: '/dev/null',
        AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
        // Milliseconds between two looks at the stack: a local stack is ready at once.
        SLS_AWS_MONITORING_FREQUENCY: '200',
      },
    },
  )
  return stdout
}
