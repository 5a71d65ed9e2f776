import type { PeerCertificate, TLSSocket } from 'node:tls'
import { type ConnectionOptions, createConnection } from 'mysql2'
import type { Connection } from 'mysql2/promise'

/** What the driver calls for every packet that came, and to begin TLS; its types leave both out. */
type DriverInternals = {
  handlePacket(packet?: unknown): void
  startTLS(onSecure: (error?: Error) => void): void
  stream: TLSSocket
}

/**
 * Opens a connection of the driver, of which nothing is thrown outside of a promise: that would end the process. The
 * driver tells of a second error after the first, and decodes what no statement waits for.
 * @throws Error the driver's own
 */
export async function connect(
  config: ConnectionOptions,
  onCertificate: (certificate: PeerCertificate) => void,
): Promise<Connection> {
  const connection = createConnection(config)
  connection.on('error', () => {})
  const inner = connection as unknown as DriverInternals
  reportCertificate(inner, onCertificate)
  const handle = inner.handlePacket.bind(connection)
  inner.handlePacket = packet => {
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

/** The driver compares names by itself, and lets nobody look before. The error of that has the certificate. */
function reportCertificate(
  inner: DriverInternals,
  onCertificate: (certificate: PeerCertificate) => void,
): void {
  const start = inner.startTLS.bind(inner)
  inner.startTLS = onSecure =>
    start(error => {
      const { code, cert } = (error ?? {}) as { code?: string; cert?: PeerCertificate }
      if (!error) onCertificate(inner.stream.getPeerCertificate())
      else if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' && cert) onCertificate(cert)
      onSecure(error)
    })
}
