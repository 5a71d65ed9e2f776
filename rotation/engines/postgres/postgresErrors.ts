import {
  Conflict,
  DatabaseFailed,
  InvalidCredential,
  LoginRefused,
  NotPermitted,
  RotationError,
  TlsFailed,
  Unreachable,
} from '../../errors.ts'
import { TLS_FAILURE_CODE, UNREACHABLE_CODE } from '../networkErrors.ts'
import { NoSuchUser } from '../noSuchUser.ts'
import { tlsNotOfferedError, tlsRequiredError } from '../tlsErrors.ts'
import { TooManyConnections } from '../tooManyConnections.ts'

/** A write was refused because the transaction is read-only: by the server, or by a setting of the user or the database. */
export class ReadOnly extends Unreachable {}

/** A user cannot be dropped, because it owns objects or was granted privileges. */
export class DependentObjectsExist extends NotPermitted {}

/** A statement divided by zero. Keyturn's own statements do that on purpose to fail where a condition is not met. */
export class ConditionNotMet extends DatabaseFailed {}

/**
 * The error for each SQLSTATE, or for a class of SQLSTATEs by the two characters that they begin with
 * (https://www.postgresql.org/docs/current/errcodes-appendix.html). `routine` is the function in the server's source that
 * reported the error; its name does not depend on the server's language.
 */
const translationBySqlState: Record<
  string,
  (message: string, where: string, routine: string) => RotationError
> = {
  '28P01': (_, where) =>
    new LoginRefused(`${where}: the password was refused`, {
      remedy:
        'Store the password that the role has, or set the stored one in the database; a role whose VALID UNTIL is over is refused likewise. It was tried once.',
    }),
  28000: (message, where, routine) => {
    if (message.includes('pg_hba.conf'))
      return message.includes('no encryption')
        ? tlsRequiredError(where)
        : new NotPermitted(`${where}: the server's pg_hba.conf does not admit this login`)
    // The server checks the attribute LOGIN only after the password (src/backend/utils/init/miscinit.c).
    if (routine === 'InitializeSessionUserId')
      return new LoginRefused(`${where}: the role may not log in`, {
        remedy: 'Let the role log in: ALTER ROLE … LOGIN.',
      })
    // Redshift reports a wrong password with this SQLSTATE too.
    const isOtherMethod = routine === 'auth_failed' && !/password/i.test(message)
    return isOtherMethod || /certificate/i.test(message)
      ? new NotPermitted(
          `${where}: the server's pg_hba.conf wants a certificate or another proof than a password`,
        )
      : new LoginRefused(`${where}: the user was refused`)
  },
  '3D000': (_, where) => new InvalidCredential('dbname', `${where}: there is no such database`),
  42501: (message, where) => new NotPermitted(`${where}: ${message}`),
  '25006': (_, where) =>
    new ReadOnly(`${where}: the server is read-only: a replica, or a failover is under way`),
  22012: (_, where) => new ConditionNotMet(`${where}: SQLSTATE 22012`),
  '25P04': (_, where) => new Unreachable(`${where}: the statement took too long`),
  57014: (_, where) => new Unreachable(`${where}: the statement took too long`),
  // "Undefined object" is a missing role if the message says so, or if the routine does where messages are translated.
  42704: (message, where, routine) =>
    /^(role|user) /.test(message) || /role/i.test(routine)
      ? new NoSuchUser(`${where}: ${message}`)
      : new DatabaseFailed(`${where}: SQLSTATE 42704`),
  // CREATE ROLE found the role, or (23505) found it only when it inserted its own row.
  42710: (_, where) => new Conflict(`${where}: another session made the same role`),
  23505: (_, where) => new Conflict(`${where}: another session made the same role`),
  // PostgreSQL refuses DROP ROLE with the first of these two, Redshift refuses DROP USER with the second.
  '2BP01': (message, where) => new DependentObjectsExist(`${where}: ${message}`),
  55006: (message, where) => new DependentObjectsExist(`${where}: ${message}`),
  55000: (_, where, routine) =>
    routine === 'CheckMyDatabase'
      ? new Unreachable(`${where}: the database accepts no connections now`)
      : new DatabaseFailed(`${where}: SQLSTATE 55000`),
  '55P03': (_, where) => new Conflict(`${where}: a lock could not be obtained in time`),
  40: (_, where) => new Conflict(`${where}: another session changed the same rows`),
  53: (_, where) => new TooManyConnections(where),
  57: (_, where) => new Unreachable(`${where}: the server is starting or stopping`),
  '08P01': poolerError,
  '08': (_, where) => new Unreachable(`${where}: the connection broke`),
}

