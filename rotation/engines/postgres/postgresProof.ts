import type { Duplex } from 'node:stream'
import type pg from 'pg'
import { NotPermitted } from '../../errors.ts'
import {
  connectionOf,
  type Message,
  ProtocolError,
  type RowFilter,
  watchMessages,
} from './postgresMessages.ts'

/**
 * The way in which a login proved the password. `password` is clear text, which the server may compare with anything. The
 * others show in which form the server stores the password; `scram-sha-256` comes with its number of iterations.
 */
export type PasswordProof = 'password' | 'md5' | 'sha256' | `scram-sha-256:${number}`

/**
 * The most SCRAM iterations that Keyturn accepts at a login and for a new password. It is the default limit of drivers such
 * as pg (`scramMaxIterations`) and PostgreSQL's JDBC driver, and takes a small Lambda function a third of a second.
 */
export const MAX_SCRAM_ITERATIONS_COUNT = 100_000

/** @returns the iterations of a PasswordProof, or of an account qualifier made from one; undefined if it is not SCRAM */
export function scramIterationsOf(proof: string): number | undefined {
  const [, iterations] = /^scram-sha-256:(\d+)$/.exec(proof) ?? []
  return iterations ? Number(iterations) : undefined
}

/** What a server has told during a login. */
export type LoginDetails = {
  /** Undefined if the server has not asked for a password. */
  proof?: PasswordProof | undefined
  /** The server's version as it names it, such as `17.2 (Debian 17.2-1)`. */
  version?: string | undefined
  /** The salt of the SCRAM verifier that the password was compared with. */
  salt?: Buffer | undefined
}

/**
 * Answers an authentication request that the driver cannot answer. `request` is the body of the server's message.
 * @returns the bytes to send and what they prove; undefined if it is another request
 */
export type AuthenticationResponder = (request: Buffer) => { bytes: Buffer; proof: PasswordProof } | undefined

/**
 * The kinds of messages that a server sends during a login: authentication, error, notice, parameter, key data, ready
 * (https://www.postgresql.org/docs/current/protocol-message-formats.html).
 */
const LOGIN_MESSAGE_KINDS = 'RENSKZ'
/** The longest message during a login, which is also libpq's limit (MAX_ERRLEN in src/interfaces/libpq/fe-connect.c). */
const MAX_LOGIN_MESSAGE_BYTES = 30_000

/**
 * Watches a login. If the server requires an authentication method that Keyturn does not have, the login fails with
 * NotPermitted, which names the method; the driver would not tell.
 * @returns the details, an object that is filled in as the server's messages arrive
 */
export function watchLogin(
  client: pg.Client,
  where: string,
  rows: RowFilter,
  respond?: AuthenticationResponder,
): LoginDetails {
  const details: LoginDetails = {}
  let loggedIn = false
  const inspect = ({ kind, body }: Message, stream: Duplex) => {
    if (loggedIn) return true
    if (!LOGIN_MESSAGE_KINDS.includes(kind))
      throw new ProtocolError(`a message ${JSON.stringify(kind)} at a login`)
    loggedIn = kind === 'Z'
    if (kind === 'S') {
      const [name, value] = body.toString().split('\0')
      if (name === 'server_version') details.version = value
    }
    if (kind !== 'R') return true

    const response = respond?.(body)
    if (response) {
      details.proof = response.proof
      stream.write(response.bytes)
      return false
    }
    details.proof = proofOf(body, where) ?? details.proof
    details.salt ??= saltOf(body)
    return true
  }
  watchMessages(client, inspect, rows, () => (loggedIn ? undefined : MAX_LOGIN_MESSAGE_BYTES))
  return details
}

/** The salt in the server's first SCRAM message (https://www.rfc-editor.org/rfc/rfc5802#section-7). */
function saltOf(request: Buffer): Buffer | undefined {
  const [, salt] = /,s=([\w+/]+=*),/.exec(request.toString('latin1')) ?? []
  return salt === undefined ? undefined : Buffer.from(salt, 'base64')
}

/**
 * The authentication methods that the driver does not have, by the number in the server's request
 * (https://www.postgresql.org/docs/current/protocol-message-formats.html).
 */
const UNSUPPORTED_METHODS: Record<number, string> = {
  2: 'Kerberos 5',
  6: 'SCM credentials',
  7: 'GSSAPI',
  8: 'GSSAPI',
  9: 'SSPI',
}

/**
 * Reads which proof of the password an authentication request asks for.
 * @returns undefined if it does not ask for one, or only later
 * @throws NotPermitted if the driver does not have the method, or if its iterations would take too long
 */
function proofOf(request: Buffer, where: string): PasswordProof | undefined {
  const kind = request.length < 4 ? -1 : request.readInt32BE(0)
  const text = request.toString('utf8', 4)
  switch (kind) {
    case 0: // AuthenticationOk
    case 12: // AuthenticationSASLFinal
      return undefined
    case 3: // AuthenticationCleartextPassword
      return 'password'
    case 5: // AuthenticationMD5Password
      return 'md5'
    // AuthenticationSASL, which lists the mechanisms that the server offers
    case 10: {
      const mechanisms = text.split('\0').filter(name => name)
      if (!mechanisms.includes('SCRAM-SHA-256')) throw unsupportedMethodError(where, mechanisms.join(' or '))
      return undefined
    }
    // AuthenticationSASLContinue, the server's first SCRAM message
    case 11: {
      const iterations = Number(/,i=(\d+)/.exec(text)?.[1])
      if (iterations > MAX_SCRAM_ITERATIONS_COUNT) throw tooManyIterationsError(where, iterations)
      return iterations ? `scram-sha-256:${iterations}` : undefined
    }
    default:
      throw unsupportedMethodError(where, UNSUPPORTED_METHODS[kind] ?? `the way of number ${kind}`)
  }
}

function unsupportedMethodError(where: string, method: string): NotPermitted {
  return new NotPermitted(
    `${where}: the server wants a login by ${method.replace(/[^\w .-]/g, '?').slice(0, 100)}, and Keyturn has a password; ` +
      'let a line of pg_hba.conf ask this user for scram-sha-256',
  )
}

/** The error for a password that was set, or would be set, while `scram_iterations` was too high for drivers. */
export function tooManyIterationsError(where: string, iterations: number): NotPermitted {
  return new NotPermitted(
    `${where}: scram_iterations of ${iterations} is more than the ${MAX_SCRAM_ITERATIONS_COUNT} that drivers log in with; ` +
      'set it lower, for the server, the database and the role, and set the password again',
  )
}

/**
 * Records the first byte of the server's answer to the driver's request for TLS, which the driver does not report.
 * @returns a function that returns the byte as a character; undefined if the server has not answered
 */
export function watchTlsAnswer(client: pg.Client): () => string | undefined {
  let first: string | undefined
  connectionOf(client).stream.prependOnceListener('data', (data: Buffer) => {
    first = data.toString('latin1', 0, 1)
  })
  return () => first
}
