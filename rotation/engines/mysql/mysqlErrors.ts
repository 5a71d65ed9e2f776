import type { Credential } from '../../credential.ts'
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
import { RefusedByPasswordRules } from '../passwordRules.ts'
import { REMOVE_SSL_FALSE, tlsNotOfferedError, tlsRequiredError } from '../tlsErrors.ts'
import { TooManyConnections } from '../tooManyConnections.ts'

type Translation = (message: string, where: string) => RotationError

/** A write was refused because the transaction or the server is read-only. */
export class ReadOnly extends Unreachable {}

const accountLocked: Translation = (_, where) =>
  new LoginRefused(`${where}: the account is locked`, {
    remedy: 'Unlock the account: ALTER USER … ACCOUNT UNLOCK.',
  })
const passwordExpired: Translation = (_, where) =>
  new NotPermitted(`${where}: the password has expired`, {
    remedy: 'Set a password in the database (ALTER USER … IDENTIFIED BY …), and store the same.',
  })
const notPermitted: Translation = (message, where) => new NotPermitted(`${where}: ${message}`)
const tooManyConnections: Translation = (_, where) => new TooManyConnections(where)
const serverStopping: Translation = (_, where) =>
  new Unreachable(`${where}: the server is starting or stopping`)
const statementTooSlow: Translation = (_, where) => new Unreachable(`${where}: the statement took too long`)
const connectionBroken: Translation = (_, where) => new Unreachable(`${where}: the connection broke`)
const serverReadOnly: Translation = (_, where) =>
  new ReadOnly(`${where}: the server is read-only: a replica, or a failover is under way`)
const refusedByPasswordRules: Translation = (_, where) =>
  new RefusedByPasswordRules(
    `${where}: the server's rules for passwords refuse it; make longer ones, by keyturn: tags`,
  )

/**
 * The error for each error number of MySQL (https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html) and
 * MariaDB (https://mariadb.com/docs/server/reference/error-codes/mariadb-error-code-reference).
 */
const translationByNumber: Record<number, Translation> = {
  1040: tooManyConnections,
  1203: tooManyConnections,
  1226: tooManyConnections,
  1044: notPermitted,
  1045: notPermitted,
  1698: notPermitted,
  3118: accountLocked,
  3955: accountLocked,
  // MariaDB blocks a user after max_password_errors refused logins, until FLUSH PRIVILEGES.
  4150: accountLocked,
  4151: accountLocked,
  1049: (_, where) => new InvalidCredential('dbname', `${where}: there is no such database`),
  1130: (_, where) => new NotPermitted(`${where}: no account admits a login from this address`),
  1129: (_, where) => new NotPermitted(`${where}: the server blocks this address after failed connections`),
  1820: passwordExpired,
  1862: passwordExpired,
  3159: (_, where) => tlsRequiredError(where),
  1142: notPermitted,
  1143: notPermitted,
  1211: notPermitted,
  1227: notPermitted,
  1370: notPermitted,
  1410: notPermitted,
  1524: notPermitted,
  4006: notPermitted,
  1819: refusedByPasswordRules,
  3638: refusedByPasswordRules,
  1133: (_, where) => new NoSuchUser(`${where}: there is no such account`),
  1396: (_, where) => new NoSuchUser(`${where}: there is no such account`),
  1141: (_, where) => new Conflict(`${where}: another session revoked the same`),
  1147: (_, where) => new Conflict(`${where}: another session revoked the same`),
  3891: (_, where) => new Conflict(`${where}: another session changed the password`),
  1205: (_, where) => new Conflict(`${where}: a lock could not be obtained in time`),
  1213: (_, where) => new Conflict(`${where}: another session changed the same rows`),
  1290: (message, where) => {
    if (/read[-_]only/.test(message)) return serverReadOnly(message, where)
    if (!message.includes('strict-password-validation')) return notPermitted(message, where)
    return new RefusedByPasswordRules(
      `${where}: strict_password_validation is on, so the server accepts no password hashes, and Keyturn sends nothing else`,
    )
  },
  1792: serverReadOnly,
  1836: serverReadOnly,
  1317: statementTooSlow,
  3024: statementTooSlow,
  1969: statementTooSlow,
  1053: serverStopping,
  1135: tooManyConnections,
  3032: (_, where) => new Unreachable(`${where}: the server is in offline mode`),
  3168: serverStopping,
  9001: tooManyConnections,
  1927: connectionBroken,
  3169: connectionBroken,
  4031: connectionBroken,
}

