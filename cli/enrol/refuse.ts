import { isAdmin } from '../../rotation/tags.ts'
import type { Found, FoundSecret } from '../credentialId.ts'
import { CommandError, exit } from '../exit.ts'
import { plain } from '../output.ts'

/** What to do with a secret that a service of AWS manages, by that service. */
const owners: Record<string, string> = {
  __proto__: null as never,
  rds: 'RDS rotates it. To have Keyturn do that, end it there (--no-manage-master-user-password) and store the password in a secret of your own; or name it as the --admin of others.',
  redshift:
    'Redshift rotates it. To have Keyturn do that, end it there (--no-manage-master-password) and store the password in a secret of your own.',
}

/**
 * Sees whether a credential is one that Keyturn can rotate at all, as far as that shows without its value.
 * @throws CommandError that says why not, and what to do
 */
export function requireOurs(found: Found, admin: Found | undefined): void {
  if (admin?.arn === found.arn)
    throw refused(
      `${plain(found.name)} was named as its own admin`,
      'Name the secret of another user, or leave --admin out: a single user needs none.',
    )
  if (admin && isAdmin(found.tags))
    throw refused(
      `${plain(found.name)} is an admin's secret itself, which names no other`,
      'Leave --admin out.',
    )
  if (found.store === 'parameter-store') return
  const { name, secret } = found
  if (secret.DeletedDate)
    throw refused(`${plain(name)} is marked for deletion`, 'aws secretsmanager restore-secret keeps it.')
  const owner = ownerOf(found)
  if (owner !== undefined)
    throw refused(
      `${plain(name)} belongs to ${plain(owner)}, which rotates it by itself`,
      owners[owner.split('.')[0] ?? ''] ?? 'Leave it to that service: nobody else may change its value.',
    )
  const partner = secret.Type ?? (secret.ExternalSecretRotationRoleArn && 'a partner of AWS')
  if (partner)
    throw refused(
      `${plain(name)} is a secret of ${plain(partner)}, which Secrets Manager rotates there`,
      'Leave it to Secrets Manager.',
    )
}

/** The service that manages a secret: as Secrets Manager tells, or by what the service has its names begin with. */
const ownerOf = ({ name, secret }: FoundSecret): string | undefined =>
  secret.OwningService ?? /^([a-z][a-z-]*)!/.exec(name)?.[1]

/** The admin as the secret that it has to be. @throws CommandError */
export function adminSecret(admin: Found): FoundSecret {
  if (admin.store === 'secrets-manager') return admin
  throw refused(
    `${plain(admin.name)} is a parameter, and an admin is a secret`,
    'Name a secret with --admin.',
  )
}

const refused = (message: string, remedy: string) => new CommandError(exit.usage, message, remedy)
