import { BufferPool } from 'mongodb/lib/utils.js'

/** Bytes. There is no shorter message, as this much is its head. */
const SHORTEST = 16

const { getInt32 } = BufferPool.prototype

/**
 * Has the driver refuse a message whose length is none, as it refuses a negative one: it would read a message of the
 * length 0 again and again, which no timeout ends, until the process has no memory left.
 */
BufferPool.prototype.getInt32 = function () {
  const length = getInt32.call(this)
  return length !== null && length < SHORTEST ? -1 : length
}
