import type { ReadEvent } from './readEvent.ts'

/** Who made a call. `session` is the name of a role's session, such as a Lambda function's name, or the id of an EC2 instance. */
export type ReadCaller = { principal: string; session?: string }

/**
 * Who made the call of an event: the ARN of a user or of an assumed role, or the name of a service of AWS. Of a caller from another
 * account AWS may tell no ARN; then it is the account and the principal's id.
 * https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html
 */
export function callerOf({ userIdentity }: ReadEvent): ReadCaller {
  const { type, arn, accountId, principalId, userName, invokedBy, onBehalfOf } = userIdentity
  if (type === 'AssumedRole') return roleOf(userIdentity)
  if (type === 'AWSService') return { principal: invokedBy ?? 'a service of AWS' }
  if (type === 'AWSAccount' && !arn) {
    const [id, session] = (principalId ?? '').split(':', 2)
    return { principal: `account ${accountId} ${id}`.trim(), ...(session && { session }) }
  }
  if (type === 'IdentityCenterUser')
    return { principal: `Identity Center user ${onBehalfOf?.userId ?? ''}`.trim() }
  return { principal: arn ?? userName ?? principalId ?? invokedBy ?? type ?? 'unknown' }
}

function roleOf({ arn = '', principalId = '', sessionContext }: ReadEvent['userIdentity']): ReadCaller {
  const [, partition, account, role, sessionInArn] =
    /^arn:([^:]+):sts::(\d+):assumed-role\/([^/]+)\/(.+)$/.exec(arn) ?? []
  const session = sessionInArn ?? principalId.split(':', 2)[1]
  const issuer = sessionContext?.sessionIssuer?.arn
  // The issuer's ARN is that of the role with its path, which the ARN of the session lacks.
  const principal = issuer ?? (role && `arn:${partition}:iam::${account}:role/${role}`)
  return { principal: principal ?? (arn || principalId || 'unknown'), ...(session && { session }) }
}