/** Turns an error of a login into a RotationError, as `translate` does. At a login some numbers have a second meaning. */
export function translateLogin(error: unknown, credential: Credential): RotationError {
  const where = `login as ${credential}`
  const { errno, code } = fieldsOf(error)
  if (errno === 1044)
    return new InvalidCredential('dbname', `${where}: there is no such database, or this user may not use it`)
  // Without TLS, an account that requires TLS is refused like a wrong password. MariaDB 10.11 refuses every account so if the
  // server requires TLS.
  if (errno === 1045 && !credential.ssl)
    return new LoginRefused(
      `${where}: refused; the server may want TLS, but the credential says ssl: false`,
      { remedy: `${REMOVE_SSL_FALSE} If the server has none, store the password that the database has.` },
    )
  if (errno === 1045 || errno === 1698)
    return new LoginRefused(`${where}: the user or its password was refused`)
  // Without TLS, OpenSSL's only part in a login is the key that the server sends to encrypt the password with.
  if (code.startsWith('ERR_OSSL_') && !credential.ssl) return unreadableAnswerError(where)
  return translate(error, where)
}

/**
 * Turns what the driver throws into a RotationError. The server's message is kept only for errors whose messages name nothing but
 * accounts, privileges, objects of the database and options of the server. A statement or a value must not get into the error, so
 * there is no `cause` either.
 * @param where The login, for the message.
 */
export function translate(error: unknown, where: string): RotationError {
  if (error instanceof RotationError) return error
  const { code, errno, message, sqlState } = fieldsOf(error)
  // The server's numbers are positive, the numbers of Node's system errors negative.
  if (errno > 0)
    return (translationByNumber[errno] ?? translateUnknownNumber(errno, sqlState))(message, where)
  if (code === 'HANDSHAKE_NO_SSL_SUPPORT') return tlsNotOfferedError(where)
  // The driver replaces Node's code by this one.
  if (code === 'HANDSHAKE_SSL_ERROR')
    return isHangUp(error, message) ? connectionBroken('', where) : new TlsFailed(`${where}: ${message}`)
  if (code === 'MYSQL_CLEAR_PASSWORD_NOT_ENABLED' || /unknown plugin/.test(message))
    return new NotPermitted(`${where}: the account does not log in by a password that can be rotated`)
  if (code === 'PROTOCOL_SEQUENCE_TIMEOUT') return statementTooSlow('', where)
  if (code === 'PROTOCOL_CONNECTION_LOST' || UNREACHABLE_CODE.test(code))
    return new Unreachable(`${where}: ${code}`)
  if (TLS_FAILURE_CODE.test(code) && code !== 'AUTH_SWITCH_PLUGIN_ERROR')
    return new TlsFailed(`${where}: ${code}`)
  if (message.includes('closed state')) return connectionBroken('', where)
  return unreadableAnswerError(where)
}

/** The error for an answer that is not of MySQL's protocol: another service listens there, or the answer was damaged. */
export const unreadableAnswerError = (where: string) =>
  new Unreachable(`${where}: the answer is not of MySQL's protocol; another service may listen on that port`)

function fieldsOf(error: unknown): { code: string; errno: number; message: string; sqlState: string } {
  const { code, errno, message, sqlState } = (error ?? {}) as Record<string, unknown>
  return {
    code: String(code ?? ''),
    errno: Number(errno) || 0,
    message: String(message ?? ''),
    sqlState: String(sqlState ?? ''),
  }
}

/** Whether a TLS handshake failed because the connection broke: a system call failed, or the server closed it. */
const isHangUp = (error: unknown, message: string) =>
  (error as { syscall?: string }).syscall !== undefined || message.includes('disconnected')

/** The error for a number that is not in the table. One about the connection (SQLSTATE 08) or memory (HY001) may pass by itself. */
const translateUnknownNumber =
  (errno: number, sqlState: string): Translation =>
  (_, where) =>
    /^(08|HY001)/.test(sqlState)
      ? new Unreachable(`${where}: error ${errno}`)
      : new DatabaseFailed(`${where}: error ${errno}`)
