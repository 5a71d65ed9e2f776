import { isAdmin } from '../../rotation/tags.ts'
import type { FoundCredential, FoundSecret } from '../credential.ts'
import { CommandError, EXIT } from '../exit.ts'
import { sanitize } from '../output.ts'

/** What to do with a secret that a service of AWS manages, by that service. */
const OWNER_REMEDIES: Record<string, string> = {
  __proto__: null as never,
  rds: 'RDS rotates it. To have Keyturn do that, end it there (--no-manage-master-user-password) and store the password in a secret of your own; or name it as the --admin of others.',
  redshift:
    'Redshift rotates it. To have Keyturn do that, end it there (--no-manage-master-password) and store the password in a secret of your own.',
}

/**
 * Sees whether a credential is one that Keyturn can rotate at all, as far as that shows without its value.
 * @throws CommandError that says why not, and what to do
 */
export function requireRotatable(found: FoundCredential, admin: FoundCredential | undefined): void {
  if (admin?.arn === found.arn)
    throw usageError(
      `${sanitize(found.name)} was named as its own admin`,
      'Name the secret of another user, or leave --admin out: a single user needs none.',
    )
  if (admin && isAdmin(found.tags))
    throw usageError(
      `${sanitize(found.name)} is an admin's secret itself, which names no other`,
      'Leave --admin out.',
    )
  if (found.store === 'parameter-store') return
  const { name, secret } = found
  if (secret.DeletedDate)
    throw usageError(
      `${sanitize(name)} is marked for deletion`,
      'aws secretsmanager restore-secret keeps it.',
    )
  const owner = ownerOf(found)
  if (owner !== undefined)
    throw usageError(
      `${sanitize(name)} belongs to ${sanitize(owner)}, which rotates it by itself`,
      OWNER_REMEDIES[owner.split('.')[0] ?? ''] ??
        'Leave it to that service: nobody else may change its value.',
    )
  const partner = secret.Type ?? (secret.ExternalSecretRotationRoleArn && 'a partner of AWS')
  if (partner)
    throw usageError(
      `${sanitize(name)} is a secret of ${sanitize(partner)}, which Secrets Manager rotates there`,
      'Leave it to Secrets Manager.',
    )
}

/** The service that manages a secret: as Secrets Manager tells, or by what the service has its names begin with. */
const ownerOf = ({ name, secret }: FoundSecret): string | undefined =>
  secret.OwningService ?? /^([a-z][a-z-]*)!/.exec(name)?.[1]

/** The admin as the secret that it has to be. @throws CommandError */
export function requireAdminSecret(admin: FoundCredential): FoundSecret {
  if (admin.store === 'secrets-manager') return admin
  throw usageError(
    `${sanitize(admin.name)} is a parameter, and an admin is a secret`,
    'Name a secret with --admin.',
  )
}

const usageError = (message: string, remedy: string) => new CommandError(EXIT.usage, message, remedy)
