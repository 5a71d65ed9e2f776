import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** Bytes to send, or what else to do with the connection: `reset` ends it with a TCP reset. */
type Step = Buffer | 'end' | 'reset' | 'nothing'
/** What a server does when a client connects, and then each time that it receives bytes. After that, it closes. */
export type Script = { first: Step; replies?: Step[] }

/** @returns one packet of MySQL's protocol */
export const packet = (sequence: number, ...payload: (Buffer | string | number[])[]): Buffer => {
  const bytes = Buffer.concat(payload.map(part => Buffer.from(part as string)))
  return Buffer.concat([Buffer.from([bytes.length, bytes.length >> 8, bytes.length >> 16, sequence]), bytes])
}

/** The capability flag for TLS. */
const CLIENT_SSL = 0x800
/** The length of the packet by which a client asks for TLS. */
const SSL_REQUEST_BYTES = 36

/** @returns the first packet of a server, whose payload `change` may change */
export function greetingPacket({
  tls = true,
  plugin = 'caching_sha2_password',
  change = (bytes: Buffer) => bytes,
} = {}): Buffer {
  // All capabilities of MySQL except compression.
  const capabilities = 0x00ff_f7df | (tls ? CLIENT_SSL : 0)
  const low = [capabilities, capabilities >> 8, 255, 2, 0, capabilities >> 16, capabilities >> 24, 21]
  const challenge = Buffer.alloc(20, 'challenge')
  const parts = [[10], '8.4.0\0', [1, 0, 0, 0], challenge.subarray(0, 8), [0], low, Buffer.alloc(10)]
  return packet(0, change(packet(0, ...parts, challenge.subarray(8), [0], `${plugin}\0`).subarray(4)))
}

/** @returns the packet that says that a statement succeeded */
export const okPacket = (sequence: number) => packet(sequence, [0, 0, 0, 2, 0, 0, 0])

/** @returns the packets of a result with one row and one column */
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

/** Starts a server that follows the script with each client, whatever the client sends, over TLS if it has a certificate. */
export async function startScriptedMysql(
  { first, replies = [] }: Script,
  certificate?: { caFile: string; keyFile: string },
) {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    let next = 0
    const perform = (to: Socket, step: Step) => {
      if (step === 'reset') socket.resetAndDestroy()
      else if (step === 'end') to.end()
      else if (step !== 'nothing') to.write(step)
    }
    const answer = (to: Socket) => () => perform(to, replies[next++] ?? 'end')
    socket.on('error', () => {})
    perform(socket, first)
    if (!certificate) {
      socket.on('data', answer(socket))
      return
    }
    socket.once('data', data => {
      socket.pause()
      // Bytes that came after the request for TLS are the beginning of the TLS handshake.
      socket.unshift(data.subarray(SSL_REQUEST_BYTES))
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
