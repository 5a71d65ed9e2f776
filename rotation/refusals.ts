import { isHomeElsewhere, regionIn } from './arn.ts'
import type { Credential } from './credential.ts'
import { Conflict, InvalidCredential, NotAtHome, PromotedElsewhere, ReplicasBehind } from './errors.ts'
import { isHost } from './host.ts'
import type { Options } from './options.ts'
import { awaitedReplicas, describeReplica, laggingReplicas, type PeerAnswer } from './replicas.ts'
import type { Description } from './stores/store.ts'
import { isManaged } from './tags.ts'

// What createSecret refuses before it writes anything. Each throws, or returns nothing.

/** Whether a stack may use a secret: by its tag, or as what Secrets Manager rotates by the stack's own function. IAM heeds the same. */
export const isEnrolled = (
  { tags, rotatedBy }: Pick<Description, 'tags' | 'rotatedBy'>,
  rotationFunction: string | undefined,
): boolean => isManaged(tags) || (rotatedBy !== undefined && rotatedBy === rotationFunction)

/** Here alone, and not where values are read: a rollback has to read what an earlier release took. */
export function requireHost({ engine, host }: Credential): void {
  if (engine !== 'opaque' && !isHost(host))
    throw new InvalidCredential(
      'host',
      'should be the name or the address of a server and nothing else: no scheme, user, port, path or blank',
    )
}

/**
 * What cannot be changed here, or is to rotate elsewhere. Before what is pending is looked at: nothing of a replica could be
 * rolled back.
 */
export function refuseOtherRegion({ arn, primaryRegion }: Description, { home }: Options): void {
  if (primaryRegion)
    throw new InvalidCredential('id', `is a replica of a secret in ${primaryRegion}: rotate that one, there`)
  if (isHomeElsewhere(arn, home))
    throw new NotAtHome(
      `the tag keyturn:home says ${home}, and this is ${regionIn(arn)}: it rotates there, unless the tag is changed`,
    )
}

/**
 * Before what is pending is looked at. What an abandoned rotation left is not rolled back either: where the endpoint follows the
 * writer, this database is the promoted Region's by now, and current's password would be set for an application that has
 * another one. Nobody waits for it here, as this Region's applications are to use the other one, or it is given up first.
 */
export function refusePromotedElsewhere({ promoted }: PeerAnswer): void {
  if (promoted) throw new PromotedElsewhere(promoted)
}

/**
 * Once nothing else is pending: what an abandoned rotation left in the database is rolled back whatever replicas do. What
 * other Regions told holds; of a Region that has no such secret, so does nothing else. One whose replica is on its way is
 * waited for, as it is after every change of a tag or a label, unless that change was to write this rotation's value.
 */
export function refuseReplicasBehind(
  found: Description,
  { behind, unasked, empty }: PeerAnswer,
  isWritten = false,
): void {
  if (behind) throw new ReplicasBehind(behind)
  if (unasked && awaitedReplicas(found).length) throw new ReplicasBehind(unasked)
  const [replica] = laggingReplicas(found, empty)
  if (!replica) return
  if (replica.status !== 'InProgress') throw new ReplicasBehind(describeReplica(replica))
  if (!isWritten) throw new Conflict(describeReplica(replica))
}

/** Once nothing else is pending: what an abandoned rotation left is rolled back whatever the store would refuse now. */
export function refuseObstacle({ obstacle }: Description): void {
  if (obstacle) throw new InvalidCredential(obstacle.field, obstacle.problem)
}

/** A tag that was set by mistake: the whole JSON would be tried as a password, and the user taken for locked out. */
export function refuseJsonAsPassword({ password }: Credential, { connection }: Options): void {
  if (connection && isSecretJson(password))
    throw new InvalidCredential(
      'keyturn:connection',
      "says that the value is a password alone, and it is AWS's JSON: remove the tag, or store the password alone",
    )
}

function isSecretJson(text: string): boolean {
  try {
    const { username, password } = JSON.parse(text)
    return typeof username === 'string' && typeof password === 'string'
  } catch {
    return false
  }
}
