import { tagsIn } from '../../rotation/tags.ts'
import type { Context } from '../context.ts'
import { describeCredential, type FoundSecret } from '../credential.ts'
import { usageError } from '../exit.ts'
import { mapInBatches } from '../mapInBatches.ts'
import { sanitize } from '../output.ts'
import { placeOf, type Stack } from '../stack.ts'
import { SecretCalls } from './calls.ts'
import type { SecretChoice } from './request.ts'

/**
 * Looks up the chosen secrets, sorted by name. A choice by tags or prefix leaves out secrets that are replicas themselves, that
 * are marked for deletion, or that another AWS service manages. No value is read.
 * @throws CommandError if an id was given and there is no such secret
 */
export async function findSecrets(
  context: Context,
  stack: Stack,
  chosen: SecretChoice,
): Promise<FoundSecret[]> {
  if ('id' in chosen) {
    const found = await describeCredential(context, stack, chosen.id)
    if (found.store === 'secrets-manager') return [found]
    throw usageError(`${sanitize(chosen.id)} is a parameter, which has no replicas`, 'Name a secret.')
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
      const secretTags = tagsIn(Tags)
      const isChosen = Name.startsWith(prefix) && tags.every(([key, value]) => secretTags[key] === value)
      if (isChosen && PrimaryRegion === region && !DeletedDate && !OwningService) arns.push(ARN)
    }
  const calls = await SecretCalls.of(context)
  const found = await mapInBatches(arns, arn => calls.find(arn))
  return found.sort((a, b) => a.name.localeCompare(b.name))
}
