import type { ReadEvent } from './readEvent.ts'

/** Who called. `session` is the name of a role's session: of a Lambda function its name, of an EC2 instance its id. */
export type ReadCaller = { principal: string; session?: string }

/**
 * The user; or the role that was assumed, apart from its session; or the name of a service of AWS; or, of another account, what
 * AWS tells of its callers: the account and the principal's id.
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
  const [, partition, account, role, inArn] =
    /^arn:([^:]+):sts::(\d+):assumed-role\/([^/]+)\/(.+)$/.exec(arn) ?? []
  const session = inArn ?? principalId.split(':', 2)[1]
  const issuer = sessionContext?.sessionIssuer?.arn
  // Only the issuer's ARN has the role's path.
  const principal = issuer ?? (role && `arn:${partition}:iam::${account}:role/${role}`)
  return { principal: principal ?? (arn || principalId || 'unknown'), ...(session && { session }) }
}
