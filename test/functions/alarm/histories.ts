import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

type Entered = { state: string; input: unknown }
/** The states that executions entered, in order, by ARN; `ended` for those that have ended; `at` in seconds since 1970. */
export type Known = Map<string, { entered: Entered[]; ended?: boolean; at?: number }>

/** Plays the calls of Step Functions that read executions. They fail with the error that `fail` names, if it names one. */
export async function startHistories(
  known: Known,
  fail: () => string | undefined = () => undefined,
  now = () => 1_795_255_200,
) {
  const calls: string[] = []
  const server = createServer(async (incoming, outgoing) => {
    const { executionArn, nextToken, maxResults } = JSON.parse(
      Buffer.concat(await incoming.toArray()).toString(),
    )
    calls.push(executionArn)
    const error = fail() ?? (known.has(executionArn) ? undefined : 'ExecutionDoesNotExist')
    const { entered = [], ended = true, at = now() } = known.get(executionArn) ?? {}
    const events = [
      { type: 'ExecutionStarted', timestamp: at },
      ...entered.map(({ state, input }, index) => ({
        type: 'TaskStateEntered',
        timestamp: at + index / 1000,
        stateEnteredEventDetails: { name: state, input: JSON.stringify(input) },
      })),
      ...(ended ? [{ type: 'ExecutionFailed', timestamp: at }] : []),
    ].reverse()
    const from = Number(nextToken ?? 0)
    const more = from + maxResults < events.length
    const answer = error
      ? { __type: error }
      : { events: events.slice(from, from + maxResults), ...(more && { nextToken: `${from + maxResults}` }) }
    outgoing.writeHead(error ? 400 : 200, { 'content-type': 'application/x-amz-json-1.0' })
    outgoing.end(JSON.stringify(answer))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}
