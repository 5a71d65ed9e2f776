import { isAdmin } from '../../rotation/tags.ts'
import type { FoundCredential, FoundSecret } from '../credential.ts'
import { usageError } from '../exit.ts'
import { sanitize } from '../output.ts'

/** What to do with a secret that an AWS service manages, by the name of the service. */
const OWNER_REMEDIES: Record<string, string> = {
  // Without a prototype, a name such as `constructor` finds nothing.
  __proto__: null as never,
  rds: 'RDS rotates it. To have Keyturn rotate it, turn that off in RDS (--no-manage-master-user-password) and store the password in a secret of your own; or use it as the --admin of other secrets.',
  redshift:
    'Redshift rotates it. To have Keyturn rotate it, turn that off in Redshift (--no-manage-master-password) and store the password in a secret of your own.',
}

/**
 * Checks whether Keyturn can rotate a credential at all, as far as that is visible without its value.
 * @param admin the secret that --admin names, if it does
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
      `${sanitize(found.name)} is an admin's secret itself, and so cannot have an admin`,
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
        'Leave the rotation to that service: only it may change the value.',
    )
  const partner = secret.Type ?? (secret.ExternalSecretRotationRoleArn && 'a partner of AWS')
  if (partner)
    throw usageError(
      `${sanitize(name)} is a secret of ${sanitize(partner)}, which Secrets Manager rotates there`,
      'Leave it to Secrets Manager.',
    )
}

/**
 * The service that manages a secret, by DescribeSecret, or by the prefix that such a service gives its secrets (`rds!…`).
 * @see https://docs.aws.amazon.com/secretsmanager/latest/userguide/service-linked-secrets.html
 */
const ownerOf = ({ name, secret }: FoundSecret): string | undefined =>
  secret.OwningService ?? /^([a-z][a-z-]*)!/.exec(name)?.[1]

/** The admin, which has to be a secret. @throws CommandError if it is a parameter */
export function requireAdminSecret(admin: FoundCredential): FoundSecret {
  if (admin.store === 'secrets-manager') return admin
  throw usageError(
    `${sanitize(admin.name)} is a parameter, but an admin has to be a secret`,
    'Name a secret with --admin.',
  )
}
