import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'

/** @returns a number from 0 up to 1 */
export type Random = () => number

/** Makes a source of numbers that are the same for the same seed. */
export function seededRandom(seed: string): Random {
  let drawn = 0
  return () => createHash('sha256').update(`${seed} ${drawn++}`).digest().readUInt32BE() / 2 ** 32
}

const choose = <T>(random: Random, list: readonly T[]) => list[Math.floor(random() * list.length)] as T
/** @returns so many random bytes */
export const randomBytesOf = (random: Random, length: number) =>
  Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)))

/** Names and bytes of what other kinds of servers send, and of what no server sends. */
export const garbage: [string, Buffer][] = (
  [
    ['HTTP', 'HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'],
    ['SSH', 'SSH-2.0-OpenSSH_9.9\r\n'],
    ['SMTP', '220 mail.example.com ESMTP\r\n'],
    ['POP3', '+OK ready\r\n'],
    ['IMAP', '* OK IMAP4rev1 ready\r\n'],
    ['memcached', 'ERROR\r\n'],
    ['PostgreSQL with too many clients', 'Esorry, too many clients already\n\0'],
    ['PostgreSQL without TLS', 'N'],
    ['PostgreSQL with TLS', 'S'],
    ['PostgreSQL that asks for a password', 'R\0\0\0\u0008\0\0\0\u0003'],
    ['MySQL', '\u004a\0\0\0\u000a8.4.0\0\u0008\0\0\0abcdefgh\0'],
    ['Kafka or AMQP', 'AMQP\0\0\u0009\u0001'],
    ['an alert of TLS', '\u0015\u0003\u0003\0\u0002\u0002\u0028'],
    ['a handshake of TLS', '\u0016\u0003\u0003\0\u007a\u0002'],
    ['a status', '+OK\r\n'],
    ['another status', '+PONG\r\n'],
    ['two statuses', '+OK\r\n+OK\r\n'],
    ['a status and something else', '+OK\r\nwhat?\r\n'],
    ['a number', ':1\r\n'],
    ['an invalid number', ':x\r\n'],
    ['a null text', '$-1\r\n'],
    ['a null list', '*-1\r\n'],
    ['an empty list', '*0\r\n'],
    ['a list of an invalid length', '*x\r\n'],
    ['a list that is too long', '*99999999999\r\n'],
    ['a text that never ends', '$99999999\r\nx'],
    ['a text of an invalid length', '$x\r\nx\r\n'],
    ['lists in lists', '*1\r\n'.repeat(20_000)],
    ['a push of RESP 3', '>2\r\n+invalidate\r\n*0\r\n'],
    ['an odd push', '>1\r\n:1\r\n'],
    ['a subscription', '>3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n'],
    ['the end of a subscription', '>3\r\n$12\r\nsunsubscribe\r\n$1\r\nx\r\n:1\r\n'.repeat(3)],
    ['a map of RESP 3', '%1\r\n+a\r\n:1\r\n'],
    ['a set, a double, a big number', '~1\r\n:1\r\n,x\r\n(x\r\n'],
    ['true, null, a verbatim text', '#t\r\n_\r\n=3\r\nx\r\n'],
    ['an error without words', '-\r\n'],
    ['an error', '-ERR what?\r\n'],
    ['an error of RESP 3', '!5\r\nERR x\r\n'],
    ['a negative length', '\xff\xff\xff\xff'],
    ['the length of nothing', '\0\0\0\0'],
    ['a message without a body', '\u0010\0\0\0\u0001\0\0\0\u0001\0\0\0\u00dd\u0007\0\0'],
    [
      'a message that is no document',
      `\u0020\0\0\0\u0001\0\0\0\u0001\0\0\0\u00dd\u0007\0\0\0\0\0\0\0\xff\xff\xff\x7f${'x'.repeat(7)}`,
    ],
    ['a message of another kind', `\u0014\0\0\0\u0001\0\0\0\u0001\0\0\0\u00d4\u0007\0\0abcd`],
    [
      'a compressed message',
      `\u0020\0\0\0\u0001\0\0\0\u0001\0\0\0\u00dc\u0007\0\0\u00dd\u0007\0\0\u0020\0\0\0\u0002abcdefg`,
    ],
  ] as const
).map(([name, text]) => [name, Buffer.from(text, 'latin1')])

type Listening = { port: number; stop(): void }
type Certificate = { cert: Buffer; key: Buffer }

/** Listens on a free port of 127.0.0.1, with TLS if a certificate is given, and passes each connection to `serve`. */
export async function listenLocally(
  serve: (socket: Socket) => void,
  certificate?: Certificate,
): Promise<Listening> {
  const sockets = new Set<Socket>()
  const accept = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    serve(socket)
  }
  const server = certificate ? createTlsServer(certificate, accept) : createServer(accept)
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const stop = () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  return { port: (server.address() as AddressInfo).port, stop }
}

/** Changes bytes that a server sent. @returns the bytes to pass on, none if empty; undefined to close the connection */
type Garble = (chunk: Buffer) => Buffer | undefined

/** Passes all bytes to the server at `port`, and its answers back through the Garble of the connection. */
export function startProxy(
  port: number,
  garbleOf: () => Garble,
  certificate?: Certificate,
): Promise<Listening> {
  return listenLocally(socket => {
    const server = connect(port, '127.0.0.1')
    const garble = garbleOf()
    server.on('error', () => socket.destroy()).on('close', () => socket.end())
    socket.on('close', () => server.destroy())
    socket.on('data', chunk => server.write(chunk))
    server.on('data', chunk => {
      const answer = garble(chunk)
      if (answer) socket.write(answer)
      else if (answer === undefined) socket.destroy()
    })
  }, certificate)
}

/** Makes a Garble that passes up to 11 chunks unchanged, and then breaks each in a random way. */
export function makeGarble(random: Random): Garble {
  let unchangedCount = Math.floor(random() * 12)
  return chunk => {
    if (unchangedCount-- > 0) return chunk
    const at = Math.floor(random() * (chunk.length + 1))
    const [start, end] = [chunk.subarray(0, at), chunk.subarray(at)]
    const way = choose(random, [
      'flip',
      'flip',
      'flip',
      'cut',
      'insert',
      'repeat',
      'other',
      'noise',
      'silence',
      'end',
    ])
    if (way === 'flip') {
      const flipped = Buffer.from(chunk)
      for (let n = 0; n < 1 + random() * 3; n++)
        flipped[Math.floor(random() * flipped.length)] = Math.floor(random() * 256)
      return flipped
    }
    if (way === 'cut') return start
    if (way === 'insert') return Buffer.concat([start, randomBytesOf(random, 1 + random() * 9), end])
    if (way === 'repeat') return Buffer.concat([chunk, chunk])
    if (way === 'other') return choose(random, garbage)[1]
    if (way === 'noise') return randomBytesOf(random, 1 + random() * 99)
    if (way === 'silence') return Buffer.alloc(0)
    return undefined
  }
}
