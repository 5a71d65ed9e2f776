import type { SecretVersionsListEntry } from '@aws-sdk/client-secrets-manager'
import type { Clients } from '../clients.ts'
import type { Context } from '../context.ts'

/** A version that only the other Region has, by what it is there. No value was read. */
export type LostVersion = { version: string; label: 'current' | 'pending'; since: string }

/** The versions that are current or pending in the other Region, and that the secret here never got. */
export async function findLostVersions(
  { clients }: Context,
  { here, there, to }: { here: string; there: string; to: string },
): Promise<LostVersion[]> {
  const [own, old] = await Promise.all([versionsOf(clients, here), versionsOf(clients.forRegion(to), there)])
  const known = new Set(own.map(({ VersionId }) => VersionId))
  return old.flatMap(({ VersionId: version = '', VersionStages = [], CreatedDate }) => {
    const isCurrent = VersionStages.includes('AWSCURRENT')
    if (known.has(version) || !(isCurrent || VersionStages.includes('AWSPENDING'))) return []
    const since = CreatedDate?.toISOString() ?? 'an unknown day'
    return [{ version, label: isCurrent ? 'current' : 'pending', since }]
  })
}

async function versionsOf(clients: Clients, SecretId: string): Promise<SecretVersionsListEntry[]> {
  const { paginateListSecretVersionIds } = await import('@aws-sdk/client-secrets-manager')
  const client = await clients.secrets()
  const query = { SecretId, IncludeDeprecated: true }
  const pages = await Array.fromAsync(paginateListSecretVersionIds({ client, pageSize: 100 }, query))
  return pages.flatMap(({ Versions = [] }) => Versions)
}
