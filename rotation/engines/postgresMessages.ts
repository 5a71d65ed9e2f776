import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import type pg from 'pg'

/** A message of the server: its kind, a letter; its body; and all of its bytes. */
export type Message = { kind: string; body: Buffer; bytes: Buffer }

/** What the server sends is not PostgreSQL's protocol. */
export class ProtocolError extends Error {}

/** What the driver does not show of its connection, or not in its types. */
type Connection = EventEmitter & { stream: Duplex; attachListeners(stream: Duplex): void }
export const connectionOf = (client: pg.Client) =>
  (client as unknown as { connection: Connection }).connection

/** The bytes of the kind and of the length, which counts itself, but not the kind. */
const KIND = 1
const HEADER = 5
/** No message of PostgreSQL is longer than a gigabyte. */
const LONGEST = 2 ** 30

/**
 * Lets `look` see every message before the driver does, which does not get what it returns false for. What `look`
 * throws, and what the driver throws at a message that it cannot read, ends the connection and fails what waits for it;
 * by itself the driver would throw that outside any promise, and end the process.
 */
export function watchMessages(client: pg.Client, look: (message: Message, stream: Duplex) => boolean): void {
  const connection = connectionOf(client)
  const attach = connection.attachListeners.bind(connection)
  connection.attachListeners = stream => {
    const driver = new EventEmitter()
    attach(driver as Duplex)
    let rest: Buffer = Buffer.alloc(0)
    stream.on('data', (data: Buffer) => {
      rest = Buffer.concat([rest, data])
      try {
        for (let message = firstOf(rest); message; message = firstOf(rest)) {
          rest = rest.subarray(message.bytes.length)
          if (look(message, stream)) driver.emit('data', message.bytes)
        }
      } catch (error) {
        stream.removeAllListeners('data')
        connection.emit('error', error)
        stream.destroy()
      }
    })
  }
}

/** The first message of these bytes, if all of it is there. @throws ProtocolError */
function firstOf(bytes: Buffer): Message | undefined {
  if (bytes.length < HEADER) return undefined
  const length = bytes.readUInt32BE(KIND)
  if (length < HEADER - KIND || length > LONGEST) throw new ProtocolError('a message of an impossible length')
  if (bytes.length < KIND + length) return undefined
  const message = { kind: bytes.toString('latin1', 0, KIND), body: bytes.subarray(HEADER, KIND + length) }
  if ('EN'.includes(message.kind) && !isReport(message.body))
    throw new ProtocolError('an error or a notice without an end')
  return { ...message, bytes: bytes.subarray(0, KIND + length) }
}

/** Texts, each after a letter and with a 0 behind it, and a 0 in the end, without which the driver reads for ever. */
function isReport(body: Buffer): boolean {
  let at = 0
  while (body[at]) {
    const end = body.indexOf(0, at + 1)
    if (end === -1) return false
    at = end + 1
  }
  return body[at] === 0
}
