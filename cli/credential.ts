import type { DescribeSecretResponse } from '@aws-sdk/client-secrets-manager'
import type { ParameterMetadata } from '@aws-sdk/client-ssm'
import { parameterArn, SECRET_REFERENCE_PREFIX } from '../rotation/arn.ts'
import { type Tags, tagsIn } from '../rotation/tags.ts'
import { explainError } from './awsErrors.ts'
import type { Context } from './context.ts'
import { CommandError, EXIT, usageError } from './exit.ts'
import { sanitize } from './output.ts'
import { outputOf, placeOf, type Stack } from './stack.ts'

/** An existing credential, without its value: a secret of Secrets Manager or a parameter of Parameter Store. */
export type FoundCredential = FoundSecret | FoundParameter
/** An existing secret, with the answer of DescribeSecret. */
export type FoundSecret = CommonFields & { store: 'secrets-manager'; secret: DescribeSecretResponse }
/** An existing parameter, with its entry in the answer of DescribeParameters. */
export type FoundParameter = CommonFields & { store: 'parameter-store'; parameter: ParameterMetadata }
type CommonFields = {
  /** The credential's name in its store. In the input of an execution it is called `id`. */
  name: string
  arn: string
  tags: Tags
}

/** The id of a credential with its store, `secret:NAME` or `parameter:NAME`: unlike a name alone, it is never ambiguous. */
export const fullId = (store: FoundCredential['store'], name: string): string =>
  `${store === 'secrets-manager' ? 'secret' : 'parameter'}:${sanitize(name)}`

/** An id, parsed. Without `store` the name is looked up in both stores. */
type ParsedId = { store?: FoundCredential['store']; name: string }

/**
 * Looks up the credential that an id names: an ARN, `secret:NAME`, `parameter:NAME`, or a name alone, which is looked up in
 * both stores. No value is read.
 * @throws CommandError if there is no such credential, if both stores have one, if it is in another account or Region than the
 * stack, or if the secret is a replica
 */
export async function describeCredential(
  context: Context,
  stack: Stack,
  id: string,
): Promise<FoundCredential> {
  const { store, name } = parseCredentialId(id, stack)
  const [secret, parameter] = await Promise.all([
    store === 'parameter-store' ? undefined : describeSecret(context, name, id),
    store === 'secrets-manager' ? undefined : describeParameter(context, name, id, stack),
  ])
  if (secret && parameter)
    throw usageError(
      `${sanitize(id)} is a secret and a parameter`,
      `Say which: secret:${name} or parameter:${name}.`,
    )
  const found = secret ?? parameter
  if (!found) throw notFoundError(id, store, stack)
  if (secret) refuseReplica(secret, stack)
  return found
}

function parseCredentialId(id: string, stack: Stack): ParsedId {
  if (id.startsWith('arn:')) return parseArn(id, stack)
  const [, kind, rest = id] = /^(secret|parameter):(.+)$/s.exec(id) ?? []
  if (rest.startsWith(SECRET_REFERENCE_PREFIX))
    return { store: 'secrets-manager', name: rest.slice(SECRET_REFERENCE_PREFIX.length) }
  if (kind === 'secret') return { store: 'secrets-manager', name: rest }
  if (kind === 'parameter') return { store: 'parameter-store', name: rest }
  return { name: rest }
}

function parseArn(arn: string, stack: Stack): ParsedId {
  const [, , service, region, account, ...rest] = arn.split(':')
  const resource = rest.join(':')
  const stackPlace = placeOf(stack)
  const isSecret = service === 'secretsmanager' && resource.startsWith('secret:')
  const isParameter = service === 'ssm' && resource.startsWith('parameter/')
  if (!isSecret && !isParameter)
    throw usageError(
      `${sanitize(arn)} is the ARN of neither a secret nor a parameter`,
      'An id is such an ARN, secret:NAME, parameter:NAME, or a name alone.',
    )
  if (region !== stackPlace.region)
    throw usageError(
      `${sanitize(arn)} is in the Region ${sanitize(region ?? '')}, and the stack ${stack.name} in ${stackPlace.region}`,
      `A stack rotates what is in its own Region: --region ${sanitize(region ?? '')} finds the stack there.`,
    )
  if (account !== stackPlace.account)
    throw usageError(
      `${sanitize(arn)} is in the account ${sanitize(account ?? '')}, and the stack ${stack.name} in ${stackPlace.account}`,
      'A stack rotates what is in its own account: --profile says which that is.',
    )
  // The ARN of a parameter has the name with a slash before it, and so may be that of Parameter Store's name for a secret.
  const name = resource.slice('parameter'.length)
  if (isParameter && !name.startsWith(SECRET_REFERENCE_PREFIX)) return { store: 'parameter-store', name }
  return { store: 'secrets-manager', name: isSecret ? arn : name.slice(SECRET_REFERENCE_PREFIX.length) }
}

