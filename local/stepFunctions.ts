import { once } from 'node:events'
import { createServer } from 'node:http'

export type StepFunctionsServer = {
  /** For AWS_ENDPOINT_URL_SFN. */
  url: string
  /** The names of the executions that run; every other one does not exist. */
  running: Set<string>
  /** Every call so far. */
  calls: { action: string }[]
  stop(): void
}

/** Starts as much of AWS Step Functions as a function asks: whether an execution runs. On a free port of 127.0.0.1. */
export async function startStepFunctions(): Promise<StepFunctionsServer> {
  const running = new Set<string>()
  const calls: { action: string }[] = []
  const server = createServer(async (incoming, outgoing) => {
    calls.push({ action: String(incoming.headers['x-amz-target']).replace('AWSStepFunctions.', '') })
    const { executionArn } = JSON.parse(Buffer.concat(await incoming.toArray()).toString())
    const name = String(executionArn).split(':').at(-1) ?? ''
    outgoing.writeHead(running.has(name) ? 200 : 400, { 'content-type': 'application/x-amz-json-1.0' })
    outgoing.end(
      JSON.stringify(running.has(name) ? { status: 'RUNNING' } : { __type: 'ExecutionDoesNotExist' }),
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    running,
    calls,
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}
