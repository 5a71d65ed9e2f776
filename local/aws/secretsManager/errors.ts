import { AwsError } from '../awsError.ts'

export function invalidParameterError(message: string): AwsError {
  return new AwsError('InvalidParameterException', message)
}

export function resourceNotFoundError(what: string): AwsError {
  return new AwsError('ResourceNotFoundException', `Secrets Manager can't find the specified ${what}.`)
}

export function markedForDeletionError(): AwsError {
  return new AwsError('InvalidRequestException', 'The secret was marked for deletion.')
}

export function replicaIsReadOnlyError(): AwsError {
  return invalidParameterError(
    "Operation not permitted on a replica secret. Call must be made in primary secret's region.",
  )
}

/** As IAM words it where no policy allows the call. */
export function accessDeniedError(action: string, resource: string): AwsError {
  return new AwsError(
    'AccessDeniedException',
    `User: arn:aws:iam::123456789012:user/local is not authorized to perform: secretsmanager:${action} on resource: ` +
      `${resource} because no identity-based policy allows the secretsmanager:${action} action`,
  )
}
