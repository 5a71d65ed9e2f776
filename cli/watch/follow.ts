import { setTimeout as sleep } from 'node:timers/promises'
import type { HistoryEvent, SFNClient } from '@aws-sdk/client-sfn'
import { CommandError, exit } from '../exit.ts'
import { Patience } from '../patience.ts'
import { History, type Step } from './history.ts'

/** Milliseconds between two looks at first, which get longer. */
const PAUSE = { first: 300, longest: 2000 }
/** Milliseconds that an execution may take to be there: Secrets Manager starts it a moment after it is asked. */
const BEGINS_WITHIN = 60_000

/**
 * What an execution has done and does, as it goes by, to its end.
 * @throws CommandError if it does not begin; what AWS throws, if that goes on; AbortError if `signal` is aborted
 */
export async function* follow(
  client: SFNClient,
  executionArn: string,
  signal: AbortSignal,
): AsyncGenerator<Step> {
  const history = new History()
  const asked = Date.now()
  const patience = new Patience(signal)
  let seen = 0
  for (let pause = PAUSE.first; ; pause = Math.min(pause * 1.2, PAUSE.longest)) {
    const look = eventsAfter(seen, client, executionArn, signal).catch(error => {
      if (error.name !== 'ExecutionDoesNotExist' || seen > 0) throw error
      if (Date.now() - asked < BEGINS_WITHIN) return []
      throw notBegun(executionArn)
    })
    const events = await patience.of(look)
    for (const event of events ?? []) {
      seen = event.id ?? seen
      const step = history.read(event)
      if (step) yield step
      if (step?.kind === 'ended') return
    }
    await sleep(pause, undefined, { signal })
  }
}

/** The events after the one with this id, which is all that is asked for: a history can be long. */
async function eventsAfter(
  seen: number,
  client: SFNClient,
  executionArn: string,
  abortSignal: AbortSignal,
): Promise<HistoryEvent[]> {
  const { GetExecutionHistoryCommand } = await import('@aws-sdk/client-sfn')
  const found: HistoryEvent[] = []
  let nextToken: string | undefined
  do {
    const command = new GetExecutionHistoryCommand({
      executionArn,
      reverseOrder: true,
      maxResults: 100,
      nextToken,
    })
    const { events = [], nextToken: next } = await client.send(command, { abortSignal })
    const fresh = events.filter(({ id = 0 }) => id > seen)
    found.push(...fresh)
    nextToken = fresh.length === events.length ? next : undefined
  } while (nextToken)
  return found.reverse()
}

const notBegun = (executionArn: string) =>
  new CommandError(
    exit.failed,
    `the rotation was asked for, and has not begun within a minute: ${executionArn}`,
    "Look at the log of the stack's function rotateSecret, which Secrets Manager calls.",
  )
