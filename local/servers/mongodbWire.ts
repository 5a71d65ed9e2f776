import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls'
import { BSON, type Document } from 'mongodb'

/** Answers the commands of one connection. */
export interface CommandHandler {
  /** Answers a command. If it throws, the connection is closed without an answer. */
  run(command: Document): Promise<Document>
  /** Called when the connection is closed and all commands are answered. */
  end(): Promise<void>
}

/**
 * Listens for connections in MongoDB's wire protocol on a free port of 127.0.0.1, with and without TLS.
 * https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
 * @param makeHandler makes what answers a connection's commands; called with whether the connection has TLS
 */
export async function listenForCommands(
  { caFile, keyFile }: { caFile: string; keyFile: string },
  makeHandler: (tls: boolean) => CommandHandler,
): Promise<{ port: number; stop(): void }> {
  const context = createSecureContext({ cert: readFileSync(caFile), key: readFileSync(keyFile) })
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy())
    socket.once('data', first => {
      socket.pause()
      socket.unshift(first)
      // A TLS handshake begins with 22, 3 and 1 or 3 (RFC 8446, 5.1). A message of MongoDB begins with its length, the lowest byte
      // first. With these three bytes it would be longer than 64 KiB, which a driver's first message never is.
      const tls = first[0] === 22 && first[1] === 3 && first[2] !== 0
      serveConnection(tls ? secureSocket(socket, context) : socket, makeHandler(tls))
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
function serveConnection(socket: Socket, handler: CommandHandler): void {
  let bytes = Buffer.alloc(0)
  let answers = Promise.resolve()
  socket.on('data', chunk => {
    bytes = Buffer.concat([bytes, chunk])
    while (bytes.length >= 4 && bytes.length >= bytes.readInt32LE()) {
      const message = bytes.subarray(0, bytes.readInt32LE())
      bytes = bytes.subarray(message.length)
      answers = answers.then(async () => {
        try {
          socket.write(await answerMessage(message, command => handler.run(command)))
        } catch {
          socket.destroy()
        }
      })
    }
  })
  socket.on('close', () => answers.finally(() => handler.end()))
  socket.resume()
}

// Op codes: what kind of message it is.
const OP_REPLY = 1
const OP_QUERY = 2004
const OP_MSG = 2013

/** Answers a message: OP_QUERY, in which drivers send their first command, or OP_MSG, in which they send all others. */
async function answerMessage(
  message: Buffer,
  run: (command: Document) => Promise<Document>,
): Promise<Buffer> {
  const isQuery = message.readInt32LE(12) === OP_QUERY
  const start = isQuery ? message.indexOf(0, 20) + 1 + 8 : 21
  const reply = Buffer.from(BSON.serialize(await run(BSON.deserialize(message.subarray(start)))))
  const prefix = isQuery ? Buffer.alloc(20) : Buffer.alloc(5)
  if (isQuery) prefix.writeInt32LE(1, 16)
  const header = Buffer.alloc(16)
  header.writeInt32LE(header.length + prefix.length + reply.length, 0)
  message.copy(header, 8, 4, 8)
  header.writeInt32LE(isQuery ? OP_REPLY : OP_MSG, 12)
  return Buffer.concat([header, prefix, reply])
}
