import type { DescribeSecretResponse } from '@aws-sdk/client-secrets-manager'
import type { ParameterMetadata } from '@aws-sdk/client-ssm'
import { parameterArn, SECRET_REFERENCE_PREFIX } from '../rotation/arn.ts'
import { type Tags, tagsIn } from '../rotation/tags.ts'
import { explainError } from './awsErrors.ts'
import type { Context } from './context.ts'
import { CommandError, EXIT } from './exit.ts'
import { sanitize } from './output.ts'
import { outputOf, placeOf, type Stack } from './stack.ts'

/** A credential that is there: a secret or a parameter, without its value. */
export type FoundCredential = FoundSecret | FoundParameter
export type FoundSecret = CommonFields & { store: 'secrets-manager'; secret: DescribeSecretResponse }
export type FoundParameter = CommonFields & { store: 'parameter-store'; parameter: ParameterMetadata }
type CommonFields = {
  /** As the store has it, and as an execution's input names it. */
  name: string
  arn: string
  tags: Tags
}

/** A credential as the command takes it, whatever the other store has. */
export const fullId = (store: FoundCredential['store'], name: string): string =>
  `${store === 'secrets-manager' ? 'secret' : 'parameter'}:${sanitize(name)}`

/** What an id asks for: one store, or whichever has it. */
type ParsedId = { store?: FoundCredential['store']; name: string }

/**
 * The credential that an id names: an ARN, `secret:NAME`, `parameter:NAME`, or a name alone, which is looked for in both
 * stores. No value is read.
 * @throws CommandError if there is none, if there are two, or if it is not this stack's to rotate
 */
export async function describeCredential(
  context: Context,
  stack: Stack,
  id: string,
): Promise<FoundCredential> {
  const { store, name } = parseId(id, stack)
  const [secret, parameter] = await Promise.all([
    store === 'parameter-store' ? undefined : describeSecret(context, name, id),
    store === 'secrets-manager' ? undefined : describeParameter(context, name, id, stack),
  ])
  if (secret && parameter)
    throw new CommandError(
      EXIT.usage,
      `${sanitize(id)} is a secret and a parameter`,
      `Say which: secret:${name} or parameter:${name}.`,
    )
  const found = secret ?? parameter
  if (!found) throw notFoundError(id, store, stack)
  if (secret) refuseReplica(secret, stack)
  return found
}

function parseId(id: string, stack: Stack): ParsedId {
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
  const here = placeOf(stack)
  const isSecret = service === 'secretsmanager' && resource.startsWith('secret:')
  const isParameter = service === 'ssm' && resource.startsWith('parameter/')
  if (!isSecret && !isParameter)
    throw new CommandError(
      EXIT.usage,
      `${sanitize(arn)} is the ARN of neither a secret nor a parameter`,
      'An id is such an ARN, secret:NAME, parameter:NAME, or a name alone.',
    )
  if (region !== here.region)
    throw new CommandError(
      EXIT.usage,
      `${sanitize(arn)} is in the Region ${sanitize(region ?? '')}, and the stack ${stack.name} in ${here.region}`,
      `A stack rotates what is in its own Region: --region ${sanitize(region ?? '')} finds the stack there.`,
    )
  if (account !== here.account)
    throw new CommandError(
      EXIT.usage,
      `${sanitize(arn)} is in the account ${sanitize(account ?? '')}, and the stack ${stack.name} in ${here.account}`,
      'A stack rotates what is in its own account: --profile says which that is.',
    )
  const name = resource.slice('parameter'.length)
  if (isParameter && !name.startsWith(SECRET_REFERENCE_PREFIX)) return { store: 'parameter-store', name }
  return { store: 'secrets-manager', name: isSecret ? arn : name.slice(SECRET_REFERENCE_PREFIX.length) }
}

/** A secret, as DescribeSecret tells it. */
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
  // The parameters `name` and `/name` have the same ARN.
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

/** Whether an error says that there is no such thing, or that the store could have none of such a name. */
const isNotFoundError = (error: unknown) =>
  error instanceof Error &&
  /^(ResourceNotFoundException|ParameterNotFound|InvalidParameterException|InvalidResourceId|InvalidFilterValue|ValidationException)$/.test(
    error.name,
  )

/** A name alone is looked for in both stores; who may not look into this one can say that it is in the other. */
function withOtherStoreHint(error: unknown, id: string, other: 'secret' | 'parameter'): unknown {
  const told = explainError(error)
  if (!(told instanceof CommandError) || told.code !== EXIT.denied || /^(arn|secret|parameter):/.test(id))
    return told
  return new CommandError(
    told.code,
    told.message,
    `${told.remedy} If it is a ${other}, say ${other}:${sanitize(id)}.`,
    error,
  )
}

function refuseReplica({ secret, name }: FoundSecret, stack: Stack): void {
  const { region } = placeOf(stack)
  if (!secret.PrimaryRegion || secret.PrimaryRegion === region) return
  throw new CommandError(
    EXIT.usage,
    `${sanitize(name)} is a replica here, and its primary is in ${secret.PrimaryRegion}`,
    `Ask for the primary: --region ${secret.PrimaryRegion}. Its Region needs a stack of Keyturn.`,
  )
}

function notFoundError(id: string, store: ParsedId['store'], stack: Stack): CommandError {
  const { region, account } = placeOf(stack)
  const what = { 'secrets-manager': 'secret', 'parameter-store': 'parameter', both: 'secret or parameter' }
  return new CommandError(
    EXIT.usage,
    `there is no ${what[store ?? 'both']} ${sanitize(id)} in the account ${account}, ${region}`,
    'See the spelling, --profile and --region; a name is case-sensitive, and a parameter in a path begins with /.',
  )
}
