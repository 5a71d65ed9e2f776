import { createHash, randomBytes } from 'node:crypto'
import { type Duplex, PassThrough } from 'node:stream'
import type pg from 'pg'

const sha256 = (...parts: (Buffer | string)[]) => {
  const digest = createHash('sha256')
  for (const part of parts) digest.update(part)
  return digest.digest()
}

/** What Redshift stores for a password under sha256, as its ALTER USER takes it. */
export function sha256Verifier(password: string, salt = randomBytes(32)): string {
  return `sha256|${sha256(password, salt).toString('hex')}|${salt.toString('hex')}`
}

/**
 * Lets the client log in where Redshift asks for a sha256 digest, which is a message of its own that the driver cannot
 * read. `asked` is called if it does.
 */
export function answerDigest(client: pg.Client, password: string, asked: () => void): void {
  const connection = (client as unknown as { connection: { attachListeners(stream: Duplex): void } })
    .connection
  const attach = connection.attachListeners.bind(connection)
  connection.attachListeners = stream => {
    const rest = new PassThrough()
    attach(rest)
    let first: Buffer | undefined = Buffer.alloc(0)
    stream.on('end', () => rest.end())
    stream.on('data', (data: Buffer) => {
      if (!first) {
        rest.write(data)
        return
      }
      first = Buffer.concat([first, data])
      // Its kind, a byte, and its length, which counts all but that byte.
      const end = first.length < 5 ? Number.POSITIVE_INFINITY : 1 + first.readUInt32BE(1)
      if (first.length < end) return
      const request = digestRequest(first.subarray(0, end))
      if (request) {
        asked()
        stream.write(digestAnswer(password, request))
      }
      rest.write(request ? first.subarray(end) : first)
      first = undefined
    })
  }
}

type Request = { salt: Buffer; nonce: Buffer }

/** `R`, length, 13, 0 for SHA-256, and a salt and a nonce, each after its length. Undefined for any other message. */
function digestRequest(message: Buffer): Request | undefined {
  const [kind, method, algorithm] = ['R'.charCodeAt(0), 13, 0]
  if (message[0] !== kind || message.readUInt32BE(5) !== method || message.readUInt32BE(9) !== algorithm)
    return undefined
  const salt = lengthPrefixed(message, 13)
  return { salt, nonce: lengthPrefixed(message, 17 + salt.length) }
}

const lengthPrefixed = (message: Buffer, at: number) =>
  message.subarray(at + 4, at + 4 + message.readUInt32BE(at))

/** `d`, length, and the digest and a nonce of ours, each after its length. */
function digestAnswer(password: string, { salt, nonce }: Request): Buffer {
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
