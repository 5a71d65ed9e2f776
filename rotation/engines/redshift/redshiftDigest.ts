import { createHash, randomBytes } from 'node:crypto'
import type { AuthenticationResponder } from '../postgres/postgresProof.ts'

const sha256 = (...parts: (Buffer | string)[]) => {
  const digest = createHash('sha256')
  for (const part of parts) digest.update(part)
  return digest.digest()
}

/**
 * Computes what Redshift stores for a password in the form sha256, as ALTER USER accepts it: `sha256|<digest>|<salt>`, both in
 * hexadecimal (https://docs.aws.amazon.com/redshift/latest/dg/r_CREATE_USER.html).
 */
export function sha256PasswordHash(password: string, salt = randomBytes(32)): string {
  return `sha256|${sha256(password, salt).toString('hex')}|${salt.toString('hex')}`
}

/**
 * Answers Redshift's own authentication request for a sha256 digest, which the driver does not know. It has no answer to other
 * requests. AWS's drivers show the format: AUTH_REQ_DIGEST in core/v3/ConnectionFactoryImpl.java of
 * https://github.com/aws/amazon-redshift-jdbc-driver.
 */
export function digestResponder(password: string): AuthenticationResponder {
  return body => {
    const request = digestRequest(body)
    return request && { bytes: digestAnswer(password, request), proof: 'sha256' }
  }
}

type DigestRequest = { salt: Buffer; nonce: Buffer }

/**
 * Reads a request for a digest: the number 13, 0 for SHA-256, and a salt and a nonce, each after its length.
 * @returns undefined if it is another request
 */
function digestRequest(body: Buffer): DigestRequest | undefined {
  const [method, algorithm] = [13, 0]
  if (body.length < 12 || body.readUInt32BE(0) !== method || body.readUInt32BE(4) !== algorithm)
    return undefined
  const salt = lengthPrefixed(body, 8)
  return { salt, nonce: lengthPrefixed(body, 12 + salt.length) }
}

/** The bytes after a length of four bytes at this place. */
const lengthPrefixed = (body: Buffer, at: number) => body.subarray(at + 4, at + 4 + body.readUInt32BE(at))

/** Makes the answer: `d`, the message's length, and the digest and the client's nonce, each after its length. */
function digestAnswer(password: string, { salt, nonce }: DigestRequest): Buffer {
  const clientNonce = Buffer.from(randomBytes(16).toString('hex'))
  const digest = sha256(sha256(password, salt), nonce, clientNonce)
  const body = [uint32(digest.length), digest, uint32(clientNonce.length), clientNonce]
  const length = body.reduce((sum, part) => sum + part.length, 4)
  return Buffer.concat([Buffer.from('d'), uint32(length), ...body])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
