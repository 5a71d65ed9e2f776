import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { makeCertificate } from '../servers/certificate.ts'

/** A service of AWS in this process: where it is, and what ends it at once. */
export type LocalService = { url: string; stop(): Promise<void> }

/** A certificate for 127.0.0.1 and its key, as files. */
export type CertificateFiles = Awaited<ReturnType<typeof makeCertificate>>

/** Serves on a free port of 127.0.0.1, over HTTPS with `tls`. */
export async function serveHttp(respond: RequestListener, tls?: CertificateFiles): Promise<LocalService> {
  const server = (tls ? createTlsServer(readCertificate(tls), respond) : createServer(respond)).listen(
    0,
    '127.0.0.1',
  )
  await once(server, 'listening')
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as { port: number }).port}`,
    async stop() {
      const closed = once(server.close(), 'close')
      server.closeAllConnections()
      await closed
    },
  }
}

const readCertificate = ({ caFile, keyFile }: CertificateFiles) => ({
  cert: readFileSync(caFile),
  key: readFileSync(keyFile),
})

/**
 * Serves a service that speaks JSON 1.0, over HTTPS with `tls`; `target` is what its actions begin with. An answer with
 * `__type` is an error.
 */
export const serveJsonService = (
  target: string,
  answerTo: (action: string, request: object) => object,
  tls?: CertificateFiles,
): Promise<LocalService> =>
  serveHttp(async (incoming, outgoing) => {
    const action = `${incoming.headers['x-amz-target']}`.replace(`${target}.`, '')
    const request = JSON.parse(Buffer.concat(await incoming.toArray()).toString())
    const answer = answerTo(action, request)
    outgoing.writeHead('__type' in answer ? 400 : 200, { 'content-type': 'application/x-amz-json-1.0' })
    outgoing.end(JSON.stringify(answer))
  }, tls)
