import { type ConnectionOptions, createConnection } from 'mysql2'
import type { Connection } from 'mysql2/promise'

/** What the driver calls for every packet that came; its types leave it out. */
type Decoder = { handlePacket(packet?: unknown): void }

/**
 * Opens a connection of the driver, of which nothing is thrown outside of a promise: that would end the process. The
 * driver tells of a second error after the first, and decodes what no statement waits for.
 * @throws Error the driver's own
 */
export async function connect(config: ConnectionOptions): Promise<Connection> {
  const connection = createConnection(config)
  connection.on('error', () => {})
  const decoder = connection as unknown as Decoder
  const handle = decoder.handlePacket.bind(connection)
  decoder.handlePacket = packet => {
    try {
      handle(packet)
    } catch (error) {
      connection.emit('error', error)
      connection.destroy()
    }
  }
  try {
    await new Promise((resolve, reject) => connection.once('connect', resolve).once('error', reject))
    return connection.promise()
  } catch (error) {
    connection.destroy()
    throw error
  }
}
