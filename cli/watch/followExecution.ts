import { setTimeout as sleep } from 'node:timers/promises'
import type { HistoryEvent, SFNClient } from '@aws-sdk/client-sfn'
import { CommandError, EXIT } from '../exit.ts'
import { PollTolerance } from '../pollTolerance.ts'
import { HistoryReader, type RotationStep } from './historyReader.ts'

/** Milliseconds between two looks at first, which get longer. */
const LOOK_INTERVAL_MS = { first: 300, longest: 2000 }
/** Milliseconds that an execution may take to be there: Secrets Manager starts it a moment after it is asked. */
const BEGINS_WITHIN_MS = 60_000

/**
 * What an execution has done and does, as it goes by, to its end.
 * @throws CommandError if it does not begin; what AWS throws, if that goes on; AbortError if `signal` is aborted
 */
export async function* followExecution(
  client: SFNClient,
  executionArn: string,
  signal: AbortSignal,
): AsyncGenerator<RotationStep> {
  const history = new HistoryReader()
  const asked = Date.now()
  const patience = new PollTolerance(signal)
  let seen = 0
  for (let pause = LOOK_INTERVAL_MS.first; ; pause = Math.min(pause * 1.2, LOOK_INTERVAL_MS.longest)) {
    const look = fetchEventsAfter(seen, client, executionArn, signal).catch(error => {
      if (error.name !== 'ExecutionDoesNotExist' || seen > 0) throw error
      if (Date.now() - asked < BEGINS_WITHIN_MS) return []
      throw notBegunError(executionArn)
    })
    const events = await patience.tolerate(look)
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
async function fetchEventsAfter(
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

const notBegunError = (executionArn: string) =>
  new CommandError(
    EXIT.failed,
    `the rotation was asked for, and has not begun within a minute: ${executionArn}`,
    "Look at the log of the stack's function rotateSecret, which Secrets Manager calls.",
  )
