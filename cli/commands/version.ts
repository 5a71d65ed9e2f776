import type { Context } from '../context.ts'
import { type ExitCode, exit } from '../exit.ts'
import { plain } from '../output.ts'
import { stackOf } from '../stack.ts'
import { ownVersion } from '../version.ts'

/** Prints the versions of the command and of the stack; a finding if they are not the same. */
export async function version(context: Context): Promise<ExitCode> {
  const { output, json } = context
  const command = ownVersion()
  const { name, stage, version } = await stackOf(context)
  const agree = command === version
  if (json) output.json({ command, stack: { name, stage, version }, agree })
  else {
    output.line(`command  ${command}`)
    output.line(`stack    ${plain(version)} (${plain(name)})`)
    if (!agree) output.line(`They are not the same: ${remedy(command, version, stage)}`)
  }
  return agree ? exit.done : exit.findings
}

/** Deploys are what moves a stack; so an older stack is deployed, and an older command installed anew. */
function remedy(command: string, stack: string, stage: string): string {
  const older = stack.localeCompare(command, 'en', { numeric: true }) < 0
  return older
    ? `deploy the stack again with Keyturn ${command}: npx serverless deploy --stage ${plain(stage)}.`
    : `install the command of Keyturn ${plain(stack)}.`
}
