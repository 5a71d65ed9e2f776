/** A part of the driver that it gives no types of. */
declare module 'mongodb/lib/cmap/connection.js' {
  import type { Transform } from 'node:stream'

  /** Cuts what comes from a server into messages, by the length that each begins with. */
  export class SizedMessageTransform extends Transform {}
}
