import { readFileSync } from 'node:fs'
import { sanitize } from './output.ts'

/** The version of this command, from the package.json one folder up, in the repository as well as in the package. */
export const ownVersion = (): string =>
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version

/** Whether a version comes before another one. */
export const isOlder = (version: string, otherVersion: string): boolean =>
  version.localeCompare(otherVersion, 'en', { numeric: true }) < 0

/**
 * What to do so that the command and the stack have the same version: deploy the stack if that is older, else install the
 * command of the stack's version.
 * @param command the version of this command
 * @param stack the version of the stack
 */
export function alignmentText(command: string, stack: string, stage: string): string {
  return isOlder(stack, command)
    ? `deploy the stack again with Keyturn ${command}, ${deployAgainText(stage)}.`
    : `install the command of Keyturn ${sanitize(stack)}.`
}

/** How to deploy a stack again, as the end of a sentence: a parameter that is left out of a deployment gets its default. */
export const deployAgainText = (stage: string, region?: string): string =>
  `with the same parameters as before: npx serverless deploy --stage ${sanitize(stage)}${region === undefined ? '' : ` --param="region=${region}"`}`
