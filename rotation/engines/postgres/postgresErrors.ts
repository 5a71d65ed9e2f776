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

/** The transaction is read-only: the server is, or the user or the database is set so. */
export class ReadOnly extends Unreachable {}

/** A user is not dropped, as it owns or may do something. */
export class DependentObjectsExist extends NotPermitted {}

/** A statement that divides by zero where a condition is not met has done so. */
export class ConditionNotMet extends DatabaseFailed {}

/** SQLSTATEs, and their two-letter classes: https://www.postgresql.org/docs/current/errcodes-appendix.html */
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
    // Once its password was right.
    if (routine === 'InitializeSessionUserId')
      return new LoginRefused(`${where}: the role may not log in`, {
        remedy: 'Let the role log in: ALTER ROLE … LOGIN.',
      })
    // Redshift also says so of a wrong password.
    const otherProof = routine === 'auth_failed' && !/password/i.test(message)
    return otherProof || /certificate/i.test(message)
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
  // In the words of the server's own language; the routine has the same name in all of them.
  42704: (message, where, routine) =>
    /^(role|user) /.test(message) || /role/i.test(routine)
      ? new NoSuchUser(`${where}: ${message}`)
      : new DatabaseFailed(`${where}: SQLSTATE 42704`),
  // The same, met at the instant of the insert.
  23505: (_, where) => new Conflict(`${where}: another session made the same role`),
  42710: (_, where) => new Conflict(`${where}: another session made the same role`),
  // The first is PostgreSQL's, the second Redshift's.
  '2BP01': (message, where) => new DependentObjectsExist(`${where}: ${message}`),
  55006: (message, where) => new DependentObjectsExist(`${where}: ${message}`),
  55000: (_, where, routine) =>
    routine === 'CheckMyDatabase'
      ? new Unreachable(`${where}: the database accepts no connections now`)
      : new DatabaseFailed(`${where}: SQLSTATE 55000`),
  '55P03': (_, where) => new Conflict(`${where}: a lock was not to be had`),
  40: (_, where) => new Conflict(`${where}: another session changed the same rows`),
  53: (_, where) => new TooManyConnections(where),
  57: (_, where) => new Unreachable(`${where}: the server is starting or stopping`),
  '08P01': poolerError,
  '08': (_, where) => new Unreachable(`${where}: the connection broke`),
}

/** What PgBouncer says of a client that it does not let in. All else that it says under this code is about others. */
const POOLER_REFUSAL = /^(password authentication failed|SASL authentication failed|no such user(: .*)?)$/

/** What a pooler says by itself: PgBouncer has one SQLSTATE for all of it, and for what the server behind it says. */
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

/** What Redshift says of two transactions that met. */
const REDSHIFT_CONFLICT = /conflict with concurrent transaction|serializable isolation violation/i
const CONNECTION_BROKEN = /terminated|not queryable|closed/i
const TIMED_OUT = /timeout/i

/**
 * What the driver throws, as one of ours; `first` is how the server answered to whether it has TLS. Server texts are kept
 * only where they name nothing but roles; a statement or a value never comes along, so no `cause` is kept either.
 */
export function translate(error: unknown, where: string, first?: string): unknown {
  if (!(error instanceof Error) || error instanceof RotationError) return error
  const { code, severity, routine = '' } = error as { code?: string; severity?: string; routine?: string }
  if (severity) return translateReported(error.message, code, routine, where)
  if (code && TLS_FAILURE_CODE.test(code)) return new TlsFailed(`${where}: ${code}`)
  if (error.message === 'The server does not support SSL connections') return tlsNotOfferedError(where)
  if (error.message === 'There was an error establishing an SSL connection' && first === 'E')
    return new Unreachable(`${where}: the server cannot take another connection now`)
  if (code && UNREACHABLE_CODE.test(code)) return new Unreachable(`${where}: ${code}`)
  if (code?.startsWith('ERR_INVALID_ARG') || code === 'ERR_SOCKET_BAD_PORT')
    return new InvalidCredential('host', `${where}: there is no way to what host and port name`)
  if (TIMED_OUT.test(error.message)) return new Unreachable(`${where}: no answer in time`)
  if (CONNECTION_BROKEN.test(error.message)) return new Unreachable(`${where}: the connection broke`)
  // Whatever else the driver throws, it throws at an answer that it cannot read. That of a proxy whose server is away
  // for a moment may be one, so it is not for good.
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
  // Two sessions altered the same role at the same instant: there is no SQLSTATE of its own for it.
  if (code === 'XX000' && (routine.startsWith('simple_heap') || REDSHIFT_CONFLICT.test(message)))
    return new Conflict(`${where}: another session changed the same role`)
  const known = translationBySqlState[code] ?? translationBySqlState[code.slice(0, 2)]
  return known ? known(message, where, routine) : new DatabaseFailed(`${where}: SQLSTATE ${code}`)
}
