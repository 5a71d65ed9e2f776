import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { withoutAwsVariables } from './ministack.ts'

const serverlessFile = join(import.meta.dirname, '../../node_modules/serverless/bin/serverless.js')

/** Where it runs, with which --param, and what its environment has of AWS's variables. */
type ServerlessOptions = { folder: string; params: Record<string, string>; env: Record<string, string> }

/** The command that README.md shows, but for the stage, the endpoint and whom to trust. @returns what it prints */
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
        // No profile of the user's may send it elsewhere.
        AWS_CONFIG_FILE: '/dev/null',
        AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
        // Milliseconds between two looks at the stack: a local one is there in no time.
        SLS_AWS_MONITORING_FREQUENCY: '200',
      },
    },
  )
  return stdout
}
