import { readFileSync } from 'node:fs'
import { sanitize } from './output.ts'

/** The version of this command, from the package.json one folder up, in the repository as well as in the package. */
export const ownVersion = (): string =>
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version

/**
 * What to do so that the command and the stack have the same version: deploy the stack if that is older, else install the
 * command of the stack's version.
 * @param command the version of this command
 * @param stack the version of the stack
 */
export function alignmentText(command: string, stack: string, stage: string): string {
  const isOlder = stack.localeCompare(command, 'en', { numeric: true }) < 0
  return isOlder
    ? `deploy the stack again with Keyturn ${command}, with the same parameters as before: npx serverless deploy --stage ${sanitize(stage)}.`
    : `install the command of Keyturn ${sanitize(stack)}.`
}
