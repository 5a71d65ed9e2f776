import type { Credential } from './credential.ts'
import { HostMismatch, InvalidCredential, RotationError, Throttled } from './errors.ts'
import type { RdsCalls } from './rds.ts'

/**
 * Reads the admin that the current value names in `masterarn`, and checks that the admin is for the same database server. Without
 * that check, everybody who may write the secret could have the password of any user set (a confused deputy). If the two values
 * name different addresses, RDS is asked whether they lead to the same users: to two endpoints of an Aurora cluster, or to a read
 * replica and its source.
 * @param rotatedUsers names of the users that rotate, which the admin may not be: one of them gets closed
 * @throws HostMismatch, InvalidCredential, or what reading the value or calling RDS throws
 */
export async function readAdminOf(
  reader: AdminReader,
  current: Credential,
  rotatedUsers: string[] = [],
): Promise<Credential> {
  if (!current.masterarn) throw new InvalidCredential('masterarn', "should be the ARN of the admin's secret")
  const admin = await reader.readAdmin(current.masterarn)
  await requireSameDatabase(reader, admin, current)
  if (rotatedUsers.includes(admin.username))
    throw new InvalidCredential(
      'masterarn',
      `should name the secret of an admin who is another user than ${rotatedUsers.map(user => JSON.stringify(user)).join(' and ')}: whoever is replaced is closed`,
    )
  return admin
}

type AdminReader = { readAdmin(arn: string): Promise<Credential>; rds(): Promise<RdsCalls> }

/**
 * Checks that an admin's value and the current one lead to the same users. "Database" is RDS's word here: an instance or a cluster.
 * @throws HostMismatch if they do not, or RDS does not tell; Throttled
 */
async function requireSameDatabase(
  reader: AdminReader,
  admin: Credential,
  current: Credential,
): Promise<void> {
  if (admin.engine === current.engine && admin.address === current.address) return
  const refusal = (why: string) =>
    new HostMismatch(
      `the admin's secret is for ${admin.server}, this one for ${current.server}${why}; the admin was not used`,
    )
  if (admin.engine !== current.engine) throw refusal('')
  let isSameDatabase: boolean
  try {
    isSameDatabase = await (await reader.rds()).sharesUsers(current.address, admin.address)
  } catch (error) {
    if (!(error instanceof RotationError) || error instanceof Throttled) throw error
    throw refusal(`, and RDS did not tell whether they are one database (${error.message})`)
  }
  if (!isSameDatabase) throw refusal('')
}
