import { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import type pg from 'pg'

/**
 * A message of the server: its kind, which is one letter; its body; and all of its bytes
 * (https://www.postgresql.org/docs/current/protocol-message-formats.html).
 */
export type Message = { kind: string; body: Buffer; bytes: Buffer }

/** The server sent bytes that are not PostgreSQL's protocol. */
export class ProtocolError extends Error {}

/** The members of the driver's connection that its types leave out. */
type Connection = EventEmitter & { stream: Duplex; attachListeners(stream: Duplex): void }

/** The driver's connection behind a client, which its types leave out. */
export const connectionOf = (client: pg.Client) =>
  (client as unknown as { connection: Connection }).connection

/** A message begins with its kind, of one byte, and its length, of four. The length counts itself, but not the kind. */
const KIND_BYTES = 1
const HEADER_BYTES = 5
/** The server sends no message above one gigabyte (MaxAllocSize in src/include/utils/memutils.h). */
const MAX_MESSAGE_BYTES = 2 ** 30
/** The longest message that is buffered: more than Keyturn's own queries return, and less than a function's memory. */
const MAX_BUFFERED_MESSAGE_BYTES = 2 ** 25

/** A switch that a session turns on to discard all result rows as they arrive, before the driver reads them. */
export type RowFilter = { discardsRows: boolean }

/**
 * Calls `inspect` with every message before the driver gets it, except for rows that `rows` discards. The driver does not get a
 * message for which `inspect` returns false. If `inspect` throws, or the driver throws at a message that it cannot read, the
 * connection ends and the pending query fails. By itself the driver would throw outside any promise, which ends the process.
 * @param maxBytes Returns the longest message that is waited for; undefined for the default.
 */
export function watchMessages(
  client: pg.Client,
  inspect: (message: Message, stream: Duplex) => boolean,
  rows: RowFilter = { discardsRows: false },
  maxBytes: () => number | undefined = () => undefined,
): void {
  const connection = connectionOf(client)
  const attach = connection.attachListeners.bind(connection)
  connection.attachListeners = stream => {
    const driver = new EventEmitter()
    attach(driver as Duplex)
    let unread: Buffer = Buffer.alloc(0)
    let bytesToDiscard = 0
    stream.on('data', (data: Buffer) => {
      unread = Buffer.concat([unread, data])
      try {
        for (;;) {
          // A row is discarded piece by piece, so that a long one needs no memory.
          if (!bytesToDiscard && rows.discardsRows) bytesToDiscard = rowLength(unread)
          const discarded = Math.min(bytesToDiscard, unread.length)
          bytesToDiscard -= discarded
          unread = unread.subarray(discarded)
          if (discarded) continue

          const message = firstMessage(unread, maxBytes() ?? MAX_BUFFERED_MESSAGE_BYTES)
          if (!message) break
          unread = unread.subarray(message.bytes.length)
          if (inspect(message, stream)) driver.emit('data', message.bytes)
        }
      } catch (error) {
        stream.removeAllListeners('data')
        connection.emit('error', error)
        stream.destroy()
      }
    })
  }
}

/**
 * @returns the length of the first message in bytes, if it is a row of a result (D) or of COPY (d); 0 if it is another
 *   message, or if its length has not arrived yet
 */
function rowLength(bytes: Buffer): number {
  return 'Dd'.includes(bytes.toString('latin1', 0, KIND_BYTES)) ? (messageLength(bytes) ?? 0) : 0
}

/**
 * @returns the length of the first message in bytes, with its kind; undefined if its length has not arrived yet
 * @throws ProtocolError
 */
function messageLength(bytes: Buffer, maxBytes = MAX_MESSAGE_BYTES): number | undefined {
  if (bytes.length < HEADER_BYTES) return undefined
  const length = bytes.readUInt32BE(KIND_BYTES)
  if (length < HEADER_BYTES - KIND_BYTES || length > maxBytes)
    throw new ProtocolError('a message of an impossible length')
  return KIND_BYTES + length
}

/** @returns the first message; undefined if not all of it has arrived yet @throws ProtocolError */
function firstMessage(bytes: Buffer, maxBytes: number): Message | undefined {
  const length = messageLength(bytes, maxBytes)
  if (length === undefined || bytes.length < length) return undefined
  const message = {
    kind: bytes.toString('latin1', 0, KIND_BYTES),
    body: bytes.subarray(HEADER_BYTES, length),
  }
  if ('EN'.includes(message.kind) && !isCompleteReport(message.body))
    throw new ProtocolError('an error or a notice without an end')
  return { ...message, bytes: bytes.subarray(0, length) }
}

/**
 * Whether the body of an error or a notice is complete: fields of one letter and a text that ends with a zero byte, and a zero
 * byte after the last field. Without that last byte, the driver would read without an end.
 */
function isCompleteReport(body: Buffer): boolean {
  let at = 0
  while (body[at]) {
    const end = body.indexOf(0, at + 1)
    if (end === -1) return false
    at = end + 1
  }
  return body[at] === 0
}
