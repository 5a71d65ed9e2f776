import type { DescribeSecretResponse } from '@aws-sdk/client-secrets-manager'
import type { ParameterMetadata } from '@aws-sdk/client-ssm'
import { parameterArn, SECRET_REFERENCE } from '../rotation/arn.ts'
import { type Tags, tagsIn } from '../rotation/tags.ts'
import { explained } from './awsErrors.ts'
import type { Context } from './context.ts'
import { CommandError, exit } from './exit.ts'
import { plain } from './output.ts'
import { outputOf, placeOf, type Stack } from './stack.ts'

/** A credential that is there: a secret or a parameter, without its value. */
export type Found = FoundSecret | FoundParameter
export type FoundSecret = Common & { store: 'secrets-manager'; secret: DescribeSecretResponse }
export type FoundParameter = Common & { store: 'parameter-store'; parameter: ParameterMetadata }
type Common = {
  /** As the store has it, and as an execution's input names it. */
  name: string
  arn: string
  tags: Tags
}

/** A credential as the command takes it, whatever the other store has. */
export const fullId = (store: Found['store'], name: string): string =>
  `${store === 'secrets-manager' ? 'secret' : 'parameter'}:${plain(name)}`

/** What an id asks for: one store, or whichever has it. */
type Asked = { store?: Found['store']; name: string }

/**
 * The credential that an id names: an ARN, `secret:NAME`, `parameter:NAME`, or a name alone, which is looked for in both
 * stores. No value is read.
 * @throws CommandError if there is none, if there are two, or if it is not this stack's to rotate
 */
export async function credentialOf(context: Context, stack: Stack, id: string): Promise<Found> {
  const { store, name } = asked(id, stack)
  const [secret, parameter] = await Promise.all([
    store === 'parameter-store' ? undefined : secretOf(context, name, id),
    store === 'secrets-manager' ? undefined : parameterOf(context, name, id, stack),
  ])
  if (secret && parameter)
    throw new CommandError(
      exit.usage,
      `${plain(id)} is a secret and a parameter`,
      `Say which: secret:${name} or parameter:${name}.`,
    )
  const found = secret ?? parameter
  if (!found) throw notThere(id, store, stack)
  if (secret) refuseReplica(secret, stack)
  return found
}

function asked(id: string, stack: Stack): Asked {
  if (id.startsWith('arn:')) return inArn(id, stack)
  const [, kind, rest = id] = /^(secret|parameter):(.+)$/s.exec(id) ?? []
  if (rest.startsWith(SECRET_REFERENCE))
    return { store: 'secrets-manager', name: rest.slice(SECRET_REFERENCE.length) }
  if (kind === 'secret') return { store: 'secrets-manager', name: rest }
  if (kind === 'parameter') return { store: 'parameter-store', name: rest }
  return { name: rest }
}

function inArn(arn: string, stack: Stack): Asked {
  const [, , service, region, account, ...rest] = arn.split(':')
  const resource = rest.join(':')
  const here = placeOf(stack)
  const isSecret = service === 'secretsmanager' && resource.startsWith('secret:')
  const isParameter = service === 'ssm' && resource.startsWith('parameter/')
  if (!isSecret && !isParameter)
    throw new CommandError(
      exit.usage,
      `${plain(arn)} is the ARN of neither a secret nor a parameter`,
      'An id is such an ARN, secret:NAME, parameter:NAME, or a name alone.',
    )
  if (region !== here.region)
    throw new CommandError(
      exit.usage,
      `${plain(arn)} is in the Region ${plain(region ?? '')}, and the stack ${stack.name} in ${here.region}`,
      `A stack rotates what is in its own Region: --region ${plain(region ?? '')} finds the stack there.`,
    )
  if (account !== here.account)
    throw new CommandError(
      exit.usage,
      `${plain(arn)} is in the account ${plain(account ?? '')}, and the stack ${stack.name} in ${here.account}`,
      'A stack rotates what is in its own account: --profile says which that is.',
    )
  const name = resource.slice('parameter'.length)
  if (isParameter && !name.startsWith(SECRET_REFERENCE)) return { store: 'parameter-store', name }
  return { store: 'secrets-manager', name: isSecret ? arn : name.slice(SECRET_REFERENCE.length) }
}

/** A secret, as DescribeSecret tells it. */
export function foundSecret(secret: DescribeSecretResponse): FoundSecret {
  const { Name: name = '', ARN: arn = '', Tags } = secret
  return { store: 'secrets-manager', name, arn, tags: tagsIn(Tags), secret }
}

async function secretOf(
  { clients }: Context,
  SecretId: string,
  id: string,
): Promise<FoundSecret | undefined> {
  const { DescribeSecretCommand } = await import('@aws-sdk/client-secrets-manager')
  try {
    const secret = await (await clients.secrets()).send(new DescribeSecretCommand({ SecretId }))
    return foundSecret(secret)
  } catch (error) {
    if (isAbsence(error)) return undefined
    throw about(error, id, 'parameter')
  }
}

async function parameterOf(
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
    if (isAbsence(error)) return undefined
    throw about(error, id, 'secret')
  }
}

/** Whether an error says that there is no such thing, or that the store could have none of such a name. */
const isAbsence = (error: unknown) =>
  error instanceof Error &&
  /^(ResourceNotFoundException|ParameterNotFound|InvalidParameterException|InvalidResourceId|InvalidFilterValue|ValidationException)$/.test(
    error.name,
  )

/** A name alone is looked for in both stores; who may not look into this one can say that it is in the other. */
function about(error: unknown, id: string, other: 'secret' | 'parameter'): unknown {
  const told = explained(error)
  if (!(told instanceof CommandError) || told.code !== exit.denied || /^(arn|secret|parameter):/.test(id))
    return told
  return new CommandError(
    told.code,
    told.message,
    `${told.remedy} If it is a ${other}, say ${other}:${plain(id)}.`,
    error,
  )
}

function refuseReplica({ secret, name }: FoundSecret, stack: Stack): void {
  const { region } = placeOf(stack)
  if (!secret.PrimaryRegion || secret.PrimaryRegion === region) return
  throw new CommandError(
    exit.usage,
    `${plain(name)} is a replica here, and its primary is in ${secret.PrimaryRegion}`,
    `Ask for the primary: --region ${secret.PrimaryRegion}. Its Region needs a stack of Keyturn.`,
  )
}

function notThere(id: string, store: Asked['store'], stack: Stack): CommandError {
  const { region, account } = placeOf(stack)
  const what = { 'secrets-manager': 'secret', 'parameter-store': 'parameter', both: 'secret or parameter' }
  return new CommandError(
    exit.usage,
    `there is no ${what[store ?? 'both']} ${plain(id)} in the account ${account}, ${region}`,
    'See the spelling, --profile and --region; a name is case-sensitive, and a parameter in a path begins with /.',
  )
}
