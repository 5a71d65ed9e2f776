import { Refused } from '../refused.ts'

export function invalid(message: string): Refused {
  return new Refused('InvalidParameterException', message)
}

export function notFound(what: string): Refused {
  return new Refused('ResourceNotFoundException', `Secrets Manager can't find the specified ${what}.`)
}

export function markedForDeletion(): Refused {
  return new Refused('InvalidRequestException', 'The secret was marked for deletion.')
}

export function onReplica(): Refused {
  return invalid("Operation not permitted on a replica secret. Call must be made in primary secret's region.")
}

/** As IAM words it where no policy allows the call. */
export function denied(action: string, resource: string): Refused {
  return new Refused(
    'AccessDeniedException',
    `User: arn:aws:iam::123456789012:user/local is not authorized to perform: secretsmanager:${action} on resource: ` +
      `${resource} because no identity-based policy allows the secretsmanager:${action} action`,
  )
}
