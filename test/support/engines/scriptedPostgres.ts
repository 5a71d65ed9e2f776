import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { makeCertificate } from '../../../local/servers/certificate.ts'
import { Credential } from '../../../rotation/credential.ts'

/** @returns a number as four bytes */
export const uint32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
/** @returns one message of PostgreSQL's protocol, whose kind is one letter */
export const serverMessage = (kind: string, ...parts: (Buffer | string)[]) => {
  const body = Buffer.concat(parts.map(part => Buffer.from(part as string)))
  return Buffer.concat([Buffer.from(kind), uint32(body.length + 4), body])
}
/** @returns the message by which a server asks for a way to authenticate. `way` is its number in the protocol. */
export const authenticationRequest = (way: number, ...parts: (Buffer | string)[]) =>
  serverMessage('R', uint32(way), ...parts)
export const authenticationOk = authenticationRequest(0)
export const readyForQuery = serverMessage('Z', 'I')
export const errorResponse = (code: string, text: string, routine = '') =>
  serverMessage('E', `SFATAL\0VFATAL\0C${code}\0M${text}\0R${routine}\0\0`)
/** @returns the messages of a result with one row, by its columns */
export const rowMessages = (values: Record<string, string>) => {
  const count = Buffer.from([0, Object.keys(values).length])
  return [
    serverMessage('T', count, ...Object.keys(values).map(column)),
    serverMessage('D', count, ...Object.values(values).flatMap(value => [uint32(value.length), value])),
    serverMessage('C', 'SELECT 1\0'),
  ]
}
const column = (name: string) =>
  Buffer.concat([
    Buffer.from(`${name}\0`),
    Buffer.alloc(6),
    uint32(25),
    Buffer.from([255, 255, 255, 255, 255, 255, 0, 0]),
  ])

/** What a scripted server does with a client once it is connected, over TLS if it has that. `next` waits for its next bytes. */
export type Script = (stream: Duplex, next: () => Promise<Buffer>) => Promise<void> | void

/**
 * Starts a server that follows the script with each client. If `tls`, it expects the client's request for TLS, which it answers
 * with `answer`. If `hangsUp`, it closes a connection when the client does.
 */
export async function startScriptedPostgres(
  script: Script,
  { tls = false, answer = 'S' as Buffer | string, hangsUp = true } = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'keyturn-scripted-'))
  const { caFile, keyFile } = await makeCertificate(folder)
  const [cert, key] = [readFileSync(caFile), readFileSync(keyFile)]
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: !hangsUp }, async socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    let stream: Duplex = socket
    if (tls) {
      await once(socket, 'data').catch(() => {})
      socket.write(answer)
      if (String(answer) !== 'S') return
      stream = new TLSSocket(socket, { isServer: true, cert, key })
      stream.on('error', () => {})
    }
    const waiting: Buffer[] = []
    let arrived = () => {}
    stream.on('data', data => {
      waiting.push(data)
      arrived()
    })
    const next = async () => {
      while (!waiting.length)
        await new Promise<void>(resolve => {
          arrived = resolve
        })
      return waiting.shift() ?? Buffer.alloc(0)
    }
    await script(stream, next)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    caFile,
    credential: (more: Record<string, unknown> = {}) =>
      Credential.parse(
        JSON.stringify({
          engine: 'postgres',
          host: '127.0.0.1',
          port,
          username: 'app',
          password: 'p',
          ssl: tls,
          ...more,
        }),
      ),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
