import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import { BSON, type Document } from 'mongodb'

/** Who answers the commands of one connection. */
export interface CommandHandler {
  /** @throws if there is nothing to answer: then the connection is cut */
  run(command: Document): Promise<Document>
  /** Called when all answers are given. */
  end(): Promise<void>
}

/**
 * Listens for MongoDB's protocol on a free port of 127.0.0.1, with TLS or without, as each client begins: `answering`
 * makes who answers a connection, and is told whether that is over TLS.
 */
export async function listenForCommands(
  { caFile, keyFile }: { caFile: string; keyFile: string },
  answering: (tls: boolean) => CommandHandler,
): Promise<{ port: number; stop(): void }> {
  const context = createSecureContext({ cert: readFileSync(caFile), key: readFileSync(keyFile) })
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy())
    socket.once('data', first => {
      socket.pause()
      socket.unshift(first)
      // The first byte of a TLS handshake; a message of MongoDB begins with its length.
      const tls = first[0] === 0x16
      serveConnection(tls ? secureSocket(socket, context) : socket, answering(tls))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const stop = () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  return { port: (server.address() as AddressInfo).port, stop }
}

function secureSocket(socket: Socket, secureContext: SecureContext): TLSSocket {
  const secure = new TLSSocket(socket, { isServer: true, secureContext })
  return secure.on('error', () => socket.destroy())
}

/** Answers the messages of one connection, one after the other. */
function serveConnection(socket: Socket, connection: CommandHandler): void {
  let bytes = Buffer.alloc(0)
  let answers = Promise.resolve()
  socket.on('data', chunk => {
    bytes = Buffer.concat([bytes, chunk])
    while (bytes.length >= 4 && bytes.length >= bytes.readInt32LE()) {
      const message = bytes.subarray(0, bytes.readInt32LE())
      bytes = bytes.subarray(message.length)
      answers = answers.then(async () => {
        try {
          socket.write(await answerMessage(message, command => connection.run(command)))
        } catch {
          socket.destroy()
        }
      })
    }
  })
  socket.on('close', () => answers.finally(() => connection.end()))
  socket.resume()
}

const OP_REPLY = 1
const OP_QUERY = 2004
const OP_MSG = 2013

/** A driver says hello by OP_QUERY, and all else by OP_MSG. */
async function answerMessage(
  message: Buffer,
  run: (command: Document) => Promise<Document>,
): Promise<Buffer> {
  const query = message.readInt32LE(12) === OP_QUERY
  const start = query ? message.indexOf(0, 20) + 1 + 8 : 21
  const reply = Buffer.from(BSON.serialize(await run(BSON.deserialize(message.subarray(start)))))
  const prefix = query ? Buffer.alloc(20) : Buffer.alloc(5)
  if (query) prefix.writeInt32LE(1, 16)
  const header = Buffer.alloc(16)
  header.writeInt32LE(header.length + prefix.length + reply.length, 0)
  message.copy(header, 8, 4, 8)
  header.writeInt32LE(query ? OP_REPLY : OP_MSG, 12)
  return Buffer.concat([header, prefix, reply])
}
