import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { makeCertificate } from '../servers/certificate.ts'

/** A local AWS service in this process. `stop` closes its connections at once. */
export type LocalService = { url: string; stop(): Promise<void> }

/** A certificate for 127.0.0.1 and its key, as files. */
export type CertificateFiles = Awaited<ReturnType<typeof makeCertificate>>

/** Starts an HTTP server on a free port of 127.0.0.1; with `tls` an HTTPS server. */
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
 * Starts a service with AWS's protocol JSON 1.0, over HTTPS with `tls`:
 * https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
 * @param target what stands before the dot and the action in the X-Amz-Target header
 * @param answerTo answers a call; an answer with the member `__type` is sent as an error
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
