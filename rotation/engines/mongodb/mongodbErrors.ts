import {
  MongoClientClosedError,
  MongoCompatibilityError,
  MongoNetworkError,
  MongoNetworkTimeoutError,
  MongoNotConnectedError,
  MongoServerClosedError,
  MongoServerError,
  MongoServerSelectionError,
  MongoTopologyClosedError,
} from 'mongodb'
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

/** The server does not know the authentication mechanism. No password was tried. */
export class UnsupportedMechanism extends LoginRefused {}

type Translation = (where: string) => RotationError

const refused: Translation = where => new LoginRefused(`${where}: the user or its password was refused`)
const notPermitted: Translation = where => new NotPermitted(`${where}: not authorized`)
const notWritable: Translation = where =>
  new Unreachable(`${where}: the server is a replica, or a failover is under way`)
const serverStopping: Translation = where => new Unreachable(`${where}: the server is starting or stopping`)
const shardUnreachable: Translation = where =>
  new Unreachable(`${where}: the server does not reach a shard or the config servers`)
const changedMeanwhile: Translation = where => new Conflict(`${where}: another session changed the same user`)

const unsupportedMechanism: Translation = where =>
  new UnsupportedMechanism(`${where}: the server does not know this way to log in`)

/** The error for each error code of https://www.mongodb.com/docs/manual/reference/error-codes/ */
const translationByCode: Record<number, Translation> = {
  6: shardUnreachable,
  7: shardUnreachable,
  11: where => new NoSuchUser(`${where}: there is no such user`),
  13: notPermitted,
  18: refused,
  24: changedMeanwhile,
  46: changedMeanwhile,
  50: where => new Unreachable(`${where}: the command took too long`),
  64: where => new Conflict(`${where}: the replica set has not confirmed it in time`),
  89: shardUnreachable,
  91: serverStopping,
  112: changedMeanwhile,
  117: changedMeanwhile,
  133: shardUnreachable,
  189: notWritable,
  202: shardUnreachable,
  262: shardUnreachable,
  334: unsupportedMechanism,
  // MongoDB Atlas answers so: its users can be changed only by the API of Atlas.
  8000: notPermitted,
  9001: shardUnreachable,
  10107: notWritable,
  11600: serverStopping,
  11602: notWritable,
  13435: notWritable,
  13436: notWritable,
  51003: changedMeanwhile,
}

/**
 * The error for an answer to a login that is not of MongoDB's protocol. With TLS a certificate has shown that it is the intended
 * server, so the error may pass by itself.
 */
const notMongodbError = (where: string, tls: boolean) =>
  tls
    ? new Unreachable(`${where}: what was answered cannot be read`)
    : new InvalidCredential('engine', `${where}: what answers there is not MongoDB`)

/** Matches the driver's messages about a password that SASLprep (RFC 4013) prohibits, which SCRAM-SHA-256 applies. */
const SASLPREP_ERROR = /^(Prohibited character|Unassigned code point|String must not|Bidirectional )/

/** The error for a host that cannot stand in a URL. */
export const invalidHostError = (where: string) =>
  new InvalidCredential('host', `${where}: should be the name of one server, which can stand in a URL`)

/**
 * Turns what the driver throws at a login into a RotationError.
 * @param where The login, for the message.
 * @param tls Whether the login used TLS.
 */
export function translateLogin(error: unknown, where: string, tls: boolean): RotationError {
  const known = translateKnown(error, where)
  if (known) return known
  if (error instanceof Error && SASLPREP_ERROR.test(error.message))
    return new InvalidCredential('password', `${where}: has characters that SCRAM-SHA-256 does not take`)
  return notMongodbError(where, tls)
}

/**
 * Turns what the driver throws at a command into a RotationError. The server's message is not kept, as it may quote the
 * command. There is no `cause` for the same reason.
 * @param where The command and the login, for the message.
 */
export function translate(error: unknown, where: string): RotationError {
  return translateKnown(error, where) ?? new Unreachable(`${where}: what was answered cannot be read`)
}

/**
 * Translates the errors that are known.
 * @returns undefined for every other error. The driver throws errors of many classes, some not its own, when it reads an answer
 *   that is not of the protocol.
 */
function translateKnown(error: unknown, where: string): RotationError | undefined {
  if (error instanceof RotationError) return error
  if (error instanceof MongoServerError) {
    // Amazon DocumentDB answers with this message. No documentation gives its code.
    if (error.message.startsWith('Unsupported mechanism')) return unsupportedMechanism(where)
    const code = Number(error.code)
    return (translationByCode[code] ?? (() => new DatabaseFailed(`${where}: error ${code}`)))(where)
  }
  if (error instanceof MongoCompatibilityError)
    return new DatabaseFailed(`${where}: the server is older than MongoDB 4.4 or DocumentDB 5.0`)
  if (error instanceof MongoNetworkTimeoutError) return new Unreachable(`${where}: no answer in time`)
  if (error instanceof MongoServerSelectionError || error instanceof MongoNetworkError)
    return translateNetworkError(
      (error.cause ?? {}) as { code?: string },
      where,
      error instanceof MongoServerSelectionError,
    )
  return connectionEndedErrors.some(kind => error instanceof kind)
    ? new Unreachable(`${where}: the connection was given up`)
    : undefined
}

/** The driver's errors for a client whose connection has ended. */
const connectionEndedErrors = [
  MongoNotConnectedError,
  MongoTopologyClosedError,
  MongoClientClosedError,
  MongoServerClosedError,
]

function translateNetworkError(
  { code = '' }: { code?: string },
  where: string,
  timedOut: boolean,
): RotationError {
  if (!UNREACHABLE_CODE.test(code) && TLS_FAILURE_CODE.test(code)) return new TlsFailed(`${where}: ${code}`)
  if (timedOut) return new Unreachable(`${where}: no answer in time`)
  // A server without TLS closes the connection of a client that begins TLS, and a server with TLS that of a client without.
  if (code === 'ECONNRESET' || !code)
    return new Unreachable(`${where}: the server hung up; is "ssl" in the value what the server has?`, {
      remedy: 'Let "ssl" in the value say whether the server takes TLS.',
    })
  return new Unreachable(`${where}: ${code}`)
}
