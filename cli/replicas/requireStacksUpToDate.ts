import { explainError } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { CommandError, usageError } from '../exit.ts'
import { sanitize } from '../output.ts'
import { findStacks, type Stack } from '../stack.ts'
import { deployAgainText, isOlder, ownVersion } from '../version.ts'

/**
 * Checks, before tags of this release are set, that every stack that may read the tags knows them: an older stack refuses a
 * credential with a tag it does not know. So this stack must have the command's version, and those in the other Regions must not
 * be older, because a replica that is promoted keeps its tags.
 * @returns a note about each Region that could not be asked
 * @throws CommandError if a stack has to be deployed first
 */
export async function requireStacksUpToDate(
  context: Context,
  stack: Stack,
  regions: string[],
): Promise<string[]> {
  const commandVersion = ownVersion()
  if (stack.version !== commandVersion)
    throw usageError(
      `the stack ${stack.name} has Keyturn ${sanitize(stack.version)}, and this command is of ${commandVersion}: nothing was changed`,
      isOlder(stack.version, commandVersion)
        ? `The stack may refuse the new tags. Deploy it first, ${deployAgainText(stack.stage)}.`
        : `Install the command of Keyturn ${sanitize(stack.version)}.`,
    )
  const notes = await Promise.all(regions.map(region => checkStacksIn(context, region, commandVersion)))
  return notes.flatMap(note => note ?? [])
}

/** Checks the stacks in one Region. @returns a note if the Region could not be asked. @throws CommandError */
async function checkStacksIn(
  context: Context,
  region: string,
  commandVersion: string,
): Promise<string | undefined> {
  const stacks = await findStacks({ ...context, clients: context.clients.forRegion(region) }).catch(error => {
    const explained = explainError(error)
    if (explained instanceof CommandError) return explained
    throw error
  })
  if (stacks instanceof CommandError)
    return `It is not known whether ${region} has a stack of an older Keyturn (${stacks.message}): such a stack would refuse the tags of a secret that is promoted there.`
  const olderStack = stacks.find(({ version }) => isOlder(version, commandVersion))
  if (!olderStack) return undefined
  throw usageError(
    `the stack ${sanitize(olderStack.name)} in ${region} has Keyturn ${sanitize(olderStack.version) || 'before 0.1.0'}: nothing was changed`,
    `The stack would refuse the tags of a secret that is promoted there. Deploy Keyturn ${commandVersion} in ${region} first.`,
  )
}
