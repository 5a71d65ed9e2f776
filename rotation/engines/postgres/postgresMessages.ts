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
const KIND_BYTES = 1
const HEADER_BYTES = 5
/** No message of PostgreSQL is longer than a gigabyte. */
const MAX_MESSAGE_BYTES = 2 ** 30
/** What is kept until it is whole: longer than a row of anything that is asked here, and no function's memory. */
const MAX_BUFFERED_MESSAGE_BYTES = 2 ** 25

/** Whether rows are thrown away as they come, each byte of them, before the driver or anybody sees them. */
export type RowFilter = { discardsRows: boolean }

/**
 * Lets `look` see every message before the driver does, which does not get what it returns false for. What `look`
 * throws, and what the driver throws at a message that it cannot read, ends the connection and fails what waits for it;
 * by itself the driver would throw that outside any promise, and end the process. A message that says it is longer than
 * `longest` is not waited for.
 */
export function watchMessages(
  client: pg.Client,
  look: (message: Message, stream: Duplex) => boolean,
  rows: RowFilter = { discardsRows: false },
  longest: () => number | undefined = () => undefined,
): void {
  const connection = connectionOf(client)
  const attach = connection.attachListeners.bind(connection)
  connection.attachListeners = stream => {
    const driver = new EventEmitter()
    attach(driver as Duplex)
    let rest: Buffer = Buffer.alloc(0)
    let skip = 0
    stream.on('data', (data: Buffer) => {
      rest = Buffer.concat([rest, data])
      try {
        for (;;) {
          if (!skip && rows.discardsRows) skip = rowLength(rest)
          const skipped = Math.min(skip, rest.length)
          skip -= skipped
          rest = rest.subarray(skipped)
          if (skipped) continue
          const message = firstMessage(rest, longest() ?? MAX_BUFFERED_MESSAGE_BYTES)
          if (!message) break
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

/** How long the first message is, if it is a row of a result or of COPY; else, and before its length is there, 0. */
function rowLength(bytes: Buffer): number {
  return 'Dd'.includes(bytes.toString('latin1', 0, KIND_BYTES)) ? (messageLength(bytes) ?? 0) : 0
}

/** How long the first message is in all, once that is there. @throws ProtocolError */
function messageLength(bytes: Buffer, longest = MAX_MESSAGE_BYTES): number | undefined {
  if (bytes.length < HEADER_BYTES) return undefined
  const length = bytes.readUInt32BE(KIND_BYTES)
  if (length < HEADER_BYTES - KIND_BYTES || length > longest)
    throw new ProtocolError('a message of an impossible length')
  return KIND_BYTES + length
}

/** The first message of these bytes, if all of it is there. @throws ProtocolError */
function firstMessage(bytes: Buffer, longest: number): Message | undefined {
  const length = messageLength(bytes, longest)
  if (length === undefined || bytes.length < length) return undefined
  const message = {
    kind: bytes.toString('latin1', 0, KIND_BYTES),
    body: bytes.subarray(HEADER_BYTES, length),
  }
  if ('EN'.includes(message.kind) && !isCompleteReport(message.body))
    throw new ProtocolError('an error or a notice without an end')
  return { ...message, bytes: bytes.subarray(0, length) }
}

/** Texts, each after a letter and with a 0 behind it, and a 0 in the end, without which the driver reads for ever. */
function isCompleteReport(body: Buffer): boolean {
  let at = 0
  while (body[at]) {
    const end = body.indexOf(0, at + 1)
    if (end === -1) return false
    at = end + 1
  }
  return body[at] === 0
}
