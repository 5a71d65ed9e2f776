import type { Credential } from './credential.ts'
import { HostMismatch, InvalidCredential, RotationError, Throttled } from './errors.ts'
import type { RdsCalls } from './rds.ts'

/**
 * The admin that current's `masterarn` names, provided that it is for the database that current logs in to: else whoever
 * may write the secret could have any user's password set (a confused deputy). RDS is asked only where they name
 * different servers, as with an Aurora cluster's endpoints, or a read replica and its source. None of `replaced` may be
 * the admin.
 * @throws HostMismatch, InvalidCredential
 */
export async function readAdminOf(
  read: AdminReader,
  current: Credential,
  replaced: string[] = [],
): Promise<Credential> {
  if (!current.masterarn) throw new InvalidCredential('masterarn', "should be the ARN of the admin's secret")
  const admin = await read.readAdmin(current.masterarn)
  await requireSameDatabase(read, admin, current)
  if (replaced.includes(admin.username))
    throw new InvalidCredential(
      'masterarn',
      `should name the secret of an admin who is another user than ${replaced.map(user => JSON.stringify(user)).join(' and ')}: whoever is replaced is closed`,
    )
  return admin
}

type AdminReader = { readAdmin(arn: string): Promise<Credential>; rds(): Promise<RdsCalls> }

/** @throws HostMismatch */
async function requireSameDatabase(read: AdminReader, admin: Credential, current: Credential): Promise<void> {
  if (admin.engine === current.engine && admin.address === current.address) return
  const refusal = (why: string) =>
    new HostMismatch(
      `the admin's secret is for ${admin.server}, this one for ${current.server}${why}; the admin was not used`,
    )
  if (admin.engine !== current.engine) throw refusal('')
  let follows: boolean
  try {
    follows = await (await read.rds()).sharesUsers(current.address, admin.address)
  } catch (error) {
    if (!(error instanceof RotationError) || error instanceof Throttled) throw error
    throw refusal(`, and RDS did not tell whether they are one database (${error.message})`)
  }
  if (!follows) throw refusal('')
}
