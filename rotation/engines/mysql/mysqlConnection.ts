import type { PeerCertificate, TLSSocket } from 'node:tls'
import { type ConnectionOptions, createConnection } from 'mysql2'
import type { Connection } from 'mysql2/promise'

/** The driver's methods for a packet that arrived and for starting TLS, which its types leave out. */
type DriverInternals = {
  handlePacket(packet?: unknown): void
  startTLS(onSecure: (error?: Error) => void): void
  stream: TLSSocket
}

/**
 * Opens a connection of the driver so that no error is thrown outside a promise, which would end the process: neither a
 * second error after the first, nor an error in a packet that no statement waits for.
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

/**
 * Reports the server's certificate once its issuer is trusted. The driver has no hook before it compares the host names, but
 * the error of a wrong name carries the certificate.
 */
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
