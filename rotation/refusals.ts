import { isHomeElsewhere, regionIn } from './arn.ts'
import type { Credential } from './credential.ts'
import { Conflict, InvalidCredential, NotAtHome, PromotedElsewhere, ReplicasBehind } from './errors.ts'
import { isHost } from './host.ts'
import type { Options } from './options.ts'
import { awaitedReplicas, describeReplica, laggingReplicas, type PeerAnswer } from './replicas.ts'
import type { Description } from './stores/store.ts'
import { isManaged } from './tags.ts'

/**
 * Whether a stack may use a secret: it has the tag keyturn:managed=true, or Secrets Manager rotates it by the stack's own rotation
 * function. The stack's IAM policies require the same.
 * @param rotationFunction ARN of the stack's rotation function
 */
export const isEnrolled = (
  { tags, rotatedBy }: Pick<Description, 'tags' | 'rotatedBy'>,
  rotationFunction: string | undefined,
): boolean => isManaged(tags) || (rotatedBy !== undefined && rotatedBy === rotationFunction)

// What createSecret refuses before it writes anything; others use these functions too. Each throws if it refuses, and returns
// nothing.

/**
 * Checks that the text in `host` is a host. Parsing a value does not check that, as a rollback must be able to read a value that an
 * earlier release accepted.
 * @throws InvalidCredential
 */
export function requireHost({ engine, host }: Credential): void {
  if (engine !== 'opaque' && !isHost(host))
    throw new InvalidCredential(
      'host',
      'should be the name or the address of a server and nothing else: no scheme, user, port, path or blank',
    )
}

/**
 * Refuses a replica, and a secret whose home is another Region. createSecret calls this before it looks for another pending version
 * (clearOtherPending), as an abandoned rotation cannot be rolled back in a replica.
 * @throws InvalidCredential for a replica; NotAtHome
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
 * Refuses a secret that was promoted in a peer Region. createSecret calls this before it looks for another pending version, so that
 * an abandoned rotation is not rolled back either. If the host is an endpoint that follows the writer, it now leads to the promoted
 * Region's database, and a rollback would set a password that the applications there do not have.
 * @throws PromotedElsewhere
 */
export function refusePromotedElsewhere({ promoted }: PeerAnswer): void {
  if (promoted) throw new PromotedElsewhere(promoted)
}

/**
 * Refuses a secret with a replica that does not have the current version. createSecret calls this after it has dealt with another
 * pending version, as an abandoned rotation has to be rolled back whatever the replicas do. The answer of the peer Regions counts
 * first; then the status that the home Region reports, except for Regions that have no copy at all (`empty`). A replica that is
 * InProgress, as after every change of a tag or a label, is waited for by a retry.
 * @param isWritten whether this rotation's value is written already. A replica may be InProgress because of that, so one that is
 *   InProgress is not waited for.
 * @throws ReplicasBehind; Conflict for a replica to wait for
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

/**
 * Refuses a secret whose store would not let a rotation end well. createSecret calls this after it has dealt with another pending
 * version, as an abandoned rotation has to be rolled back in any case.
 * @throws InvalidCredential
 */
export function refuseObstacle({ obstacle }: Description): void {
  if (obstacle) throw new InvalidCredential(obstacle.field, obstacle.problem)
}

/**
 * Refuses AWS's JSON in a secret whose tag (keyturn:connection) says that the value is a password alone. The tag was then set by
 * mistake. The whole JSON would be tried as a password, and the server's refusal would look like a lockout.
 * @throws InvalidCredential
 */
export function refuseJsonAsPassword({ password }: Credential, { connection }: Options): void {
  if (connection && isSecretJson(password))
    throw new InvalidCredential(
      'keyturn:connection',
      "says that the value is a password alone, and it is AWS's JSON: remove the tag, or store the password alone",
    )
}

/** Whether a text is JSON with a user and a password. */
function isSecretJson(text: string): boolean {
  try {
    const { username, password } = JSON.parse(text)
    return typeof username === 'string' && typeof password === 'string'
  } catch {
    return false
  }
}
