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
 * How a server had the password proven at a login: in clear text, which it may compare with anything; or by what it
 * keeps of the password, `scram-sha-256` with the number of its iterations.
 */
export type PasswordProof = 'password' | 'md5' | 'sha256' | `scram-sha-256:${number}`

/**
 * The most iterations that Keyturn logs in with and makes a verifier with. It is what drivers allow unless they are told
 * otherwise, pg and PostgreSQL's for Java among them, and takes a small function a third of a second.
 */
export const MAX_SCRAM_ITERATIONS_COUNT = 100_000

/** The iterations of a SCRAM proof, if it is one. */
export function scramIterationsOf(proof: string): number | undefined {
  const [, iterations] = /^scram-sha-256:(\d+)$/.exec(proof) ?? []
  return iterations ? Number(iterations) : undefined
}

/** What a login has told so far. */
export type LoginDetails = {
  /** Undefined if the server has not asked for a password. */
  proof?: PasswordProof | undefined
  /** As the server names it. */
  version?: string | undefined
  /** Of the verifier that the password was compared with. */
  salt?: Buffer | undefined
}

/** What a kind of server asks for that the driver cannot answer: the answer and what it proves, if it is that. */
export type AuthenticationResponder = (request: Buffer) => { bytes: Buffer; proof: PasswordProof } | undefined

/** The kinds of messages that a server sends until a login is over; libpq takes no longer ones either. */
const LOGIN_MESSAGE_KINDS = 'RENSKZ'
const MAX_LOGIN_MESSAGE_BYTES = 30_000

/**
 * Listens to a login, and says what the driver would not: which way of logging in the server wants that Keyturn has not.
 * @returns what the server tells, filled in as it does
 */
export function watchLogin(
  client: pg.Client,
  where: string,
  rows: RowFilter,
  answer?: AuthenticationResponder,
): LoginDetails {
  const told: LoginDetails = {}
  let over = false
  const look = ({ kind, body }: Message, stream: Duplex) => {
    if (over) return true
    if (!LOGIN_MESSAGE_KINDS.includes(kind))
      throw new ProtocolError(`a message ${JSON.stringify(kind)} at a login`)
    over = kind === 'Z'
    if (kind === 'S') {
      const [name, value] = body.toString().split('\0')
      if (name === 'server_version') told.version = value
    }
    if (kind !== 'R') return true
    const answered = answer?.(body)
    if (answered) {
      told.proof = answered.proof
      stream.write(answered.bytes)
      return false
    }
    told.proof = proofOf(body, where) ?? told.proof
    told.salt ??= saltOf(body)
    return true
  }
  watchMessages(client, look, rows, () => (over ? undefined : MAX_LOGIN_MESSAGE_BYTES))
  return told
}

/** The salt that a server names when it begins with SCRAM. */
function saltOf(request: Buffer): Buffer | undefined {
  const [, salt] = /,s=([\w+/]+=*),/.exec(request.toString('latin1')) ?? []
  return salt === undefined ? undefined : Buffer.from(salt, 'base64')
}

/** The ways of logging in that the driver throws at, by their numbers. */
const UNSUPPORTED_METHODS: Record<number, string> = {
  2: 'Kerberos 5',
  6: 'SCM credentials',
  7: 'GSSAPI',
  8: 'GSSAPI',
  9: 'SSPI',
}

/** @throws NotPermitted if the driver has no way to log in like this, or not safely */
function proofOf(request: Buffer, where: string): PasswordProof | undefined {
  const kind = request.length < 4 ? -1 : request.readInt32BE(0)
  const text = request.toString('utf8', 4)
  switch (kind) {
    case 0:
    case 12:
      return undefined
    case 3:
      return 'password'
    case 5:
      return 'md5'
    case 10: {
      const mechanisms = text.split('\0').filter(name => name)
      if (!mechanisms.includes('SCRAM-SHA-256')) throw unsupportedMethodError(where, mechanisms.join(' or '))
      return undefined
    }
    case 11: {
      const iterations = Number(/,i=(\d+)/.exec(text)?.[1])
      if (iterations > MAX_SCRAM_ITERATIONS_COUNT) throw tooManyIterationsError(where, iterations)
      return iterations ? `scram-sha-256:${iterations}` : undefined
    }
    default:
      throw unsupportedMethodError(where, UNSUPPORTED_METHODS[kind] ?? `the way of number ${kind}`)
  }
}

function unsupportedMethodError(where: string, way: string): NotPermitted {
  return new NotPermitted(
    `${where}: the server wants a login by ${way.replace(/[^\w .-]/g, '?').slice(0, 100)}, and Keyturn has a password; ` +
      'let a line of pg_hba.conf ask this user for scram-sha-256',
  )
}

/** What a password with too many iterations means: it was set while `scram_iterations` was too high, or is to be. */
export function tooManyIterationsError(where: string, iterations: number): NotPermitted {
  return new NotPermitted(
    `${where}: scram_iterations of ${iterations} is more than the ${MAX_SCRAM_ITERATIONS_COUNT} that drivers log in with; ` +
      'set it lower, for the server, the database and the role, and set the password again',
  )
}

/** The first byte with which the server answers to whether it has TLS, which the driver does not tell. */
export function watchTlsAnswer(client: pg.Client): () => string | undefined {
  let first: string | undefined
  connectionOf(client).stream.prependOnceListener('data', (data: Buffer) => {
    first = data.toString('latin1', 0, 1)
  })
  return () => first
}
