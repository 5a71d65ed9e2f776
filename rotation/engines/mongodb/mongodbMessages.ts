import { Transform } from 'node:stream'
import { SizedMessageTransform } from 'mongodb/lib/cmap/connection.js'

/**
 * The kinds of messages that a server sends, OP_REPLY (1) and OP_MSG (2013): `head` is the bytes before the first document, and
 * `gap` the bytes before each (https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/).
 */
const MESSAGE_KINDS: Record<number, { head: number; gap: number }> = {
  1: { head: 36, gap: 0 },
  2013: { head: 20, gap: 1 },
}
/** The place of the kind in a message. */
const KIND_OFFSET_BYTES = 12
/** The place of the number of documents in an OP_REPLY. */
const COUNT_OFFSET_BYTES = 32
/** The length of an empty document. */
const MIN_DOCUMENT_BYTES = 5

/** @returns the number of documents, each after `gap` bytes; undefined if the last one does not end where the bytes end */
function countDocuments(bytes: Buffer, gap: number): number | undefined {
  let [at, count] = [0, 0]
  for (; at < bytes.length; count++) {
    const length = at + gap + 4 <= bytes.length ? bytes.readInt32LE(at + gap) : 0
    if (length < MIN_DOCUMENT_BYTES) return undefined
    at += gap + length
  }
  return at === bytes.length ? count : undefined
}

/** Whether the lengths in a message are consistent. */
function isWhole(message: Uint8Array): boolean {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  const kind =
    bytes.length > KIND_OFFSET_BYTES + 4 ? MESSAGE_KINDS[bytes.readInt32LE(KIND_OFFSET_BYTES)] : undefined
  if (!kind || bytes.length < kind.head) return false
  const count = countDocuments(bytes.subarray(kind.head), kind.gap)
  return kind === MESSAGE_KINDS[1] ? count === bytes.readInt32LE(COUNT_OFFSET_BYTES) : Boolean(count)
}

/**
 * Replaces a method of the driver, so that the driver refuses a message with inconsistent lengths: it gives up a connection whose
 * `push` returns false. The driver itself trusts the lengths, and with some of them it reads without end, which no timeout stops,
 * until the process is out of memory.
 */
SizedMessageTransform.prototype.push = function (message: Uint8Array | null, ...rest) {
  return (message === null || isWhole(message)) && Transform.prototype.push.call(this, message, ...rest)
}
