/** A part of the driver that it gives no types of. */
declare module 'mongodb/lib/utils.js' {
  export class BufferPool {
    /** The length of the next message, if that much has come. */
    getInt32(): number | null
  }
}