/** Matches PgBouncer's messages about a client whose user or password it refuses. */
const POOLER_REFUSAL = /^(password authentication failed|SASL authentication failed|no such user(: .*)?)$/

/**
 * The error for what a pooler reports by itself. PgBouncer reports all of it under SQLSTATE 08P01, also what the server
 * behind it answered at PgBouncer's own login, so only the message tells which error it is.
 */
function poolerError(message: string, where: string): RotationError {
  if (POOLER_REFUSAL.test(message))
    return new LoginRefused(
      `${where}: the pooler refused user or password; what a rotation sets it knows only if it asks the database for it (auth_query)`,
    )
  if (/^no such database: |^database ".*" does not exist$/.test(message))
    return new InvalidCredential('dbname', `${where}: there is no such database`)
  if (message.includes('statement pooling mode'))
    return new NotPermitted(
      `${where}: the pooler is in statement mode (PgBouncer: pool_mode), in which there is no transaction that a test query ` +
        'could run in; remove the tag keyturn:test-query, or let the value name the server itself',
    )
  return new Unreachable(`${where}: the connection broke, or a pooler has none to the server`)
}

/**
 * Matches Redshift's messages about two transactions that changed the same rows
 * (https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation-serializable-isolation-troubleshooting.html).
 */
const REDSHIFT_CONFLICT = /conflict with concurrent transaction|serializable isolation violation/i
const CONNECTION_BROKEN = /terminated|not queryable|closed/i
const TIMED_OUT = /timeout/i

/**
 * Turns what the driver throws into a RotationError. The server's message is kept only for SQLSTATEs whose messages name nothing
 * but roles and objects of the database. A statement or a value must not get into the error, so there is no `cause` either.
 * @param where The login, for the message.
 * @param tlsAnswer The first byte of the server's answer to the driver's request for TLS.
 * @returns a RotationError, or what was thrown if it is no Error
 */
export function translate(error: unknown, where: string, tlsAnswer?: string): unknown {
  if (!(error instanceof Error) || error instanceof RotationError) return error
  const { code, severity, routine = '' } = error as { code?: string; severity?: string; routine?: string }
  if (severity) return translateReported(error.message, code, routine, where)
  if (code && TLS_FAILURE_CODE.test(code)) return new TlsFailed(`${where}: ${code}`)
  if (error.message === 'The server does not support SSL connections') return tlsNotOfferedError(where)
  // A server that cannot start another process answers with an error message, whose first byte is E.
  if (error.message === 'There was an error establishing an SSL connection' && tlsAnswer === 'E')
    return new Unreachable(`${where}: the server cannot take another connection now`)
  if (code && UNREACHABLE_CODE.test(code)) return new Unreachable(`${where}: ${code}`)
  if (code?.startsWith('ERR_INVALID_ARG') || code === 'ERR_SOCKET_BAD_PORT')
    return new InvalidCredential('host', `${where}: host and port are no address to connect to`)
  if (TIMED_OUT.test(error.message)) return new Unreachable(`${where}: no answer in time`)
  if (CONNECTION_BROKEN.test(error.message)) return new Unreachable(`${where}: the connection broke`)
  // Any other error of the driver comes from an answer that it cannot read. A proxy whose server is away for a moment may
  // give such an answer, so the error is one that is retried.
  return new Unreachable(
    `${where}: what answers there does not speak PostgreSQL's protocol: another service, or a proxy without its server`,
  )
}

function translateReported(
  message: string,
  code: string | undefined,
  routine: string,
  where: string,
): RotationError {
  if (!code || !/^[0-9A-Z]{5}$/.test(code))
    return new DatabaseFailed(`${where}: an error without an SQLSTATE`)
  // Two sessions have altered the same role at the same instant. PostgreSQL reports that as an internal error, "tuple
  // concurrently updated" (simple_heap_update in src/backend/access/heap/heapam.c).
  if (code === 'XX000' && (routine.startsWith('simple_heap') || REDSHIFT_CONFLICT.test(message)))
    return new Conflict(`${where}: another session changed the same role`)
  const known = translationBySqlState[code] ?? translationBySqlState[code.slice(0, 2)]
  return known ? known(message, where, routine) : new DatabaseFailed(`${where}: SQLSTATE ${code}`)
}
