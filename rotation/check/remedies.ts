import type { LineName } from './line.ts'

/** What to do about a line that failed, whatever its error. */
const ofLines: Record<LineName, string> = {
  tags: 'Give the name of a secret or a parameter of this account and Region that is tagged keyturn:managed=true, and correct the tag that is named.',
  value: 'Correct what is named in the stored value, or in the tags that say what it is.',
  key: "Encrypt it with a key that this stack may use, or deploy the stack with this one's ARN as kmsKeyArn.",
  store: 'Change what is named of the parameter.',
  pending: 'Wait until that rotation has ended, and look again.',
  replicas: 'Mend the replication that is named, or rotate the secret in its own Region.',
  name: 'Correct the host in the value, or let the subnets of this stack resolve it.',
  port: 'Let the security group of the database admit that of this stack, and see that the subnets of this stack lead there.',
  tls: 'Deploy the stack with the issuer in its caFile, or let the value name a host that the certificate is for.',
  login:
    'Store the password that the database has, or set the stored one in the database. It was tried once.',
  pooler:
    'Tag it keyturn:pooler=auth-query if the pooler asks the database; else let the value name the server itself.',
  connections: 'Close connections of this user, or raise its limit: a rotation needs one.',
  'test-query': 'Run the query as this user in another client, and correct it or grant what it needs.',
  admin: 'Let masterarn name the secret of an admin of the same database that is tagged keyturn:admin=true.',
  'admin-login':
    "Store the password that the admin has in the database as its secret's value. It was tried once.",
  privileges: 'Grant what is named, or choose another strategy: docs/strategies.md says what each needs.',
  'password-rules':
    "Change the tags of the password's rules, as docs/strategies.md lists them, or the server's rules.",
}

/** What is to be done whichever line it befalls. */
const ofErrors: Record<string, string> = {
  Throttled: 'Try again in a moment.',
  Conflict: 'Try again in a moment.',
  RdsBusy: 'Try again when RDS has done what it is at.',
  Unexpected: 'Read the log of checkCredential, which has where it came from.',
}

/** What to do about a login that was neither taken nor refused. */
const UNANSWERED =
  'See that the server is up, takes logins and has room for another connection, and look again.'

/** @returns one sentence */
export function remedyOf(line: LineName, error: string): string {
  if (error === 'Unreachable' && (line === 'login' || line === 'admin-login')) return UNANSWERED
  return ofErrors[error] ?? ofLines[line]
}
