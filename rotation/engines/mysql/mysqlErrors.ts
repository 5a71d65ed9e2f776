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

/** The transaction is read-only, or the server is. */
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

/** Error numbers of MySQL (https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html) and MariaDB. */
const translationByNumber: Record<number, Translation> = {
  1040: tooManyConnections,
  1203: tooManyConnections,
  1226: tooManyConnections,
  1044: notPermitted,
  1045: notPermitted,
  1698: notPermitted,
  3118: accountLocked,
  3955: accountLocked,
  // By max_password_errors, until FLUSH PRIVILEGES.
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
  1205: (_, where) => new Conflict(`${where}: a lock was not to be had`),
  1213: (_, where) => new Conflict(`${where}: another session changed the same rows`),
  1290: (message, where) => {
    if (/read[-_]only/.test(message)) return serverReadOnly(message, where)
    if (!message.includes('strict-password-validation')) return notPermitted(message, where)
    return new RefusedByPasswordRules(
      `${where}: strict_password_validation is on, so the server takes no verifiers, which are all that it gets`,
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

/** As translate, for an error at login, where some say less than they mean. */
export function translateLogin(error: unknown, credential: Credential): RotationError {
  const where = `login as ${credential}`
  const { errno, code } = fieldsOf(error)
  if (errno === 1044)
    return new InvalidCredential('dbname', `${where}: there is no such database, or this user may not use it`)
  // An account that requires TLS is refused like a wrong password; by MariaDB 10.11 so is everybody.
  if (errno === 1045 && !credential.ssl)
    return new LoginRefused(
      `${where}: refused; the server may want TLS, but the credential says ssl: false`,
      { remedy: `${REMOVE_SSL_FALSE} If the server has none, store the password that the database has.` },
    )
  if (errno === 1045 || errno === 1698)
    return new LoginRefused(`${where}: the user or its password was refused`)
  // Without TLS it is the key that the password should be encrypted with.
  if (code.startsWith('ERR_OSSL_') && !credential.ssl) return unreadableAnswerError(where)
  return translate(error, where)
}

/**
 * Whatever the driver throws as one of ours. Server texts are kept only where they name nothing but accounts; a statement
 * or a value never comes along, so no `cause` is kept either.
 */
export function translate(error: unknown, where: string): RotationError {
  if (error instanceof RotationError) return error
  const { code, errno, message, sqlState } = fieldsOf(error)
  // Node's own numbers are negative.
  if (errno > 0)
    return (translationByNumber[errno] ?? translateUnknownNumber(errno, sqlState))(message, where)
  if (code === 'HANDSHAKE_NO_SSL_SUPPORT') return tlsNotOfferedError(where)
  // The driver puts this in the place of Node's own code.
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

/** What came was no answer of the protocol: something else listens there, or the connection breaks things. */
export const unreadableAnswerError = (where: string) =>
  new Unreachable(`${where}: the answer is none of a MySQL server; something else may listen on that port`)

function fieldsOf(error: unknown): { code: string; errno: number; message: string; sqlState: string } {
  const { code, errno, message, sqlState } = (error ?? {}) as Record<string, unknown>
  return {
    code: String(code ?? ''),
    errno: Number(errno) || 0,
    message: String(message ?? ''),
    sqlState: String(sqlState ?? ''),
  }
}

/** A call to the system failed, or the other side went away, before there was TLS. */
const isHangUp = (error: unknown, message: string) =>
  (error as { syscall?: string }).syscall !== undefined || message.includes('disconnected')

/** The classes of SQLSTATE that are about the connection and about memory say "not now". */
const translateUnknownNumber =
  (errno: number, sqlState: string): Translation =>
  (_, where) =>
    /^(08|HY001)/.test(sqlState)
      ? new Unreachable(`${where}: error ${errno}`)
      : new DatabaseFailed(`${where}: error ${errno}`)
