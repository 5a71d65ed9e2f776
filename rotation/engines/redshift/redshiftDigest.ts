import { createHash, randomBytes } from 'node:crypto'
import type { AuthenticationResponder } from '../postgres/postgresProof.ts'

const sha256 = (...parts: (Buffer | string)[]) => {
  const digest = createHash('sha256')
  for (const part of parts) digest.update(part)
  return digest.digest()
}

/** What Redshift stores for a password under sha256, as its ALTER USER takes it. */
export function sha256PasswordHash(password: string, salt = randomBytes(32)): string {
  return `sha256|${sha256(password, salt).toString('hex')}|${salt.toString('hex')}`
}

/**
 * What answers where Redshift asks for a sha256 digest, which is a request of its own that the driver cannot read; there
 * is no answer to any other.
 */
export function digestResponder(password: string): AuthenticationResponder {
  return body => {
    const request = digestRequest(body)
    return request && { bytes: digestAnswer(password, request), proof: 'sha256' }
  }
}

type DigestRequest = { salt: Buffer; nonce: Buffer }

/** 13, 0 for SHA-256, and a salt and a nonce, each after its length. Undefined for any other request. */
function digestRequest(body: Buffer): DigestRequest | undefined {
  const [method, algorithm] = [13, 0]
  if (body.length < 12 || body.readUInt32BE(0) !== method || body.readUInt32BE(4) !== algorithm)
    return undefined
  const salt = lengthPrefixed(body, 8)
  return { salt, nonce: lengthPrefixed(body, 12 + salt.length) }
}

const lengthPrefixed = (body: Buffer, at: number) => body.subarray(at + 4, at + 4 + body.readUInt32BE(at))

/** `d`, length, and the digest and a nonce of ours, each after its length. */
function digestAnswer(password: string, { salt, nonce }: DigestRequest): Buffer {
  const mine = Buffer.from(randomBytes(16).toString('hex'))
  const digest = sha256(sha256(password, salt), nonce, mine)
  const body = [uint32(digest.length), digest, uint32(mine.length), mine]
  const length = body.reduce((sum, part) => sum + part.length, 4)
  return Buffer.concat([Buffer.from('d'), uint32(length), ...body])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
