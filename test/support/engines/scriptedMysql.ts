import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** What is sent; `end` closes the connection, `reset` breaks it. */
type Step = Buffer | 'end' | 'reset' | 'nothing'
/** What is sent when a connection begins, and then after each time that something came; at last it is closed. */
export type Script = { first: Step; replies?: Step[] }

/** One packet of MySQL's protocol. */
export const packet = (sequence: number, ...payload: (Buffer | string | number[])[]): Buffer => {
  const bytes = Buffer.concat(payload.map(part => Buffer.from(part as string)))
  return Buffer.concat([Buffer.from([bytes.length, bytes.length >> 8, bytes.length >> 16, sequence]), bytes])
}

const SSL = 0x800
/** Bytes of the packet that asks for TLS. */
const SSL_REQUEST = 36

/** What a server begins with; `change` may spoil it. */
export function greetingPacket({
  tls = true,
  plugin = 'caching_sha2_password',
  change = (bytes: Buffer) => bytes,
} = {}): Buffer {
  // All of MySQL's but compression.
  const capabilities = 0x00ff_f7df | (tls ? SSL : 0)
  const low = [capabilities, capabilities >> 8, 255, 2, 0, capabilities >> 16, capabilities >> 24, 21]
  const challenge = Buffer.alloc(20, 'challenge')
  const parts = [[10], '8.4.0\0', [1, 0, 0, 0], challenge.subarray(0, 8), [0], low, Buffer.alloc(10)]
  return packet(0, change(packet(0, ...parts, challenge.subarray(8), [0], `${plugin}\0`).subarray(4)))
}

export const okPacket = (sequence: number) => packet(sequence, [0, 0, 0, 2, 0, 0, 0])

/** A result of one row, of one column. */
export const resultPackets = (name: string, value: string): Buffer => {
  const text = (string: string) => Buffer.concat([Buffer.from([string.length]), Buffer.from(string)])
  const column = [text('def'), text(''), text(''), text(''), text(name), text('')]
  const end = (sequence: number) => packet(sequence, [254, 0, 0, 2, 0])
  return Buffer.concat([
    packet(1, [1]),
    packet(2, ...column, [12, 45, 0, 255, 0, 0, 0, 253, 0, 0, 0, 0, 0]),
    end(3),
    packet(4, text(value)),
    end(5),
  ])
}

/** A server that plays the script to everybody who comes, whatever they say, over TLS once it is asked for. */
export async function startScriptedMysql(
  { first, replies = [] }: Script,
  certificate?: { caFile: string; keyFile: string },
) {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    let next = 0
    const say = (to: Socket, what: Step) => {
      if (what === 'reset') socket.resetAndDestroy()
      else if (what === 'end') to.end()
      else if (what !== 'nothing') to.write(what)
    }
    const answer = (to: Socket) => () => say(to, replies[next++] ?? 'end')
    socket.on('error', () => {})
    say(socket, first)
    if (!certificate) {
      socket.on('data', answer(socket))
      return
    }
    socket.once('data', data => {
      socket.pause()
      // What came with the request for TLS is its beginning.
      socket.unshift(data.subarray(SSL_REQUEST))
      const { caFile, keyFile } = certificate
      const [cert, key] = [readFileSync(caFile), readFileSync(keyFile)]
      const secure = new TLSSocket(socket, { isServer: true, cert, key })
      secure.on('error', () => {})
      secure.on('data', answer(secure))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
