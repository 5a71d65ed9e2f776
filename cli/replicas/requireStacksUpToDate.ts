import { explainError } from '../awsErrors.ts'
import type { Context } from '../context.ts'
import { CommandError, EXIT } from '../exit.ts'
import { sanitize } from '../output.ts'
import { findStacks, type Stack } from '../stack.ts'
import { ownVersion } from '../version.ts'

/**
 * Sees to it that every stack that may meet the tags of this release knows them: an older one refuses a credential that has
 * a tag it does not know. So the stack has to be of the command's version, and those in the other Regions not older, as a
 * replica that is promoted takes its tags along.
 * @returns what is to be known of Regions that could not be asked
 * @throws CommandError if a stack has to be deployed first
 */
export async function requireStacksUpToDate(
  context: Context,
  stack: Stack,
  regions: string[],
): Promise<string[]> {
  const own = ownVersion()
  if (stack.version !== own)
    throw new CommandError(
      EXIT.usage,
      `the stack ${stack.name} is of Keyturn ${sanitize(stack.version)}, and this command of ${own}: nothing was changed`,
      isOlder(stack.version, own)
        ? `It may refuse the new tags. Deploy it first: npx serverless deploy --stage ${sanitize(stack.stage)}.`
        : `Install the command of Keyturn ${sanitize(stack.version)}.`,
    )
  const notes = await Promise.all(regions.map(region => checkStacksIn(context, region, own)))
  return notes.flatMap(note => note ?? [])
}

async function checkStacksIn(context: Context, region: string, own: string): Promise<string | undefined> {
  const stacks = await findStacks({ ...context, clients: context.clients.forRegion(region) }).catch(error => {
    const told = explainError(error)
    if (told instanceof CommandError) return told
    throw error
  })
  if (stacks instanceof CommandError)
    return `Whether ${region} has a stack of an older Keyturn could not be asked (${stacks.message}): such a stack would refuse the tags of a secret that is promoted there.`
  const old = stacks.find(({ version }) => isOlder(version, own))
  if (!old) return undefined
  throw new CommandError(
    EXIT.usage,
    `the stack ${sanitize(old.name)} in ${region} is of Keyturn ${sanitize(old.version) || 'before 0.1.0'}: nothing was changed`,
    `It would refuse the tags of a secret that is promoted there. Deploy Keyturn ${own} in ${region} first.`,
  )
}

const isOlder = (version: string, than: string) => version.localeCompare(than, 'en', { numeric: true }) < 0
