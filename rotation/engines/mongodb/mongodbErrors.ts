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
import { unreachable, untrusted } from '../networkErrors.ts'
import { NoSuchUser } from '../noSuchUser.ts'

/** It knows another way to prove a password than it was offered. None was tried. */
export class OtherMechanism extends LoginRefused {}

type Translation = (where: string) => RotationError

const refused: Translation = where => new LoginRefused(`${where}: the user or its password was refused`)
const notPermitted: Translation = where => new NotPermitted(`${where}: not authorized`)
const readOnly: Translation = where =>
  new Unreachable(`${where}: the server is a replica, or a failover is under way`)
const stopping: Translation = where => new Unreachable(`${where}: the server is starting or stopping`)
const unreached: Translation = where =>
  new Unreachable(`${where}: the server does not reach a shard or the config servers`)
const raced: Translation = where => new Conflict(`${where}: another session changed the same user`)

const otherMechanism: Translation = where =>
  new OtherMechanism(`${where}: the server does not know this way to log in`)

/** Codes of https://www.mongodb.com/docs/manual/reference/error-codes/ */
const byCode: Record<number, Translation> = {
  6: unreached,
  7: unreached,
  11: where => new NoSuchUser(`${where}: there is no such user`),
  13: notPermitted,
  18: refused,
  24: raced,
  46: raced,
  50: where => new Unreachable(`${where}: the command took too long`),
  64: where => new Conflict(`${where}: the replica set has not confirmed it in time`),
  89: unreached,
  91: stopping,
  112: raced,
  117: raced,
  133: unreached,
  189: readOnly,
  202: unreached,
  262: unreached,
  334: otherMechanism,
  // MongoDB Atlas, where users are changed by its API alone.
  8000: notPermitted,
  9001: unreached,
  10107: readOnly,
  11600: stopping,
  11602: readOnly,
  13435: readOnly,
  13436: readOnly,
  51003: raced,
}

/** What answers at a login does not speak MongoDB's protocol. In clear text no certificate shows whether it should. */
const otherKind = (where: string, tls: boolean) =>
  tls
    ? new Unreachable(`${where}: what was answered cannot be read`)
    : new InvalidCredential('engine', `${where}: what answers there is not MongoDB`)

/** What the driver says of a password that it cannot prepare as SCRAM-SHA-256 wants it. */
const unprepared = /^(Prohibited character|Unassigned code point|String must not|Bidirectional )/

/** An error that came before the driver had anything to connect to. */
export const noUrl = (where: string) =>
  new InvalidCredential('host', `${where}: should be the name of one server, which can stand in a URL`)

/**
 * The driver's error at a login as one of ours, each with a name. `tls`, whether the server had to show a certificate.
 */
export function translateLogin(error: unknown, where: string, tls: boolean): RotationError {
  const known = translateKnown(error, where)
  if (known) return known
  if (error instanceof Error && unprepared.test(error.message))
    return new InvalidCredential('password', `${where}: has characters that SCRAM-SHA-256 does not take`)
  return otherKind(where, tls)
}

/**
 * A driver's error as one of ours, each with a name. The server's words are never kept, as they may quote the command;
 * so no `cause` is kept either.
 */
export function translate(error: unknown, where: string): RotationError {
  return translateKnown(error, where) ?? new Unreachable(`${where}: what was answered cannot be read`)
}

/** @returns undefined for what the driver throws when it reads what is no answer, of many classes, some not its own */
function translateKnown(error: unknown, where: string): RotationError | undefined {
  if (error instanceof RotationError) return error
  if (error instanceof MongoServerError) {
    // Amazon DocumentDB's words, whose code nobody tells.
    if (error.message.startsWith('Unsupported mechanism')) return otherMechanism(where)
    const code = Number(error.code)
    return (byCode[code] ?? (() => new DatabaseFailed(`${where}: error ${code}`)))(where)
  }
  if (error instanceof MongoCompatibilityError)
    return new DatabaseFailed(`${where}: the server is older than MongoDB 4.4 or DocumentDB 5.0`)
  if (error instanceof MongoNetworkTimeoutError) return new Unreachable(`${where}: no answer in time`)
  if (error instanceof MongoServerSelectionError || error instanceof MongoNetworkError)
    return unreachedBecause(
      (error.cause ?? {}) as { code?: string },
      where,
      error instanceof MongoServerSelectionError,
    )
  return ours.some(kind => error instanceof kind)
    ? new Unreachable(`${where}: the connection was given up`)
    : undefined
}

/** What the driver says of a client whose connection has ended. */
const ours = [
  MongoNotConnectedError,
  MongoTopologyClosedError,
  MongoClientClosedError,
  MongoServerClosedError,
]

function unreachedBecause({ code = '' }: { code?: string }, where: string, late: boolean): RotationError {
  if (!unreachable.test(code) && untrusted.test(code)) return new TlsFailed(`${where}: ${code}`)
  if (late) return new Unreachable(`${where}: no answer in time`)
  // A server that has no TLS hangs up on who begins it, and so does one that wants TLS on who does not.
  if (code === 'ECONNRESET' || !code)
    return new Unreachable(`${where}: the server hung up; is "ssl" in the value what the server has?`, {
      remedy: 'Let "ssl" in the value say whether the server takes TLS.',
    })
  return new Unreachable(`${where}: ${code}`)
}
