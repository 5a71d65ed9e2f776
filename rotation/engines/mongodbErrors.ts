import {
  MongoCompatibilityError,
  MongoError,
  MongoNetworkError,
  MongoNetworkTimeoutError,
  MongoServerError,
  MongoServerSelectionError,
} from 'mongodb'
import {
  Conflict,
  DatabaseFailed,
  LoginRefused,
  NotPermitted,
  RotationError,
  TlsFailed,
  Unreachable,
} from '../errors.ts'
import { untrusted } from './networkErrors.ts'
import { NoSuchUser } from './noSuchUser.ts'

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

/**
 * A driver's error as one of ours. The server's words are never kept, as they may quote the command; so no `cause` is
 * kept either.
 */
export function translate(error: unknown, where: string): unknown {
  if (error instanceof RotationError || !(error instanceof MongoError)) return error
  if (error instanceof MongoServerError) {
    // Amazon DocumentDB's words, whose code nobody tells.
    if (error.message.startsWith('Unsupported mechanism')) return otherMechanism(where)
    const code = Number(error.code)
    return (byCode[code] ?? (() => new DatabaseFailed(`${where}: error ${code}`)))(where)
  }
  if (error instanceof MongoCompatibilityError)
    return new DatabaseFailed(`${where}: the server is older than MongoDB 4.4 or DocumentDB 5.0`)
  const { code = '' } = (error.cause ?? {}) as { code?: string }
  if (untrusted.test(code)) return new TlsFailed(`${where}: ${code}`)
  if (error instanceof MongoNetworkTimeoutError || error instanceof MongoServerSelectionError)
    return new Unreachable(`${where}: no answer in time`)
  // A server that has no TLS hangs up on who begins it, and so does one that wants TLS on who does not.
  if (error instanceof MongoNetworkError && (code === 'ECONNRESET' || !code))
    return new Unreachable(`${where}: the server hung up; is "ssl" in the value what the server has?`)
  if (error instanceof MongoNetworkError) return new Unreachable(`${where}: ${code}`)
  return error
}
