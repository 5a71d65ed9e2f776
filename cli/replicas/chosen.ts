import { tagsIn } from '../../rotation/tags.ts'
import type { Context } from '../context.ts'
import { credentialOf, type FoundSecret } from '../credentialId.ts'
import { CommandError, exit } from '../exit.ts'
import { inLots } from '../lots.ts'
import { plain } from '../output.ts'
import { placeOf, type Stack } from '../stack.ts'
import { Calls } from './calls.ts'
import type { Chosen } from './request.ts'

/**
 * The secrets that are meant, by their names. Of several, those are left out that are replicas themselves, that are marked
 * for deletion, or that another service of AWS manages. No value is read.
 * @throws CommandError if there is no secret of the id
 */
export async function secretsOf(context: Context, stack: Stack, chosen: Chosen): Promise<FoundSecret[]> {
  if ('id' in chosen) {
    const found = await credentialOf(context, stack, chosen.id)
    if (found.store === 'secrets-manager') return [found]
    throw new CommandError(
      exit.usage,
      `${plain(chosen.id)} is a parameter, which has no replicas`,
      'Name a secret.',
    )
  }
  const { paginateListSecrets } = await import('@aws-sdk/client-secrets-manager')
  const client = await context.clients.secrets()
  const { region } = placeOf(stack)
  const { tags, prefix } = chosen
  const query = prefix ? { Filters: [{ Key: 'name' as const, Values: [prefix] }] } : {}
  const arns: string[] = []
  for await (const { SecretList = [] } of paginateListSecrets({ client, pageSize: 100 }, query))
    for (const {
      ARN = '',
      Name = '',
      Tags,
      PrimaryRegion = region,
      DeletedDate,
      OwningService,
    } of SecretList) {
      const has = tagsIn(Tags)
      const isMeant = Name.startsWith(prefix) && tags.every(([key, value]) => has[key] === value)
      if (isMeant && PrimaryRegion === region && !DeletedDate && !OwningService) arns.push(ARN)
    }
  const calls = await Calls.of(context)
  const found = await inLots(arns, arn => calls.find(arn))
  return found.sort((a, b) => a.name.localeCompare(b.name))
}
