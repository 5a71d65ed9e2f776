import { readFileSync } from 'node:fs'
import { sanitize } from './output.ts'

/** The version of this command: in the repository as in the package, the manifest lies one folder up. */
export const ownVersion = (): string =>
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version

/**
 * What makes a command and a stack of one version. Deploys are what moves a stack; so an older stack is deployed, and an older
 * command installed anew.
 */
export function alignmentText(command: string, stack: string, stage: string): string {
  const older = stack.localeCompare(command, 'en', { numeric: true }) < 0
  return older
    ? `deploy the stack again with Keyturn ${command}: npx serverless deploy --stage ${sanitize(stage)}.`
    : `install the command of Keyturn ${sanitize(stack)}.`
}