/** Makes a FoundSecret from the answer of DescribeSecret. */
export function toFoundSecret(secret: DescribeSecretResponse): FoundSecret {
  const { Name: name = '', ARN: arn = '', Tags } = secret
  return { store: 'secrets-manager', name, arn, tags: tagsIn(Tags), secret }
}

async function describeSecret(
  { clients }: Context,
  SecretId: string,
  id: string,
): Promise<FoundSecret | undefined> {
  const { DescribeSecretCommand } = await import('@aws-sdk/client-secrets-manager')
  try {
    const secret = await (await clients.secrets()).send(new DescribeSecretCommand({ SecretId }))
    return toFoundSecret(secret)
  } catch (error) {
    if (isNotFoundError(error)) return undefined
    throw withOtherStoreHint(error, id, 'parameter')
  }
}

async function describeParameter(
  { clients }: Context,
  name: string,
  id: string,
  stack: Stack,
): Promise<FoundParameter | undefined> {
  const { DescribeParametersCommand, ListTagsForResourceCommand } = await import('@aws-sdk/client-ssm')
  const client = await clients.parameters()
  // The parameters `name` and `/name` have the same ARN, so an ARN may mean either.
  const Values = id.startsWith('arn:') && name.lastIndexOf('/') === 0 ? [name, name.slice(1)] : [name]
  try {
    const { Parameters: [parameter] = [] } = await client.send(
      new DescribeParametersCommand({ ParameterFilters: [{ Key: 'Name', Option: 'Equals', Values }] }),
    )
    if (!parameter?.Name) return undefined
    const { Name } = parameter
    const { TagList } = await client.send(
      new ListTagsForResourceCommand({ ResourceType: 'Parameter', ResourceId: Name }),
    )
    const arn = parameter.ARN ?? parameterArn(Name, outputOf(stack, 'RotateStateMachineArn'))
    return { store: 'parameter-store', name: Name, arn, tags: tagsIn(TagList), parameter }
  } catch (error) {
    if (isNotFoundError(error)) return undefined
    throw withOtherStoreHint(error, id, 'secret')
  }
}

/** Whether an error says that nothing has this name, or that the store allows no such name. */
const isNotFoundError = (error: unknown) =>
  error instanceof Error &&
  /^(ResourceNotFoundException|ParameterNotFound|InvalidParameterException|InvalidResourceId|InvalidFilterValue|ValidationException)$/.test(
    error.name,
  )

/**
 * The explanation of an error of one store. A name alone is looked up in both stores: a caller whom this store refuses gets the
 * hint to name the other one.
 */
function withOtherStoreHint(error: unknown, id: string, other: 'secret' | 'parameter'): unknown {
  const explained = explainError(error)
  if (
    !(explained instanceof CommandError) ||
    explained.code !== EXIT.denied ||
    /^(arn|secret|parameter):/.test(id)
  )
    return explained
  return new CommandError(
    explained.code,
    explained.message,
    `${explained.remedy} If it is a ${other}, say ${other}:${sanitize(id)}.`,
    error,
  )
}

function refuseReplica({ secret, name }: FoundSecret, stack: Stack): void {
  const { region } = placeOf(stack)
  if (!secret.PrimaryRegion || secret.PrimaryRegion === region) return
  throw usageError(
    `${sanitize(name)} is a replica here, and its primary is in ${secret.PrimaryRegion}`,
    `Ask for the primary: --region ${secret.PrimaryRegion}. Its Region needs a stack of Keyturn.`,
  )
}

function notFoundError(id: string, store: ParsedId['store'], stack: Stack): CommandError {
  const { region, account } = placeOf(stack)
  const what = { 'secrets-manager': 'secret', 'parameter-store': 'parameter', both: 'secret or parameter' }
  return usageError(
    `there is no ${what[store ?? 'both']} ${sanitize(id)} in the account ${account}, ${region}`,
    'Check the spelling, --profile and --region; a name is case-sensitive, and a parameter in a path begins with /.',
  )
}
