import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'

/** A service of AWS in this process: where it is, and what ends it at once. */
export type Served = { url: string; stop(): Promise<void> }

/** Serves on a free port of 127.0.0.1. */
export async function serve(respond: RequestListener): Promise<Served> {
  const server = createServer(respond).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    async stop() {
      const closed = once(server.close(), 'close')
      server.closeAllConnections()
      await closed
    },
  }
}

/** Serves a service that speaks JSON 1.0; `target` is what its actions begin with. An answer with `__type` is an error. */
export const serveJson = (
  target: string,
  answerTo: (action: string, request: object) => object,
): Promise<Served> =>
  serve(async (incoming, outgoing) => {
    const action = `${incoming.headers['x-amz-target']}`.replace(`${target}.`, '')
    const request = JSON.parse(Buffer.concat(await incoming.toArray()).toString())
    const answer = answerTo(action, request)
    outgoing.writeHead('__type' in answer ? 400 : 200, { 'content-type': 'application/x-amz-json-1.0' })
    outgoing.end(JSON.stringify(answer))
  })
