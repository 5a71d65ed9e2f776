import type { RotationError } from '../errors.ts'
import type { CheckLineName } from './line.ts'

/** What to do about a line that failed, if no remedy below is for its error. */
const REMEDIES_BY_LINE: Record<CheckLineName, string> = {
  tags: 'Give the name of a secret or a parameter of this account and Region.',
  value: 'Correct what is named in the stored value, or in the tags that say what it is.',
  key: "Encrypt it with a key that this stack may use, or deploy the stack with this one's ARN as kmsKeyArn.",
  store: 'Change what is named of the parameter.',
  pending: 'Wait until that rotation has ended, and look again.',
  replicas: 'Mend the replication that is named, or rotate the secret in its own Region.',
  name: 'Correct the host in the value, or let the subnets of this stack resolve it.',
  port: 'Let the security group of the database admit that of this stack, and see that the subnets of this stack lead there.',
  tls: 'Deploy the stack with the issuer in its caFile, or let the value name a host that the certificate is for.',
  login:
    'Store the password that the database has, or set the stored one in the database; what has expired or is locked is refused likewise. It was tried once.',
  pooler:
    'Tag it keyturn:pooler=auth-query if the pooler asks the database; else let the value name the server itself.',
  connections: 'Close connections of this user, or raise its limit: a rotation needs one.',
  'test-query': 'Run the query as this user in another client, and correct it or grant what it needs.',
  admin: 'Let masterarn name the secret of an admin of the same database that is tagged keyturn:admin=true.',
  'admin-login':
    "Store the password that the admin has in the database as its secret's value, and see that it may log in. It was tried once.",
  privileges: 'Grant what is named, or choose another strategy: docs/strategies.md says what each needs.',
  'password-rules':
    "Change the tags of the password's rules, as docs/strategies.md lists them, or the server's rules.",
}

const CORRECT_TAG = 'Correct the tag that is named.'
const CORRECT_VALUE = 'Correct in the stored value what is named.'
const SERVER_UNREACHABLE =
  'See that the server is up, takes logins and has room for another connection, and look again.'

/** What to do about an error of one line, by the name of the error. */
const REMEDIES_BY_LINE_AND_ERROR: Partial<Record<CheckLineName, Record<string, string>>> = {
  tags: {
    InvalidOption: CORRECT_TAG,
    NotPermitted:
      'It has to be tagged keyturn:managed=true, as `keyturn enrol` does: this stack may use nothing else.',
  },
  value: {
    InvalidOption: CORRECT_TAG,
    NotPermitted: "Let this stack read it: see the secret's own policy, and that of its key.",
  },
  login: {
    InvalidCredential: CORRECT_VALUE,
    NotPermitted:
      'Change in the server what is named: it has to admit this user from the subnets of this stack, by its password.',
    Unreachable: SERVER_UNREACHABLE,
  },
  'admin-login': { Unreachable: SERVER_UNREACHABLE },
}

/** What to do about an error of any line, by the name of the error. */
const REMEDIES_BY_ERROR: Record<string, string> = {
  Throttled: 'Try again in a moment.',
  Conflict: 'Try again in a moment.',
  RdsBusy: 'Try again when RDS has done what it is at.',
  Unexpected: 'Read the log of checkCredential, which has where it came from.',
}

/**
 * What to do about a line that failed, in one or two sentences: the error's own remedy, if it has one, else that of a table above.
 */
export const remedyOf = (line: CheckLineName, { remedy, name }: RotationError): string =>
  remedy ?? REMEDIES_BY_ERROR[name] ?? REMEDIES_BY_LINE_AND_ERROR[line]?.[name] ?? REMEDIES_BY_LINE[line]
