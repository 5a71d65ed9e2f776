import type { SecretVersionsListEntry } from '@aws-sdk/client-secrets-manager'
import type { Clients } from '../clients.ts'
import type { Context } from '../context.ts'

/** A version that only the other Region has, with its label there, and when it was created. No value is read. */
export type LostVersion = { version: string; label: 'current' | 'pending'; since: string }

/** The ARN of the secret here, and the ARN of the old one in the Region that is back. */
type ComparedSecrets = { here: string; there: string; regionBack: string }

/**
 * The versions that are current or pending in the other Region, and that the secret here does not have.
 */
export async function findLostVersions(
  { clients }: Context,
  { here, there, regionBack }: ComparedSecrets,
): Promise<LostVersion[]> {
  const [versionsHere, versionsThere] = await Promise.all([
    versionsOf(clients, here),
    versionsOf(clients.forRegion(regionBack), there),
  ])
  const known = new Set(versionsHere.map(({ VersionId }) => VersionId))
  return versionsThere.flatMap(({ VersionId: version = '', VersionStages = [], CreatedDate }) => {
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
