import {
  ClientClosedError,
  ConnectionTimeoutError,
  DisconnectsClientError,
  ErrorReply,
  SocketClosedUnexpectedlyError,
  SocketTimeoutError,
} from '@redis/client'
import {
  DatabaseFailed,
  InvalidCredential,
  LoginRefused,
  NotPermitted,
  RotationError,
  TlsFailed,
  Unreachable,
} from '../../errors.ts'
import { TLS_FAILURE_CODE, UNREACHABLE_CODE } from '../networkErrors.ts'
import { TooManyConnections } from '../tooManyConnections.ts'
import { NotRedis, Unfinished, Unreadable } from './redisConnection.ts'

/** A change cannot be saved, because the server has no aclfile (ACL SAVE) or no config file (CONFIG REWRITE). */
export class NoFileToSaveTo extends NotPermitted {}

/** A change cannot be saved, because the server failed to write its config file. */
export class SaveFailed extends NotPermitted {}

/** The server's memory is full. Some servers then refuse every command in a transaction, even a change of users. */
export class OutOfMemory extends Unreachable {}

/**
 * The error for each beginning of an error message. A message begins with a code
 * (https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors). The code ERR has many meanings, so the words
 * after it decide.
 */
const translationByBeginning: [RegExp, (message: string, where: string) => RotationError][] = [
  [
    /^WRONGPASS/,
    (_, where) => new LoginRefused(`${where}: user or password was refused, or the user is off`),
  ],
  [
    /^NOAUTH/,
    (_, where) => new LoginRefused(`${where}: the server no longer accepts the login of this session`),
  ],
  [/^NOPERM/, (message, where) => new NotPermitted(`${where}: ${message}`)],
  [/^DENIED/, (_, where) => new NotPermitted(`${where}: the server's protected mode keeps this address out`)],
  [
    /^(LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN)\b/,
    (message, where) => new Unreachable(`${where}: the server is not ready: ${codeOf(message)}`),
  ],
  [/^OOM\b/, (_, where) => new OutOfMemory(`${where}: OOM, the server's memory is full`)],
  [/^ERR max number of clients/, (_, where) => new TooManyConnections(where)],
  [
    /^ERR DB index is out of range/,
    (_, where) => new InvalidCredential('dbname', `${where}: there is no such database`),
  ],
  [
    /^ERR unknown (sub)?command/,
    (message, where) =>
      new NotPermitted(
        `${where}: ${codeOf(message)}: the server has no such command, or its provider withholds it`,
      ),
  ],
  [
    /^ERR This (Redis )?instance is not configured to use an ACL file/,
    (_, where) => new NoFileToSaveTo(`${where}: the server has no aclfile`),
  ],
  [
    /^ERR The server is running without a config file/,
    (_, where) =>
      new NoFileToSaveTo(
        `${where}: the server has neither an aclfile nor a config file, so a restart would bring the old password back`,
      ),
  ],
  [
    /^ERR Rewriting config file/,
    (message, where) => new SaveFailed(`${where}: ${message}; a restart would bring the old password back`),
  ],
]

/** The code of an error message, with those words after it that never quote what was sent. */
const codeOf = (message: string) =>
  /^[A-Z]+( (unknown (sub)?command|wrong number of arguments|There was an error trying to save the ACLs))?/.exec(
    message,
  )?.[0] ?? 'an answer without a code'

/** The errors of a connection that may pass by themselves. */
const connectionErrors = [
  ConnectionTimeoutError,
  SocketTimeoutError,
  SocketClosedUnexpectedlyError,
  DisconnectsClientError,
  ClientClosedError,
  Unreadable,
  Unfinished,
]

/**
 * Turns an error answer of the server, or an error of the connection, into a RotationError. The server's message is kept only
 * if it names nothing but users, commands, keys and files. A command's arguments must not get into the error, so there is no
 * `cause` either.
 * @param where The login, for the message.
 */
export function translate(error: unknown, where: string): RotationError {
  if (error instanceof RotationError) return error
  if (error instanceof ErrorReply) {
    const message = error.message.replace('EXECABORT Transaction discarded because of: ', '')
    const [, known] = translationByBeginning.find(([beginning]) => beginning.test(message)) ?? []
    return known?.(message, where) ?? new DatabaseFailed(`${where}: ${codeOf(message)}`)
  }
  if (error instanceof NotRedis)
    return new InvalidCredential('engine', `${where}: what answers there is not Redis`)
  if (connectionErrors.some(kind => error instanceof kind))
    return new Unreachable(`${where}: ${(error as Error).message}`)
  const { code = '' } = (error ?? {}) as { code?: string }
  if (UNREACHABLE_CODE.test(code)) return new Unreachable(`${where}: ${code}`)
  if (TLS_FAILURE_CODE.test(code)) return new TlsFailed(`${where}: ${code}`)
  return new Unreachable(`${where}: the driver failed, ${code || (error instanceof Error && error.name)}`)
}
