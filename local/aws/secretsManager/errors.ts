import { AwsError } from '../awsError.ts'

/** The error for a parameter that is not allowed. */
export function invalidParameterError(message: string): AwsError {
  return new AwsError('InvalidParameterException', message)
}

/** The error for something that does not exist. `what` is its kind, such as `secret`. */
export function resourceNotFoundError(what: string): AwsError {
  return new AwsError('ResourceNotFoundException', `Secrets Manager can't find the specified ${what}.`)
}

/** The error of most actions on a secret that is marked for deletion. */
export function markedForDeletionError(): AwsError {
  return new AwsError('InvalidRequestException', 'The secret was marked for deletion.')
}

/** The error of an action that a replica does not allow. */
export function replicaIsReadOnlyError(): AwsError {
  return invalidParameterError(
    "Operation not permitted on a replica secret. Call must be made in primary secret's region.",
  )
}

/**
 * The error for a call that no policy allows:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
 */
export function accessDeniedError(action: string, resource: string): AwsError {
  return new AwsError(
    'AccessDeniedException',
    `User: arn:aws:iam::123456789012:user/local is not authorized to perform: secretsmanager:${action} on resource: ` +
      `${resource} because no identity-based policy allows the secretsmanager:${action} action`,
  )
}
