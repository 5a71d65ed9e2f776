import { whyFailed } from './awsErrors.ts'
import type { Context } from './context.ts'
import { describeCredential, type FoundCredential } from './credential.ts'
import { CommandError, EXIT, usageError } from './exit.ts'
import { sanitize } from './output.ts'
import { placeOf, type Stack } from './stack.ts'

/**
 * Looks up a credential as `describeCredential` does. If AWS refuses to describe a secret, the list of secrets shows whether the
 * secret exists: a policy that allows only certain names or tags also refuses a secret that does not exist.
 * @throws CommandError as describeCredential does; if the secret does not exist, it says so in place of the refusal
 */
export async function findCredential(context: Context, stack: Stack, id: string): Promise<FoundCredential> {
  try {
    return await describeCredential(context, stack, id)
  } catch (error) {
    if (!(error instanceof CommandError) || !isDeniedSecret(error)) throw error
    const name = secretNameIn(id)
    if (!name || (await isListed(context, name)) !== false) throw error
    // A name alone, which no secret has, may still be that of a parameter.
    if (name === id) return describeCredential(context, stack, `parameter:${id}`)
    const { account, region } = placeOf(stack)
    throw usageError(
      `there is no secret ${sanitize(name)} in the account ${account}, ${region}`,
      `Check the spelling, --profile and --region; a name is case-sensitive. ${error.message}`,
      error,
    )
  }
}

/** Whether Secrets Manager, and not Parameter Store, refused the call: awsErrors.ts begins its message with the service. */
const isDeniedSecret = ({ code, message }: CommandError) =>
  code === EXIT.denied && message.startsWith('Secrets Manager')

/** The name of the secret that an id may mean; undefined for `parameter:NAME` and for the ARN of anything else. */
function secretNameIn(id: string): string | undefined {
  if (id.startsWith('parameter:')) return undefined
  if (!id.startsWith('arn:')) return id.replace(/^secret:/, '')
  return /:secret:(.+?)(-\w{6})?$/.exec(id)?.[1]
}

/** Whether ListSecrets has a secret of this name or ARN; undefined if secrets cannot be listed, as without the permission. */
async function isListed({ clients }: Context, name: string): Promise<boolean | undefined> {
  const { paginateListSecrets } = await import('@aws-sdk/client-secrets-manager')
  const client = await clients.secrets()
  const query = { Filters: [{ Key: 'name' as const, Values: [name] }], IncludePlannedDeletion: true }
  try {
    for await (const { SecretList = [] } of paginateListSecrets({ client, pageSize: 100 }, query))
      if (SecretList.some(({ Name, ARN }) => Name === name || ARN === name)) return true
    return false
  } catch (error) {
    // Throws the error unless it comes from a call to AWS.
    whyFailed(error)
    return undefined
  }
}
