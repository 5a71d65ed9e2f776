import { Transform } from 'node:stream'
import { SizedMessageTransform } from 'mongodb/lib/cmap/connection.js'

/** The bytes before the first document, by the kind of message that a server answers with, and those before each. */
const MESSAGE_KINDS: Record<number, { head: number; gap: number }> = {
  1: { head: 36, gap: 0 },
  2013: { head: 20, gap: 1 },
}
/** Where the kind is, and where the first of them says how many documents it has. */
const KIND_OFFSET_BYTES = 12
const COUNT_OFFSET_BYTES = 32
const MIN_DOCUMENT_BYTES = 5

/** How many documents follow each other, each after `gap` bytes; undefined if they do not end with the bytes. */
function countDocuments(bytes: Buffer, gap: number): number | undefined {
  let [at, count] = [0, 0]
  for (; at < bytes.length; count++) {
    const length = at + gap + 4 <= bytes.length ? bytes.readInt32LE(at + gap) : 0
    if (length < MIN_DOCUMENT_BYTES) return undefined
    at += gap + length
  }
  return at === bytes.length ? count : undefined
}

/** Whether the lengths in a message fit into each other. */
function isWhole(message: Uint8Array): boolean {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  const kind =
    bytes.length > KIND_OFFSET_BYTES + 4 ? MESSAGE_KINDS[bytes.readInt32LE(KIND_OFFSET_BYTES)] : undefined
  if (!kind || bytes.length < kind.head) return false
  const count = countDocuments(bytes.subarray(kind.head), kind.gap)
  return kind === MESSAGE_KINDS[1] ? count === bytes.readInt32LE(COUNT_OFFSET_BYTES) : Boolean(count)
}

/**
 * Has the driver refuse a message whose lengths do not fit into each other. It believes each of them, and with some it
 * reads on and on, which no timeout ends, until the process has no memory left.
 */
SizedMessageTransform.prototype.push = function (message: Uint8Array | null, ...rest) {
  return (message === null || isWhole(message)) && Transform.prototype.push.call(this, message, ...rest)
}
