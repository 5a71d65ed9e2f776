/** A part of the driver that its own types leave out. */
declare module 'mongodb/lib/cmap/connection.js' {
  import type { Transform } from 'node:stream'

  /** Splits the bytes of a server into messages, by the length at the beginning of each. */
  export class SizedMessageTransform extends Transform {}
}
